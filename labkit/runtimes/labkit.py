"""labkit's own engine, through its Python interface: the one place where the study meets the engine."""

from __future__ import annotations

import time

import labkit
from labkit.cgroups.detect import detect
from labkit.engine.container import Container, stop_spawner
from labkit.engine.state import collect_garbage
from labkit.runtimes.protocol import Probe
from labkit.runtimes.trial_run import try_out


class ContainerSandbox:
    """A `Container` as the study sees it."""

    __slots__ = ("asked", "container")

    def __init__(self, asked: int, container: Container) -> None:
        self.asked = asked
        self.container = container

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        return self.container.wait(timeout)

    def kill(self) -> None:
        """See Sandbox.kill."""
        self.container.kill()

    def delete(self) -> None:
        """See Sandbox.delete."""
        self.container.delete()


def flags() -> tuple[str, ...]:
    """What sets the engine's figures apart: the compiled filter comes from a cache, where runc compiles it anew.

    On cgroup v2 this version attaches no device program, and allows no new device nodes instead.
    """
    return ("filter-cached", "no-device-filter") if detect().mode == "v2" else ("filter-cached",)


class Labkit:
    """The engine with its spawner already running, as in a notebook after the first container.

    The bundle is read and planned within the measured time, as every other runtime does it.
    """

    name = "labkit"
    parameters = "python"

    def probe(self) -> Probe:
        """See Runtime.probe."""
        reason = try_out(self)
        return Probe(not reason, labkit.__version__, reason, "labkit run --help" if reason else "", flags())

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ContainerSandbox:
        """See Runtime.start."""
        asked = time.monotonic_ns()
        container = Container.from_bundle(bundle, id)
        container.start(*stdio)
        return ContainerSandbox(asked, container)

    def remove(self, id: str) -> None:
        """See Runtime.remove; what belongs to a client that still lives stays."""
        collect_garbage()

    def cool(self) -> None:
        """Stop the spawner: the next start begins with it."""
        stop_spawner()
