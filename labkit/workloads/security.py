"""What the engine's default security costs at a container's start: the same bundle with all of it, and with none.

All of it: the system-call filter (found in the cache and loaded), no_new_privs, capabilities given up, paths masked and
made read-only. The namespaces, the root and the limits are the same in both.
"""

from __future__ import annotations

import os

from labkit.linux.capabilities import NUMBERS
from labkit.runtimes import Runtime, bundle
from labkit.runtimes.labkit import Labkit
from labkit.spec import default
from labkit.spec.load import load_bundle
from labkit.spec.seccomp_default import default_profile
from labkit.workloads import startup
from labkit.workloads.measurement import Measurement

# Containers of each kind in one trial, of which the quickest counts: what delays one is not what is asked for.
PAIRS = 6
METRIC = "security_adds"
# A difference of less, or of less than nothing, is none that could be told; and a ratio of it has no meaning.
_LEAST = 1e-6
_STEPS = ("DropBounding", "SetCapabilities")


def prepare(folder: str, place: str) -> tuple[str, str]:
    """Write two bundles like the one in `place` below `folder`: with all the security of the default, and with none."""
    guarded, bare = (load_bundle(place) for _ in range(2))
    guarded.process.no_new_privileges = True
    guarded.process.capabilities = default.capabilities(default.CAPABILITIES)
    guarded.linux.seccomp = default_profile(default.CAPABILITIES, os.uname().machine)
    guarded.linux.masked_paths, guarded.linux.readonly_paths = default.MASKED_PATHS, default.READONLY_PATHS
    bare.process.no_new_privileges = False
    bare.process.capabilities = default.capabilities(tuple(NUMBERS))
    bare.linux.seccomp = None
    bare.linux.masked_paths = bare.linux.readonly_paths = ()
    return bundle.write(f"{folder}/guarded", guarded), bundle.write(f"{folder}/bare", bare)


def trial(places: tuple[str, str], id: str, log: int) -> list[Measurement]:
    """How much later the first instruction is with it than without, in s; by turns, so that a drift cancels."""
    runtimes: tuple[Runtime, Runtime] = (Labkit(), Labkit(_STEPS))
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(PAIRS):
        for side in (0, 1) if number % 2 else (1, 0):
            measured = startup.trial(runtimes[side], places[side], f"{id}-{number}-{side}", log)
            taken[side].append(measured[0].value)
    return [Measurement(METRIC, "s", max(_LEAST, min(taken[0]) - min(taken[1])))]
