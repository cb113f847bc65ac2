"""Drivers for the runtimes people choose between, one file each, behind one Protocol; all take the same OCI bundle."""

from __future__ import annotations

from collections.abc import Callable

from labkit.errors import LabkitError
from labkit.runtimes.bwrap import Bwrap
from labkit.runtimes.crun import Crun
from labkit.runtimes.host import Host
from labkit.runtimes.labkit import Labkit
from labkit.runtimes.labkit_cli import LabkitCli
from labkit.runtimes.protocol import Probe, Runtime, Sandbox
from labkit.runtimes.runc import runc
from labkit.runtimes.runsc import PLATFORMS, Runsc

__all__ = ["COMPARED", "NAMES", "Probe", "Runtime", "Sandbox", "driver"]

# The labels in the order in which tables and figures show them.
NAMES = ("host", "labkit", "labkit-cli", "crun", "runc", *(f"runsc-{platform}" for platform in PLATFORMS))

# Not a runtime that runs whole bundles, but the engine is compared with it.
COMPARED = ("bwrap",)


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
    if name.startswith("runsc-") and name in NAMES:
        return Runsc(name.removeprefix("runsc-"))
    simple: dict[str, Callable[[], Runtime]] = {
        "host": Host,
        "labkit": Labkit,
        "labkit-cli": LabkitCli,
        "crun": Crun,
        "bwrap": Bwrap,
        "runc": runc,
    }
    if name not in simple:
        raise LabkitError(f"unknown runtime {name!r}", f"the runtimes are {', '.join(NAMES)}", 2)
    return simple[name]()
