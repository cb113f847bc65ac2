"""Nothing: a program that ends at once, so that what is left is the sandbox and the harness."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload


def args(scale: float) -> tuple[str, ...]:
    """true(1), however large the scale."""
    return ("true",)


def parse(text: str) -> list[Measurement]:
    """Nothing is said; the harness has the time of the whole life."""
    return []


WORKLOAD = Workload("empty", "harness", "a program that ends at once", (), args, parse, "whole_life", higher=False)
