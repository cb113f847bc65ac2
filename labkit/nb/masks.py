"""The kernel's files that a container covers: what is read from them outside, inside without covers, and inside."""

import os
import subprocess
from pathlib import Path

import pandas as pd

from labkit import Container

_SCRIPT = """for path; do
    if [ ! -e "$path" ]; then echo "not there"
    elif [ -d "$path" ]; then echo "$(ls -A "$path" | wc -l) entries"
    elif ! head -c 1 "$path" >/dev/null 2>&1; then echo "may not be read"
    else
        line=$(head -c 4096 "$path" | head -n 1 | tr -cd ' -~' | cut -c 1-36)
        [ "$(head -c 1 "$path" | wc -c)" = 0 ] && echo nothing || echo "${line:-something}"
    fi
done"""


def covered(rootfs: str | os.PathLike[str]) -> pd.DataFrame:
    """A row for each masked path of a default container of the image `rootfs` (with busybox) that this kernel has."""
    spec = Container(rootfs, ["true"]).spec
    paths = [*spec.linux.masked_paths]
    columns = {
        "outside": _outside(rootfs, paths),
        "inside, not covered": _inside(rootfs, paths, ("MaskPath",)),
        "inside": _inside(rootfs, paths, ()),
    }
    frame = pd.DataFrame({"path": paths, **columns})
    return frame[frame["outside"] != "not there"].reset_index(drop=True)


def _outside(rootfs: str | os.PathLike[str], paths: list[str]) -> list[str]:
    folder = Path(rootfs)
    done = subprocess.run(
        [folder / "bin/busybox", "sh", "-c", _SCRIPT, "sh", *paths],
        env={"PATH": f"{folder}/bin:{folder}/sbin:{folder}/usr/bin"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout.splitlines()


def _inside(rootfs: str | os.PathLike[str], paths: list[str], without: tuple[str, ...]) -> list[str]:
    container = Container(rootfs, ["sh", "-c", _SCRIPT, "sh", *paths], without=without)
    return container.run().text.splitlines()


def in_words(frame: pd.DataFrame) -> str:
    """How many of the paths tell something, with and without their covers."""
    telling = [
        int((~frame[name].isin(["nothing", "0 entries", "may not be read"])).sum())
        for name in ("inside, not covered", "inside")
    ]
    return f"Not covered, {telling[0]} of {len(frame)} paths tell something; covered, {telling[1] or 'none'} of them."
