"""From observations to tables with a row per block and a column per runtime, where every statistic starts."""

from collections.abc import Iterator

import pandas as pd

from labkit.errors import LabkitError

# A series is what one runtime gave for one metric under one condition.
SERIES = ("condition", "metric")
NEEDED = ("condition", "metric", "runtime", "block", "value", "status")


def tables(observations: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield (condition, metric, table) in sorted order; a table has a row per block and a column per runtime.

    Only rows with status `ok` and a finite, positive value count: a ratio of times has no meaning for others. Where a
    block holds a runtime more than once its median stands for it. Blocks that lack a runtime have NaN there.
    """
    lacking = [name for name in NEEDED if name not in observations.columns]
    if lacking:
        raise LabkitError(f"the observations have no column {lacking[0]!r}", f"they need {', '.join(NEEDED)}")
    good = observations[(observations["status"] == "ok") & (observations["value"] > 0)]
    medians = good.groupby([*SERIES, "block", "runtime"], sort=True, observed=True)["value"].median()
    # As frames, whose grouping types know keys of several parts.
    for (condition, metric), rows in medians.to_frame().groupby(list(SERIES), sort=True, observed=True):
        yield str(condition), str(metric), rows["value"].droplevel(list(SERIES)).unstack("runtime").sort_index()
