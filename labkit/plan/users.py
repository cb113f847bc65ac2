"""The parent's step that maps ids an ordinary user was given, which only a privileged program can: newuidmap(1)."""

from __future__ import annotations

import labkit.linux.program  # noqa: F401  (see kernel)
from labkit.errors import StepError
from labkit.plan.step import Scene, Step

# In seconds.
_PATIENCE = 30.0


class RunMappers(Step):
    """The maps are texts as of /proc/PID/uid_map, the other two the programs' paths."""

    __slots__ = ("gid_map", "newgidmap", "newuidmap", "uid_map")
    gid_map: str
    newgidmap: str
    newuidmap: str
    uid_map: str
    call = "posix_spawn(newuidmap, newgidmap)"
    why = "the kernel lets an ordinary user map its own id alone; these have the privilege, and look into /etc/subuid"

    def describe(self) -> str:
        return "have the ids inside mapped to outside: " + self.uid_map.replace("\n", ", ")

    def apply(self, scene: Scene) -> None:
        for program, text in ((self.newuidmap, self.uid_map), (self.newgidmap, self.gid_map)):
            arguments = (program.rpartition("/")[2], str(scene.pid), *text.split())
            status, output = scene.kernel.run_program(program, arguments, ("LC_ALL=C",), b"", _PATIENCE)
            if status:
                reason = output.partition("\n")[0] or f"exit status {status}"
                hint = "it must be set-user-ID, or have the capability; and nothing above must have set no_new_privs"
                raise StepError("RunMappers", 0, reason, hint)
