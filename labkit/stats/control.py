"""The A/A control: a runtime against itself, which must come out as no difference."""

from dataclasses import dataclass

import pandas as pd

from labkit.stats.ratio import RatioToBaseline


@dataclass(frozen=True, slots=True)
class AAControl:
    """Whether the interval of `again` ÷ `reference`, two names of one runtime, contains 1.

    An experiment that finds a difference between a thing and itself would find one between any two. One control in
    twenty fails by chance at the 95 % level, so that a failure is a reason to look, not a verdict.
    """

    reference: str = "runc"
    again: str = "runc-again"
    level: float = 0.95
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """The rows of RatioToBaseline for the control, with a column `passed`; empty when it was not measured."""
        pair = observations[observations["runtime"].isin([self.reference, self.again])]
        ratios = RatioToBaseline(self.reference, level=self.level, seed=self.seed)(pair)
        control = ratios[ratios["runtime"] == self.again].reset_index(drop=True)
        return control.assign(passed=(control["low"] <= 1) & (control["high"] >= 1))
