"""What the host itself says of waiting: pressure stall information (PSI; Documentation/accounting/psi.rst)."""

import os
from pathlib import Path

import pandas as pd

from labkit.plots import style

_PROC = Path("/proc/pressure")
_WHAT = {"cpu": "CPU", "io": "I/O", "memory": "memory", "irq": "interrupts"}


def host(folder: Path = _PROC) -> pd.DataFrame:
    """A row per resource and kind (`some`: at least one task waited; `full`: all did); percent, and seconds since boot.

    Empty where the kernel does not measure it.
    """
    rows = []
    for resource, name in _WHAT.items():
        try:
            lines = (folder / resource).read_text().splitlines()
        except OSError:
            continue  # ENOENT: not built in, or no such resource; EOPNOTSUPP: switched off at boot.
        for line in lines:
            kind, *fields = line.split()
            values = dict(field.split("=") for field in fields)
            last = {f"last {seconds} s, %": float(values[f"avg{seconds}"]) for seconds in (10, 60, 300)}
            rows.append({"waiting for": name, "kind": kind, **last, "since boot, s": round(int(values["total"]) / 1e6)})
    return pd.DataFrame(rows)


def stalled(file: str | os.PathLike[str], kind: str = "full") -> float:
    """The seconds that a file such as a cgroup's cpu.pressure counts; NaN where the kernel does not measure them."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return float("nan")
    totals = {line.split()[0]: line.rpartition("total=")[2] for line in lines}
    return int(totals[kind]) / 1e6 if kind in totals else float("nan")


def in_words(table: pd.DataFrame) -> str:
    """Where the host waited most in the last minute; or that its kernel does not say."""
    if table.empty:
        return "This kernel measures no pressure: it was built without PSI, or needs psi=1 on its command line."
    some = table[table["kind"] == "some"].sort_values("last 60 s, %", ascending=False)
    said = (f"{row['last 60 s, %']:g} % of the time for {row['waiting for']}" for row in some.to_dict("records"))
    return f"In the last minute some task of this host waited {style.list_in_words(said)}."
