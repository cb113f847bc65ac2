"""Steps around a scope: a cgroup that systemd makes, and watches, for processes it did not start (systemd.scope(5))."""

from __future__ import annotations

import errno
import os
import time

import labkit.linux.program  # noqa: F401  (see kernel)
from labkit.errors import StepError
from labkit.linux.cgroupfs import remove_empty_cgroup
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGKILL = 9
_DEADLINE = 10.0
# It ends by itself, should the engine be killed before it can end it.
_PLACEHOLDER = ("/bin/sleep", "60")
# Where the placeholder waits: on v2 a cgroup with processes cannot hand controllers down.
_ASIDE = "labkit-start"


def busctl_arguments(unit: str, slice: str, description: str, pid: int) -> tuple[str, ...]:
    """What busctl(1) takes for StartTransientUnit(name, mode, properties, aux) of org.freedesktop.systemd1(5)."""
    properties = (
        ("Description", "s", description),
        ("Slice", "s", slice),
        # What is below the scope is the engine's own, and controllers are handed down to it.
        ("Delegate", "b", "true"),
        ("DefaultDependencies", "b", "false"),
        ("PIDs", "au", "1", str(pid)),
    )
    flat = [word for words in properties for word in words]
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    call = ("busctl", "--quiet", "call", *manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail")
    return (*call, str(len(properties)), *flat, "0")


class StartScope(Step):
    """Ask systemd for the scope `unit`, whose cgroup will be `path`.

    A scope begins with a process that runs already, and the container has none before its cgroup is there: a
    placeholder stands in for it, until EndPlaceholder.
    """

    __slots__ = ("busctl", "description", "path", "slice", "unit")
    busctl: str
    description: str
    path: str
    slice: str
    unit: str
    call = "posix_spawn(busctl), mkdir, write"
    why = "cgroupsPath names a unit of systemd, which alone may make cgroups in its part of the tree"

    def describe(self) -> str:
        return f"have systemd start the scope {self.unit} in {self.slice}"

    def apply(self, scene: Scene) -> Iterator[None]:
        try:
            yield from self._start(scene)
        except BaseException:
            # Not even by whoever gives up while it waits is the placeholder left.
            self.undo(scene)
            raise

    def _start(self, scene: Scene) -> Iterator[None]:
        placeholder = os.posix_spawn(_PLACEHOLDER[0], _PLACEHOLDER, {}, setsigmask=())
        scene.placeholder = placeholder
        arguments = busctl_arguments(self.unit, self.slice, self.description, placeholder)
        status, output = scene.kernel.run_program(self.busctl, arguments, (), b"", _DEADLINE)
        if status != 0:
            reason = output.splitlines()[-1] if output else f"busctl ended with {status}"
            raise StepError(
                "StartScope", 0, f"systemd does not start {self.unit}: {reason}", f"see: {self.busctl} tree"
            )
        yield from self._await(placeholder)
        os.mkdir(f"{self.path}/{_ASIDE}", 0o755)
        scene.kernel.write_file(f"{self.path}/{_ASIDE}/cgroup.procs", str(placeholder))

    def _await(self, pid: int) -> Iterator[None]:
        """Wait until systemd has done what it has answered that it will do."""
        end = time.monotonic() + _DEADLINE
        while True:
            try:
                with open(f"{self.path}/cgroup.procs", "rb") as members:
                    if str(pid).encode() in members.read().split():
                        return
            except FileNotFoundError:
                pass  # Not yet made.
            if time.monotonic() > end:
                hint = f"see: systemctl status {self.unit}"
                raise StepError("StartScope", errno.ETIMEDOUT, f"systemd has not made {self.path} in time", hint)
            yield

    def undo(self, scene: Scene) -> None:
        _end_placeholder(scene)
        remove_empty_cgroup(f"{self.path}/{_ASIDE}")
        # systemd removes it as well when the scope is empty, whoever is quicker.
        remove_empty_cgroup(self.path)


class EndPlaceholder(Step):
    __slots__ = ("path",)
    path: str
    call = "kill, waitpid, rmdir"
    why = "the container's own process keeps the scope from now on"

    def describe(self) -> str:
        return f"end the process that has kept {self.path}"

    def apply(self, scene: Scene) -> None:
        _end_placeholder(scene)
        remove_empty_cgroup(f"{self.path}/{_ASIDE}")


def _end_placeholder(scene: Scene) -> None:
    if scene.placeholder:
        os.kill(scene.placeholder, _SIGKILL)
        os.waitpid(scene.placeholder, 0)
        scene.placeholder = 0
