"""`host`: the same program with no isolation at all, the baseline of every ratio."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from labkit.errors import LabkitError
from labkit.images.elf import is_static
from labkit.runtimes import host_process
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.process import ProcessSandbox, ended_within, refuse_second, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.spec.load import load_bundle


class HostSandbox(ProcessSandbox):
    """The program itself; a second one beside it differs in nothing but its arguments."""

    __slots__ = ("bundle", "host", "id")

    def __init__(self, asked: int, pid: int, host: Host, bundle: str, id: str) -> None:
        super().__init__(asked, pid, lambda: host.remove(id))
        self.host, self.bundle, self.id = host, bundle, id

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec."""
        if self.ended():
            raise LabkitError(f"the sandbox {self.id} has ended", "start another")
        done = ended_within(self.host.spawn(self.bundle, self.id, stdio, args)[1], timeout)
        if done is None:
            raise LabkitError(f"{args[0]} still ran after {timeout:g} s and was ended", "give it more time")
        assert done.status is not None
        return done.status

    def _leaves(self) -> bool:
        """What it has started may go on without it, and is looked for unless nothing was wrong."""
        return bool(self.status)


class Host:
    """Starts the bundle's program straight from its root filesystem, which asks for a static one.

    A program that needs libraries would find the host's instead of the image's, and the comparison would be of two
    libraries; so it is refused.
    """

    name = "host"
    parameters = ""
    lacks: tuple[str, ...] = ("create",)
    unattributed: tuple[str, ...] = ("what the kernel does for it: it is in the cgroup of whoever starts it",)

    def __init__(self) -> None:
        self._living: dict[str, ProcessSandbox] = {}
        self._read: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._found: dict[str, tuple[str, list[str], dict[str, str]]] = {}

    def probe(self) -> Probe:
        """See Runtime.probe; always available."""
        return Probe(True, platform.release())

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> HostSandbox:
        """See Runtime.start; a bundle is read once, so that nothing of a later start is read before it is timed.

        Raises LabkitError for a program that is not in the root filesystem, or not static.
        """
        refuse_second(self._living, id)
        asked, pid = self.spawn(bundle, id, stdio)
        sandbox = self._living[id] = HostSandbox(asked, pid, self, bundle, id)
        return sandbox

    def spawn(self, bundle: str, id: str, stdio: tuple[int, int, int], other: Sequence[str] = ()) -> tuple[int, int]:
        """Start the bundle's program, or another of its root filesystem, marked with the sandbox's id."""
        if bundle not in self._found:
            spec = load_bundle(bundle)
            args = list(spec.process.args)
            env = dict(entry.split("=", 1) for entry in spec.process.env)
            self._read[bundle] = (spec.root.path, spec.process.env)
            self._found[bundle] = (_static(locate(spec.root.path, args[0], spec.process.env), args[0]), args, env)
        program, args, env = self._found[bundle]
        if other:
            rootfs, path = self._read[bundle]
            program, args = _static(locate(rootfs, other[0], path), other[0]), list(other)
        return spawn(program, args, env | {VARIABLE: id}, stdio)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> HostSandbox:
        """See Runtime.create."""
        raise LabkitError("without isolation there is nothing to make before the program", "start() starts it")

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; the environment tells them, which each hands on to what it starts."""
        return host_process.find(id)

    def cgroups(self, id: str) -> list[str]:
        """None of its own."""
        return []

    def remove(self, id: str) -> None:
        """See Runtime.remove."""
        host_process.end(lambda: self.host_processes(id))

    def cool(self) -> None:
        """Nothing is kept that another runtime would not read from its bundle."""


def locate(rootfs: str, command: str, env: tuple[str, ...]) -> str:
    """The path on the host of a program of the image. Raises LabkitError, with exit status 126 or 127."""
    folders = [""]
    if "/" not in command:
        path = next((entry[5:] for entry in env if entry.startswith("PATH=")), "/bin:/usr/bin")
        folders = [f"{folder}/" for folder in path.split(":")]
    for folder in folders:
        # Where a link's target is absolute it means the image's file, not the host's.
        place = _inside(rootfs, f"{folder}{command}")
        if place is None:
            continue
        if os.path.isdir(place):
            if "/" in command:
                raise LabkitError(f"{command}: is a folder", "name a program in it", 126)
            continue
        if not os.access(place, os.X_OK):
            raise LabkitError(f"{command}: permission denied", "check the file's permissions", 126)
        return place
    raise LabkitError(f"{command}: command not found in the image", "check the name, the image and PATH", 127)


def _static(place: str, command: str) -> str:
    if not is_static(Path(place)):
        raise LabkitError(
            f"{command} is not a static program, so without isolation it would use the host's libraries",
            "run it by --runtime labkit --namespaces mount --seccomp none, which only enters the image",
            126,
        )
    return place


def _inside(rootfs: str, path: str) -> str | None:
    """The host's path of `path` as a process chrooted at `rootfs` would find it; None where there is nothing."""
    place = os.path.normpath("/" + path.lstrip("/"))
    for _ in range(40):  # path_resolution(7) gives up after 40 links.
        whole = rootfs + place
        if not os.path.islink(whole):
            return whole if os.path.exists(whole) else None
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(whole)))
    return None
