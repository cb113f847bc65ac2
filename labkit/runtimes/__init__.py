"""Drivers for the runtimes people choose between, one file each, behind one Protocol; all take the same OCI bundle."""

from __future__ import annotations

from collections.abc import Callable

from labkit.errors import LabkitError
from labkit.runtimes.bwrap import Bwrap
from labkit.runtimes.containerd import Containerd
from labkit.runtimes.crun import Crun
from labkit.runtimes.host import Host
from labkit.runtimes.kata import HYPERVISORS, Kata, Kata1
from labkit.runtimes.krun import Krun
from labkit.runtimes.labkit import Labkit
from labkit.runtimes.labkit_cli import LabkitCli
from labkit.runtimes.labkit_oci import LabkitOci
from labkit.runtimes.microvm import Microvm
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.podman import Podman
from labkit.runtimes.protocol import Probe, Runtime, Sandbox
from labkit.runtimes.runc import runc
from labkit.runtimes.runsc import PLATFORMS, Runsc
from labkit.runtimes.youki import youki

__all__ = ["ALL", "COMPARED", "ENGINES", "NAMES", "UPSTREAM", "Probe", "Runtime", "Sandbox", "driver"]

# The labels in the order in which tables and figures show them.
NAMES = ("host", "labkit", "labkit-cli", "crun", "runc", *(f"runsc-{platform}" for platform in PLATFORMS), "microvm")

# Engines in front of a runtime: what they add is told by the difference to the runtime alone.
ENGINES: tuple[str, ...] = tuple(
    f"{engine}:{inner}" for engine in ("podman", "containerd") for inner in ("crun", "runc", "labkit-oci")
)

# Looked for and told of, and measured where they are: Debian has none of them.
UPSTREAM = ("youki", "crun-krun", *(f"kata-{hypervisor}" for hypervisor in HYPERVISORS), "kata-1")

# All that can be asked for, in the order in which they are listed.
ALL = (*NAMES, *UPSTREAM, *ENGINES)

# What only the engine's own benchmark compares: bwrap runs no whole bundles, and labkit-oci is labkit once more.
COMPARED = ("bwrap", "labkit-oci")


def driver(name: str) -> Runtime:
    """The driver of the runtime `name`; `runsc` alone means its first platform that works here.

    Raises LabkitError for a name that is none, and for `runsc` when no platform works.
    """
    if name == "runsc":
        reasons = []
        for platform in PLATFORMS:
            probe = Runsc(platform).probe()
            if probe.available:
                return Runsc(platform)
            reasons.append(probe)
        raise LabkitError(f"runsc does not work here: {reasons[-1].reason}", reasons[-1].remedy)
    if ":" in name.partition("+")[0]:
        return _engine(*name.split(":", 1))
    if name.partition("+")[0].removeprefix("runsc-") in PLATFORMS:
        return _runsc(name)
    if name.startswith("microvm+"):
        return _microvm(name)
    if name.removeprefix("kata-") in HYPERVISORS and name.startswith("kata-"):
        return Kata(name.removeprefix("kata-"))
    if name in ("podman", "containerd"):
        return _default_of(name)
    simple: dict[str, Callable[[], Runtime]] = {
        "host": Host,
        "labkit": Labkit,
        "labkit-cli": LabkitCli,
        "labkit-oci": LabkitOci,
        "crun": Crun,
        "bwrap": Bwrap,
        "crun-krun": Krun,
        "youki": youki,
        "kata-1": Kata1,
        "runc": runc,
        "microvm": Microvm,
    }
    if name not in simple:
        raise LabkitError(f"unknown runtime {name!r}", f"the runtimes are {', '.join(ALL)}", 2)
    return simple[name]()


def _default_of(engine: str) -> Runtime:
    """The driver of an engine that was named alone: in front of the first runtime that works behind it."""
    reason = None
    for inner in ("crun", "runc", "labkit-oci"):
        runtime = _engine(engine, inner)
        try:
            probe = runtime.probe()
        finally:
            runtime.cool()
        if probe.available:
            # Another one, which has not yet entered namespaces: its caller may have mounts to make before.
            return _engine(engine, inner)
        reason = reason or probe
    assert reason is not None
    raise LabkitError(f"{engine} does not work here: {reason.reason}", reason.remedy)


def _runsc(name: str) -> Runsc:
    """The driver of a name such as `runsc-systrap+network=host`."""
    first, options = _options(name)
    return Runsc(first.removeprefix("runsc-"), options)


def _microvm(name: str) -> Microvm:
    """The driver of `microvm+machine=microvm`."""
    options = _options(name)[1]
    if unknown := [option for option in options if option != "machine"]:
        hint = "it has one: microvm+machine=microvm"
        raise LabkitError(f"unknown runtime {name!r}: the microvm has no option {unknown[0]!r}", hint, 2)
    return Microvm(**options)


def _options(name: str) -> tuple[str, dict[str, str]]:
    """What comes before the options in a runtime's name, and those."""
    first, *options = name.split("+")
    pairs = [option.split("=", 1) for option in options]
    if wrong := [option for option, pair in zip(options, pairs, strict=True) if len(pair) != 2]:
        raise LabkitError(f"unknown runtime {name!r}: {wrong[0]!r} has no value", "as in runsc-ptrace+network=host", 2)
    return first, dict(pairs)


def _engine(name: str, inner: str) -> Runtime:
    """The driver of a name such as `podman:runc`."""
    runtime = driver(inner)
    engines: dict[str, Callable[[OciRuntime], Runtime]] = {"podman": Podman, "containerd": Containerd}
    if name not in engines or not isinstance(runtime, OciRuntime):
        raise LabkitError(f"unknown runtime {name}:{inner}", f"the engines are {', '.join(ENGINES)}", 2)
    return engines[name](runtime)
