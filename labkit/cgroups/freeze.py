"""Stop all processes of a container where they are, and let them go on (cgroups(7): freezer; cgroup.freeze)."""

from __future__ import annotations

import select
import time
from errno import ENODEV, ENOENT

from labkit.cgroups.folders import gone, having
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.proc import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEADLINE = 10.0


def pause(folders: Sequence[str], deadline: float = DEADLINE) -> None:
    """Freeze every process in the cgroups `folders` and below; returns when all stand.

    Raises LabkitError, with all running again, when they do not within `deadline` seconds.
    """
    folder, v2 = _freezer(folders)
    try:
        stands = _freeze_v2(folder, deadline) if v2 else _freeze_v1(folder, deadline)
        if not stands:
            _write(folder, v2, False)
    except FileNotFoundError:
        raise gone(folder) from None
    if not stands:
        message = f"the processes of {folder} cannot be frozen: some did not stop within {deadline:g} s"
        raise LabkitError(message, "one waits in the kernel, perhaps for a disk; see: ps axl")


def resume(folders: Sequence[str]) -> None:
    """Let the processes go on; nothing to do when they are not frozen."""
    folder, v2 = _freezer(folders)
    try:
        _write(folder, v2, False)
    except FileNotFoundError:
        raise gone(folder) from None


def is_frozen(folders: Sequence[str]) -> bool:
    """Whether pause() has been called for these cgroups; one frozen by a cgroup above it does not count."""
    try:
        folder, v2 = _freezer(folders)
        return read_file(f"{folder}/{'cgroup.freeze' if v2 else 'freezer.self_freezing'}").strip() == "1"
    except LabkitError:
        return False
    except OSError as error:
        # ENODEV: it was removed between open(2) and read(2).
        if error.errno in (ENOENT, ENODEV):
            return False
        raise


def _freezer(folders: Sequence[str]) -> tuple[str, bool]:
    """The folder that can be frozen, and whether it is of v2."""
    for file, v2 in (("freezer.state", False), ("cgroup.freeze", True)):
        folder = having(folders, file)
        if folder is not None:
            return folder, v2
    if folders and having(folders, "cgroup.procs") is None:
        raise gone(folders[0])
    raise LabkitError(
        "the container has no cgroup that can be frozen: neither freezer.state nor cgroup.freeze",
        "labkit doctor shows the controllers; the v1 controller is called freezer",
    )


def _write(folder: str, v2: bool, frozen: bool) -> None:
    if v2:
        write_file(f"{folder}/cgroup.freeze", str(int(frozen)))
    else:
        write_file(f"{folder}/freezer.state", "FROZEN" if frozen else "THAWED")


def _freeze_v1(folder: str, deadline: float) -> bool:
    """A cgroup stays FREEZING while new processes appear in it; it must be asked again, and sometimes thawed first.

    As runc does it (libcontainer/cgroups/fs/freezer.go), but with a deadline.
    """
    end = time.monotonic() + deadline
    tries = 0
    while True:
        _write(folder, False, True)
        if read_file(f"{folder}/freezer.state").strip() == "FROZEN":
            return True
        if time.monotonic() > end:
            return False
        tries += 1
        if tries % 50 == 0:
            _write(folder, False, False)
            time.sleep(0.01)
        elif tries > 10:
            time.sleep(0.0001)


def _freeze_v2(folder: str, deadline: float) -> bool:
    """The kernel notifies pollers of cgroup.events of every change (cgroup-v2.rst)."""
    events = os.open(f"{folder}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        _write(folder, True, True)
        end = time.monotonic() + deadline
        while b"frozen 1" not in os.pread(events, 4096, 0):
            if time.monotonic() > end:
                return False
            poll.poll(max(0, (end - time.monotonic()) * 1000))
    finally:
        os.close(events)
    return True
