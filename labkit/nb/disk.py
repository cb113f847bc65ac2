"""Files on a real disk, the only place where a throttle of the block layer can be seen."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.errors import LabkitError


def whole_disk(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Major and minor number of the disk that holds `path`; None when no block device of its own does, as for tmpfs."""
    number = os.stat(path).st_dev
    found = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not found.exists():
        return None
    if (found / "partition").exists():
        # Limits are for whole disks.
        found = found.resolve().parent
    major, _, minor = (found / "dev").read_text().strip().partition(":")
    return int(major), int(minor)


@contextmanager
def folder_on_a_disk() -> Iterator[tuple[str, tuple[int, int]]]:
    """A temporary folder on a disk, and that disk's numbers; LabkitError where no place for such a folder is on one."""
    for place in (tempfile.gettempdir(), "/var/tmp", os.getcwd()):
        disk = whole_disk(place)
        if disk is not None and os.access(place, os.W_OK):
            with tempfile.TemporaryDirectory(dir=place, prefix="labkit-disk-") as folder:
                yield folder, disk
            return
    raise LabkitError(
        "no folder for temporary files is on a disk of its own, which alone has throttles",
        "set TMPDIR to a folder on one; lsblk shows them",
    )
