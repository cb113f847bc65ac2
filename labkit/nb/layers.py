"""An overlay of two folders made by hand: what becomes of a file that is changed, removed or made in it."""

import os
import stat
import tempfile

import pandas as pd

from labkit.linux.mount import fsmount, mount_at
from labkit.nb.apart import apart

_ABSENT = "–"
WHITEOUT = "a whiteout: a device with the number 0:0"


def by_hand() -> pd.DataFrame:
    """A row for each file: what was done with it, and what each folder then holds (overlayfs.rst)."""
    with tempfile.TemporaryDirectory(prefix="labkit-overlay-") as folder:
        return apart(lambda: _by_hand(folder))


def _by_hand(folder: str) -> pd.DataFrame:
    # Of its own: not every filesystem can hold the upper layer.
    _attach(folder, fsmount("tmpfs", ()))
    lower, upper, work, merged = (f"{folder}/{name}" for name in ("lower", "upper", "work", "merged"))
    for place in (lower, upper, work, merged):
        os.mkdir(place)
    for name in ("left alone", "changed", "removed"):
        _write(f"{lower}/{name}", "from the image")
    _attach(merged, fsmount("overlay", (f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}")))
    _write(f"{merged}/changed", "from the container")
    _write(f"{merged}/made", "from the container")
    os.unlink(f"{merged}/removed")
    rows = [
        (name, *(_content(f"{place}/{name}") for place in (lower, upper, merged)))
        for name in ("left alone", "changed", "removed", "made")
    ]
    return pd.DataFrame(rows, columns=["file", "lower: the image", "upper: a tmpfs", "together: what is seen"])


def _attach(place: str, made: int) -> None:
    mount_at(place, made)
    os.close(made)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _content(path: str) -> str:
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        return _ABSENT
    if stat.S_ISCHR(about.st_mode) and about.st_rdev == 0:
        return WHITEOUT
    with open(path, encoding="utf-8") as file:
        return file.read()
