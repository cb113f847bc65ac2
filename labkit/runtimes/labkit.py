"""labkit's own engine, through its Python interface: the one place where the study meets the engine."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Sequence

import labkit
from labkit.engine import filter, state
from labkit.engine.container import Container, stop_spawner
from labkit.engine.garbage import destroy, remove_remains
from labkit.runtimes import host_process
from labkit.runtimes.host_process import HostProcess
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out
from labkit.spec import default
from labkit.spec.seccomp_default import default_profile


class ContainerSandbox:
    """A `Container` as the study sees it."""

    __slots__ = ("asked", "container")

    def __init__(self, asked: int, container: Container) -> None:
        self.asked = asked
        self.container = container

    def start(self, timeout: float = DEADLINE) -> None:
        """See Sandbox.start."""
        self.container.start()

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        return self.container.wait(timeout)

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill."""
        self.container.kill(number)

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec; stdin is read to its end before the program starts."""
        with open(stdio[0], "rb", closefd=False) as stdin:
            done = self.container.exec(args, input=stdin.read(), timeout=timeout)
        for descriptor, written in ((stdio[1], done.stdout), (stdio[2], done.stderr)):
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(written)
        return done.exit_status

    def delete(self) -> None:
        """See Sandbox.delete."""
        self.container.delete()


def flags() -> tuple[str, ...]:
    """What sets the engine's figures apart: the compiled filter comes from a cache, where runc compiles it anew."""
    return ("filter-cached",)


def filter_seconds() -> tuple[float, float]:
    """How long the default filter takes to get, in s: compiled and put into the cache, and from there."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            return _program_seconds(), _program_seconds()
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def _program_seconds() -> float:
    asked = time.perf_counter()
    filter.program(default_profile(default.CAPABILITIES, os.uname().machine))
    return time.perf_counter() - asked


class Labkit:
    """The engine with its spawner already running, as in a notebook after the first container.

    The bundle is read and planned within the measured time, as every other runtime does it.
    """

    name = "labkit"
    parameters = "python"
    lacks: tuple[str, ...] = ()
    unattributed: tuple[str, ...] = ("the spawner, which makes all containers of one Python process",)

    def __init__(self, without: tuple[str, ...] = ()) -> None:
        """`without` are steps of the plan to leave out."""
        self.without = without

    def probe(self) -> Probe:
        """See Runtime.probe."""
        reason = try_out(self)
        return Probe(not reason, labkit.__version__, reason, "labkit run --help" if reason else "", flags())

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ContainerSandbox:
        """See Runtime.start."""
        asked = time.monotonic_ns()
        container = Container.from_bundle(bundle, id, self.without)
        container.start(*stdio)
        return ContainerSandbox(asked, container)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> ContainerSandbox:
        """See Runtime.create."""
        asked = time.monotonic_ns()
        container = Container.from_bundle(bundle, id, self.without)
        container.create(*stdio)
        return ContainerSandbox(asked, container)

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes."""
        return processes_of(id)

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups."""
        return cgroups_of(id)

    def remove(self, id: str) -> None:
        """See Runtime.remove."""
        try:
            with state.Lock(id, state.root()) as found:
                destroy(found)
        except state.NoContainer:
            remove_remains(id, state.root())

    def cool(self) -> None:
        """Stop the spawner: the next start begins with it."""
        stop_spawner()


def processes_of(id: str) -> list[HostProcess]:
    """The processes of one of the engine's containers: its state has the first, and its cgroups all."""
    first = first_process(id)
    return host_process.find(id, cgroups_of(id), {"labkit": "runtime"}, pids={first: "payload"} if first else {})


def cgroups_of(id: str) -> list[str]:
    """The cgroups of a container's own, the deepest first."""
    found = state.read(f"{state.root()}/{id}", id)
    return list(reversed(found.cgroups)) if found else []


def first_process(id: str) -> int:
    """The host's pid of a container's first process; 0 when it does not run."""
    found = state.read(f"{state.root()}/{id}", id)
    return found.pid if found and found.runs() else 0
