"""Tables and sentences of the study as a whole: costs, decisions, published figures, validity, the harness."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from IPython.display import HTML

from labkit.nb.displays import interval, table
from labkit.nb.study import LOADS
from labkit.plots import style
from labkit.stats.harness import TOLERATED, share_of_run, shares
from labkit.stats.validity import BEWARE, UNKNOWN

_NOTHING = HTML("<p>Nothing of this was measured.</p>")


def cost_table(costs: pd.DataFrame) -> HTML:
    """What Cost gives: a row per workload and runtime, with the ratio to each baseline and its interval."""
    lines = []
    for (workload, runtime), group in costs.groupby(["workload", "runtime"], sort=False):
        first = group.iloc[0]
        line = {"workload": workload, "runtime": runtime, "blocks": int(group["n"].max())}
        line["median"] = amount(float(first["median"]), str(first["unit"]))
        for row in group.to_dict("records"):
            line[f"÷ {row['baseline']} (95 % interval)"] = (
                f"{style.number(row['ratio'])} ({interval(row['low'], row['high'])})"
            )
        lines.append(line | {"warning": first["warning"]})
    return table(pd.DataFrame(lines)) if lines else _NOTHING


def use_table(rows: pd.DataFrame) -> HTML:
    """What LevelOfUse gives: a row per workload and runtime, a column per metric."""
    lines = []
    for (workload, runtime), group in rows.groupby(["workload", "runtime"], sort=False):
        line = {"workload": workload, "runtime": runtime}
        for row in group.to_dict("records"):
            line[str(row["metric"])] = amount(row["median"], row["unit"])
        lines.append(line)
    return table(pd.DataFrame(lines).fillna("")) if lines else _NOTHING


def amount(value: float, unit: str) -> str:
    """A value with its unit, in a power that reads well: `21.3 ms`, `12.4 MiB`, `8,853/s`."""
    if unit == "s":
        scale, name = next(((s, n) for s, n in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if value >= s), (1e-9, "ns"))
        return f"{style.number(value / scale)} {name}"
    if unit in ("bytes", "bytes/s"):
        scale, name = next(
            ((s, n) for s, n in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")) if value >= s), (1.0, "bytes")
        )
        return f"{style.number(value / scale)} {name}{'/s' if unit == 'bytes/s' else ''}"
    return f"{style.number(value)}{'/s' if unit == '1/s' else ''}"


def decision_table(found: pd.DataFrame) -> HTML:
    """What Decision gives: a row per kind of load and kind of isolation, with what to choose."""
    lines = [
        {
            "if your load is": LOADS.get(str(row["group"]), str(row["group"])),
            "and you want": row["isolation"],
            "choose": row["runtime"],
            "cost ÷ runc (95 % interval)": f"{style.number(row['ratio'])} ({interval(row['low'], row['high'])})",
            "not told from it": row["alike"],
            "worst workload": f"{row['worst']}: {style.number(row['worst_ratio'])}",
            "workloads": f"{row['workloads']} of {row['of']}",
        }
        for row in found.to_dict("records")
    ]
    return table(pd.DataFrame(lines)) if lines else _NOTHING


def decisions_in_words(found: pd.DataFrame) -> str:
    """A list: for each kind of load the cheapest runtime of each kind of isolation, and what it costs."""
    lines = []
    for group, rows in found.groupby("group", sort=False):
        choices = "; ".join(f"{row['isolation']}: {_choice(row)}" for row in rows.to_dict("records"))
        lines.append(f"- If your load is {LOADS.get(str(group), str(group))}, choose, behind {choices}.")
    return "\n".join(lines) or "Nothing was measured from which a choice could be made."


def _choice(row: "Mapping[Any, Any]") -> str:
    alike = f", not told from {style.list_in_words(row['alike'].split(', '))}" if row["alike"] else ""
    return f"{row['runtime']} ({style.number(row['ratio'])} times runc's cost{alike})"


def beside_table(rows: pd.DataFrame, sources: pd.DataFrame) -> HTML:
    """What Beside gives, with each source's host and versions as far as it tells them."""
    notes = dict(zip(sources["source"], sources["note"].fillna("not told"), strict=True))
    lines = [
        {
            "quantity here": f"{row['workload']}, {row['runtime']} ÷ {row['baseline']}",
            "here (95 % interval)": f"{style.number(row['ratio'])} ({interval(row['low'], row['high'])})",
            "published": style.number(row["published"]),
            "of": row["published_of"],
            "verdict": _verdict(row),
            "source": row["source"],
            "its host and version": notes.get(row["source"], "not told"),
        }
        for row in rows.to_dict("records")
    ]
    return table(pd.DataFrame(lines)) if lines else HTML("<p>No published figure has a counterpart here.</p>")


def _verdict(row: "Mapping[Any, Any]") -> str:
    if row["verdict"] == "within":
        return "agrees: within our interval"
    return f"{'near' if row['verdict'] == 'near' else 'differs'}: {style.number(row['apart'])} times apart"


def validity_in_words(found: pd.DataFrame) -> str:
    """How many threats were seen, and which are not known."""
    seen = found[found["verdict"] == BEWARE]["threat"]
    unknown = found[found["verdict"] == UNKNOWN]["threat"]
    text = f"Of {len(found)} threats, {len(seen)} are to be reckoned with"
    text += f" ({', '.join(seen)})" if len(seen) else ""
    if len(unknown):
        text += f"; of {len(unknown)} the run cannot tell ({', '.join(unknown)})"
    return f"{text}."


def harness_in_words(observations: pd.DataFrame) -> str:
    """What a trial of nothing takes in each runtime, and how much of a core the harness took while trials ran."""
    good = observations[observations["status"] == "ok"]
    empty = good[(good["condition"] == "empty") & (good["metric"] == "whole_life")]
    medians = empty.groupby("runtime", observed=True)["value"].median().sort_values()
    parts = []
    if len(medians):
        told = style.list_in_words(f"{amount(float(v), 's')} ({name})" for name, v in medians.items())
        parts.append(f"A trial whose program ends at once takes {told}: so much of any trial is not the program's.")
    found = shares(observations)
    if len(found):
        each = found["share"]
        parts.append(
            f"While {len(found)} trials ran, the harness took {100 * share_of_run(found):.2f} % of one core: "
            f"{100 * each.median():.2f} % in their median, at most {100 * each.quantile(0.95):.2f} % in nineteen of "
            "twenty."
        )
        typical = each.groupby(found["condition"], observed=True).median()
        much = sorted(str(name) for name in typical[typical > TOLERATED].index)
        if much:
            parts.append(f"It took more than {100 * TOLERATED:g} % beside {style.list_in_words(much)}.")
    return " ".join(parts) or "No empty trial was measured."


def sessions_table(sessions: Sequence[Mapping[str, Any]]) -> HTML:
    """When was measured, under which load, and what a hypervisor took."""
    lines = [
        {
            "experiment": one["experiment"],
            "from": one.get("started", ""),
            "to": one.get("ended", ""),
            "seed": one.get("seed", ""),
            "load before": f"{one['load_before'][0]:.2f}" if "load_before" in one else "",
            "load after": f"{one['load_after'][0]:.2f}" if "load_after" in one else "",
            "steal": f"{one['steal_percent']:.2f} %" if "steal_percent" in one else "",
        }
        for one in sessions
    ]
    return table(pd.DataFrame(lines)) if lines else _NOTHING
