"""Which trials a run still lacks, in which order they are run, and which are given up."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import pandas as pd

from labkit.bench.design import Trial, blocks
from labkit.bench.worker import tell

# A workload that never came to its end in a runtime is given up after so many failures.
FAILURES = 2
# By condition and runtime, how often it failed.
Failures = dict[tuple[str, str], int]


def order(
    experiment: str,
    observations: pd.DataFrame,
    wanted: Mapping[str, int],
    labels: Callable[[int], Sequence[str]],
    seed: int,
) -> Iterator[Trial]:
    """The trials that are missing: rounds of one block of each condition, these in an order drawn anew.

    `wanted` has the number of blocks of each condition; `labels` are those that take part in the block of a number.
    """
    failed = failures(observations)
    numbers: dict[str, range] = {}
    for name, count in wanted.items():
        given_up = {label for (other, label), times in failed.items() if other == name and times >= FAILURES}
        rows = observations[observations["condition"] == name]
        numbers[name] = lacking(rows, count, _without(given_up, labels))
    first = {name: those.start for name, those in numbers.items()}
    for turn in range(max((len(those) for those in numbers.values()), default=0)):
        names = [name for name, those in numbers.items() if len(those) > turn]
        for name in random.Random(f"{seed} {turn} {sorted(first.items())}").sample(names, len(names)):
            number = numbers[name][turn]
            yield from blocks(experiment, name, labels(number), [number], seed)


def _without(given_up: set[str], labels: Callable[[int], Sequence[str]]) -> Callable[[int], Collection[str]]:
    """A treatment that was given up is not waited for."""
    return lambda number: set(labels(number)) - given_up


def lacking(rows: pd.DataFrame, wanted: int, labels: Callable[[int], Collection[str]]) -> range:
    """The numbers of new blocks, as many as complete ones are lacking among the rows of one condition.

    A block that was cut short, or lacks a runtime that has come since, stays as it is: its missing trials would meet
    another state of the machine than those that are there.
    """
    there = rows[rows["block"] >= 0].groupby("block")["runtime"].agg(set)
    complete = sum(set(labels(number)) <= found for number, found in zip(there.index, there, strict=True))
    first = int(there.index.max()) + 1 if len(there) else 0
    return range(first, first + max(0, wanted - complete))


def failures(observations: pd.DataFrame) -> Failures:
    """How often each condition failed in each runtime; far below 0 where it went well once."""
    rows = observations[observations["block"] >= 0]
    return {
        (str(name), str(label)): -sys.maxsize if (group["status"] == "ok").any() else int(group["block"].nunique())
        for (name, label), group in rows.groupby(["condition", "runtime"])
    }


def run(trials: Sequence[Trial], failed: Failures, end: float, act: Callable[[Trial], bool]) -> bool:
    """Let `act` run each trial and say whether it went well, those left out that are given up.

    No block is begun after `end` (of time.monotonic, 0: no end); returns whether that came before all was done.
    """
    for done, trial in enumerate(trials):
        if end and trial.position == 0 and time.monotonic() > end:
            tell(1, 1, "the time is over; what is missing is measured next time")
            return True
        tell(done, len(trials), f"{trial.condition}, {trial.runtime}")
        key = trial.condition, trial.runtime
        if failed.get(key, 0) < FAILURES:
            failed[key] = -sys.maxsize if act(trial) else failed.get(key, 0) + 1
    return False
