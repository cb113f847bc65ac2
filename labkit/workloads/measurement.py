"""One figure of one trial."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """`value` of `metric` in `unit` (SI names: s, bytes, 1/s)."""

    metric: str
    unit: str
    value: float
