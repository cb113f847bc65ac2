"""Steps of the parent, around the clone: the state folder, cgroups, id maps. Those that leave something can undo it."""

from __future__ import annotations

import errno
import os
import time

from labkit.errors import LabkitError
from labkit.plan.step import Scene, Step

_SIGKILL = 9
_REMOVAL_DEADLINE = 10.0


class MakeStateFolder(Step):
    """The folder's only file, `state`, says who runs the container and which cgroups it has (see engine.state)."""

    __slots__ = ("content", "path")
    content: str
    path: str
    call = "mkdir, write"
    why = "the id is taken while the folder exists, and what a killed engine leaves can be found"

    def describe(self) -> str:
        return f"record the container in {self.path}"

    def apply(self, scene: Scene) -> None:
        try:
            os.mkdir(self.path, 0o711)
        except FileExistsError as error:
            name = os.path.basename(self.path)
            raise LabkitError(
                f"a container with the id {name!r} exists", "choose another --id, or: labkit gc"
            ) from error
        try:
            owner = f"owner {os.getpid()} {start_time(scene.kernel.read_file('/proc/self/stat'))}\n"
            descriptor = os.open(f"{self.path}/state", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, (self.content + owner).encode())
            finally:
                os.close(descriptor)
        except OSError:
            self.undo(scene)
            raise

    def undo(self, scene: Scene) -> None:
        for name in ("state", ""):
            try:
                os.unlink(f"{self.path}/{name}") if name else os.rmdir(self.path)
            except FileNotFoundError:
                pass


def start_time(stat: str) -> int:
    """The ticks from boot to a process's start, from its /proc/PID/stat (field 22): with the pid, its identity."""
    return int(stat.rpartition(")")[2].split()[19])


class MakeCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "mkdir"
    why = "a folder of cgroupfs is a group of processes to count and to limit"

    def describe(self) -> str:
        return f"make the cgroup {self.path}"

    def apply(self, scene: Scene) -> None:
        try:
            os.mkdir(self.path, 0o755)
        except FileExistsError as error:
            raise LabkitError(
                f"the cgroup {self.path} exists", "it is another container's; choose another id"
            ) from error

    def undo(self, scene: Scene) -> None:
        remove_cgroup(scene, self.path)


def remove_cgroup(scene: Scene, path: str) -> None:
    """Kill what is left in the cgroup and remove it; nothing to do when it is gone."""
    deadline = time.monotonic() + _REMOVAL_DEADLINE
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        _kill_members(scene, path)
        # A killed process leaves its cgroup only once it is reaped, and v1 has no file that would tell.
        time.sleep(0.001)


def _kill_members(scene: Scene, path: str) -> None:
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            remove_cgroup(scene, entry.path)
    for pid in scene.kernel.read_file(f"{path}/cgroup.procs").split():
        try:
            os.kill(int(pid), _SIGKILL)
        except ProcessLookupError:
            pass


class WriteCgroup(Step):
    __slots__ = ("file", "value", "why_text")
    file: str
    value: str
    why_text: str
    call = "write"

    def __init__(self, file: str, value: str, why_text: str) -> None:
        super().__init__(file, value, why_text)

    @property
    def why(self) -> str:  # type: ignore[override]
        return self.why_text

    def describe(self) -> str:
        return f"write {self.value!r} to {self.file}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.write_file(self.file, self.value)


class InheritCpuset(Step):
    __slots__ = ("path",)
    path: str
    call = "read, write"
    why = "a v1 cpuset begins empty, and no process can join it until it has CPUs and memory nodes (cpuset(7))"

    def describe(self) -> str:
        return f"give {self.path} the CPUs and memory nodes of its parent"

    def apply(self, scene: Scene) -> None:
        parent = os.path.dirname(self.path)
        for name in ("cpuset.cpus", "cpuset.mems"):
            scene.kernel.write_file(f"{self.path}/{name}", scene.kernel.read_file(f"{parent}/{name}").strip() or "0")


class CloneIntoCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "open, clone3(CLONE_INTO_CGROUP)"
    why = "the process is born in its cgroup and never runs outside it"

    def describe(self) -> str:
        return f"let the clone begin in {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.cgroup = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def undo(self, scene: Scene) -> None:
        if scene.cgroup is not None:
            os.close(scene.cgroup)
            scene.cgroup = None


class JoinCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "write PID to cgroup.procs"
    why = "before the program runs: from here on all it does is counted and limited"

    def describe(self) -> str:
        return f"put the process into {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.write_file(f"{self.path}/cgroup.procs", str(scene.pid))


class WriteIdMaps(Step):
    __slots__ = ("deny_setgroups", "gid_map", "uid_map")
    deny_setgroups: bool
    gid_map: str
    uid_map: str
    call = "write /proc/PID/uid_map, setgroups, gid_map"
    why = "until then the process is nobody inside; an ordinary user must first give up setgroups (user_namespaces(7))"

    def describe(self) -> str:
        return "map the ids inside to outside: " + self.uid_map.replace("\n", ", ")

    def apply(self, scene: Scene) -> None:
        folder = f"/proc/{scene.pid}"
        scene.kernel.write_file(f"{folder}/uid_map", self.uid_map)
        if self.deny_setgroups:
            scene.kernel.write_file(f"{folder}/setgroups", "deny")
        scene.kernel.write_file(f"{folder}/gid_map", self.gid_map)
