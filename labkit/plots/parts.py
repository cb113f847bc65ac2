"""The memory of a sandbox on the host, by the part that holds it: one stacked bar for each runtime."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

# Okabe and Ito; hatches for those who see no colours.
LOOKS = {
    "payload": ("#009E73", ""),
    "runtime": ("#0072B2", "//"),
    "kernel of its own": ("#D55E00", ".."),
    "helper": ("#F0E442", "xx"),
    "engine": ("#CC79A7", "\\\\"),
}
_GROUPS = {
    "payload": "payload",
    "sentry": "kernel of its own",
    "stub": "kernel of its own",
    "hypervisor": "kernel of its own",
    "gofer": "helper",
    "virtiofsd": "helper",
    "holder": "helper",
    "proxy": "helper",
    "monitor": "engine",
    "engine": "engine",
    "client": "engine",
    "shim": "engine",
    "daemon (shared)": "engine",
}


def grouped(rows: pd.DataFrame) -> pd.DataFrame:
    """MiB by runtime and group of parts, in the order in which the runtimes come; from rows of on_the_host."""
    if rows.empty:
        raise LabkitError("no sandbox was seen", "labkit doctor says which runtimes work here")
    groups = rows["part"].map(lambda part: _GROUPS.get(part, "runtime"))
    sums = rows.groupby([rows["runtime"], groups], sort=False)["memory"].sum().unstack()
    return sums.reindex(index=list(dict.fromkeys(rows["runtime"])), columns=list(LOOKS), fill_value=0.0).fillna(0.0)


def parts(rows: pd.DataFrame, program: str = "one sleep") -> Figure:
    """The stacked bars, in MiB of PSS, of sandboxes in which `program` runs."""
    sums = grouped(rows)
    with style.styled():
        figure, (axes,) = style.new_figure(7.5, 1.2 + 0.35 * len(sums), 1)
        left = pd.Series(0.0, index=sums.index)
        for group, (colour, hatch) in LOOKS.items():
            if sums[group].any():
                axes.barh(sums.index, sums[group], left=left, color=colour, hatch=hatch, edgecolor="white",
                          linewidth=0.3, label=group, height=0.7)  # fmt: skip
                left += sums[group]
        for place, total in enumerate(left):
            axes.text(total, place, f" {style.number(total)}", va="center", fontsize="small")
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.set_xlabel(f"memory on the host while {program} runs (MiB, PSS)")
        axes.legend(loc="best", frameon=False)
        axes.grid(visible=False, axis="y")
    return figure


def sentence(rows: pd.DataFrame, program: str = "sleep") -> str:
    """Which sandbox takes the least and which the most, and what of the latter is not the program's."""
    sums = grouped(rows)
    totals = {str(name): float(total) for name, total in sums.sum(axis="columns").items()}
    least, most = min(totals, key=lambda name: totals[name]), max(totals, key=lambda name: totals[name])
    own = float(sums["payload"].to_dict()[most]) / max(totals[most], 1e-9)
    whole = f"{style.number(totals[least])} MiB in {least} and {style.number(totals[most])} MiB in {most}"
    return f"The same {program} takes {whole}, of which {100 * own:.0f} % are processes of the program itself."
