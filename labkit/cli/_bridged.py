"""A sandbox of another runtime on a bridge of labkit's: all that the runtime does not make itself.

Its runtime plugs it in, as the annotation of labkit.vm.wire says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labkit.engine import network
from labkit.linux import kernel
from labkit.plan.build import NETWORK_ANNOTATION
from labkit.plan.step import Scene
from labkit.runtimes import Runtime
from labkit.runtimes.microvm import Microvm
from labkit.spec.model import Spec
from labkit.vm.wire import ANNOTATION, Wire


def understood(runtime: Runtime) -> bool:
    """Whether the runtime knows that annotation."""
    return isinstance(runtime, Microvm)


@contextmanager
def bridged(spec: Spec, runtime: Runtime, id: str, place: str) -> Iterator[None]:
    """Where `spec` asks for a bridge, have one with an address for the sandbox, names and published ports meanwhile.

    `place` is a folder that is there as long as the sandbox. Raises LabkitError for what cannot be.
    """
    if NETWORK_ANNOTATION not in spec.annotations:
        yield
        return
    taker = _taker(runtime.name, id)
    steps = network.prepare_bridge(spec, id, place, taker)
    scene = Scene(kernel)
    try:
        for step in steps:
            step.apply(scene)
        bridge, end, address, gateway = network.cable(taker)
        spec.annotations.pop(NETWORK_ANNOTATION)
        spec.annotations.pop(network.PUBLISH_ANNOTATION, None)
        spec.annotations[ANNOTATION] = Wire(bridge, end, address, gateway, network.files(bridge)).text()
        yield
    finally:
        for step in reversed(steps):
            step.undo(scene)


def release(name: str, id: str) -> None:
    """Give back what the sandbox `id` of the runtime `name` has of a network, whose labkit was killed."""
    network.release_taker(_taker(name, id))


def _taker(name: str, id: str) -> str:
    """By what its lease is found: no container of the engine's own has a colon in its id."""
    return f"{name}:{id}"
