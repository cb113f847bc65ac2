"""Emulated machines take part in few blocks."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.runtimes import Probe
from labkit.runtimes.microvm import FLAG

# Where a virtual machine is emulated each trial takes many seconds: one block in so many has to be enough.
SPARSE = 6


def in_block(there: Mapping[str, tuple[object, Probe]], block: int) -> list[str]:
    """Those of the treatments that take part in a block."""
    return [label for label, (_, probe) in there.items() if FLAG not in probe.flags or block % SPARSE == 0]
