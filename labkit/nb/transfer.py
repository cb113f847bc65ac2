"""Writes past the page cache, straight to a disk, under one throttle after another."""

import os
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from labkit.cgroups.events import amount
from labkit.errors import LabkitError
from labkit.nb.disk import folder_on_a_disk
from labkit.nb.limited import limited
from labkit.nb.recorder import Recorder
from labkit.plots import style
from labkit.plots.cumulative import cumulative
from labkit.spec.model import BlockIo, Throttle
from labkit.spec.units import parse_bytes

_BLOCK = 1 << 16
_MIB = 1 << 20
COLUMNS = ("limit", "time", "written")


def measure(
    rootfs: str | os.PathLike[str], limits: Sequence[str | int | None], *, seconds: float = 1.5
) -> pd.DataFrame:
    """What the kernel counted as written (bytes) over time (s), for each of the limits in bytes a second.

    Each container writes what its limit allows in `seconds`, and one without a limit (None) as much as the fastest of
    the others. LabkitError where there is no disk, or where this host cannot limit one.
    """
    sizes = [None if limit is None else parse_bytes(limit, "write limit") for limit in limits]
    fastest = max((size for size in sizes if size is not None), default=1 << 24)
    with folder_on_a_disk() as (folder, disk):
        found = [_write(rootfs, folder, disk, size, (size or fastest) * seconds) for size in sizes]
    return pd.concat(found, ignore_index=True)


def _write(
    rootfs: str | os.PathLike[str], folder: str, disk: tuple[int, int], limit: int | None, length: float
) -> pd.DataFrame:
    count = max(1, round(length / _BLOCK))
    # It waits at its end, so that its counters can be read for the last time.
    copy = f"dd if=/dev/zero of=/disk/file bs={_BLOCK} count={count} oflag=direct conv=notrunc"
    script = f"{copy} 2>&1 && echo written; read go"
    throttle = () if limit is None else (Throttle(major=disk[0], minor=disk[1], rate=limit),)
    container = limited(rootfs, script, volumes=[f"{folder}:/disk"], block_io=BlockIo(write_bps=throttle))

    def written() -> dict[str, float]:
        rows = container.stats()["blkio"].get("ioServiceBytesRecursive", [])
        mine = [row["value"] for row in rows if (row["major"], row["minor"]) == disk and row["op"].lower() == "write"]
        return {"written": sum(mine)}

    stdin, go = os.pipe2(os.O_CLOEXEC)
    answer, stdout = os.pipe2(os.O_CLOEXEC)
    try:
        with container:
            try:
                container.start(stdin, stdout)
            finally:
                os.close(stdin)
                os.close(stdout)
            with Recorder(written, 0.02) as recorder:
                said = _read_until(answer, b"written\n")
            if b"written\n" not in said:
                raise LabkitError(f"nothing can be written past the page cache here: {said.decode().strip()}")
            last = written()
    finally:
        os.close(go)
        os.close(answer)
    frame = recorder.frame()
    frame.loc[len(frame), ["time", "written"]] = [frame["time"].max(), last["written"]]
    return frame.assign(limit=float("nan") if limit is None else float(limit))[list(COLUMNS)]


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    text = b""
    while wanted not in text and (more := os.read(descriptor, 4096)):
        text += more
    return text


def rates(written: pd.DataFrame) -> pd.DataFrame:
    """`limit` and `rate`, both in bytes a second, from the first byte that was counted to the last."""
    rows = []
    for limit, group in written.groupby("limit", dropna=False):
        moving = group[(group["written"].shift(-1, fill_value=0) > 0) & (group["written"] < group["written"].max())]
        span = group["time"].max() - (moving["time"].min() if len(moving) else group["time"].min())
        rows.append({"limit": limit, "rate": group["written"].max() / span if span else float("inf")})
    return pd.DataFrame(rows)


def figure(written: pd.DataFrame) -> Figure:
    """MiB written over time, beside the slope of each limit."""
    lines, slopes = {}, []
    for limit, rows in written.groupby("limit", dropna=False):
        rate = float(str(limit))
        name = "no limit" if rate != rate else f"at most {amount(int(rate))}/s"
        lines[name] = pd.DataFrame({"time": rows["time"], "amount": rows["written"] / _MIB})
        if rate == rate:
            slopes.append(rate / _MIB)
    return cumulative(lines, slopes, "written, MiB")


def in_words(written: pd.DataFrame) -> str:
    """The rate under each limit."""
    said = []
    for row in rates(written).to_dict("records"):
        free = row["limit"] != row["limit"]
        rate = f"{amount(int(row['rate']))}/s" if row["rate"] != float("inf") else "more than can be timed"
        of = (
            "without a limit"
            if free
            else f"under {amount(int(row['limit']))}/s ({row['rate'] / row['limit'] - 1:+.1%})"
        )
        said.append(f"{rate} {of}")
    return f"The kernel counted {style.list_in_words(said)}."
