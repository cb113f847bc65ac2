"""Observations with a known truth, to try a statistic on before it is trusted with measured ones.

Their `run` is "synthetic", and nothing that is published is made from them.
"""

import numpy as np
import pandas as pd

METRICS = ("first_instruction", "whole_life")


def synthetic(
    medians: dict[str, float],
    blocks: int = 20,
    seed: int = 1,
    noise: float = 0.05,
    drift: float = 0.1,
    conditions: tuple[str, ...] = ("warm",),
) -> pd.DataFrame:
    """Log-normal times about `medians` (s), with a common drift from block to block, in randomised blocks."""
    rng = np.random.default_rng(seed)
    rows = []
    for condition in conditions:
        for block in range(blocks):
            common = np.exp(rng.normal(0, drift))
            for position, runtime in enumerate(rng.permutation(list(medians))):
                own = medians[str(runtime)] * common * np.exp(rng.normal(0, noise))
                for metric, factor in zip(METRICS, (0.6, 1.0), strict=True):
                    rows.append(row(str(runtime), condition, block, position, metric, own * factor))
    return pd.DataFrame(rows)


def row(
    runtime: str,
    condition: str = "warm",
    block: int = -1,
    position: int = -1,
    metric: str = "whole_life",
    value: float = float("nan"),
    status: str = "ok",
    reason: str = "",
) -> dict[str, object]:
    """One observation."""
    return {
        "run": "synthetic",
        "experiment": "startup",
        "host": "h",
        "runtime": runtime,
        "version": "1.0",
        "parameters": "",
        "workload": "start",
        "condition": condition,
        "block": block,
        "position": position,
        "metric": metric,
        "unit": "s",
        "value": value,
        "status": status,
        "reason": reason,
        "flags": "",
        "started": pd.Timestamp("2026-01-01", tz="UTC"),
    }


def study(
    values: dict[tuple[str, str], dict[str, float]], blocks: int = 20, seed: int = 1, noise: float = 0.03
) -> pd.DataFrame:
    """Log-normal values about those given for each (workload, metric) and runtime, with a common drift of 10 %."""
    rng = np.random.default_rng(seed)
    rows = []
    for (workload, metric), medians in values.items():
        for block in range(blocks):
            common = np.exp(rng.normal(0, 0.1))
            for position, (runtime, median) in enumerate(medians.items()):
                value = median * common * np.exp(rng.normal(0, noise))
                rows.append(row(runtime, workload, block, position, metric, value) | {"experiment": "study"})
    return pd.DataFrame(rows)
