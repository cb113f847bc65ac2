"""labkit's own engine, through its Python interface: the one place where the study meets the engine."""

from __future__ import annotations

import time

import labkit
from labkit.engine.client import start_spawner
from labkit.engine.container import Container, stop_spawner
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


class Labkit:
    """The engine with its spawner already running, as in a notebook after the first container.

    The bundle is read and planned within the measured time, as every other runtime does it.
    """

    name = "labkit"
    parameters = "python"

    def probe(self) -> Probe:
        """See Runtime.probe."""
        reason = try_out(self)
        return Probe(not reason, labkit.__version__, reason, "" if not reason else "labkit run --help")

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ContainerSandbox:
        """See Runtime.start."""
        start_spawner()
        asked = time.monotonic_ns()
        container = Container.from_bundle(bundle, id)
        container.start(*stdio)
        return ContainerSandbox(asked, container)

    def cool(self) -> None:
        """Stop the spawner: the next start begins with it."""
        stop_spawner()
