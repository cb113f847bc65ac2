"""Removing a cgroup: a folder of cgroupfs that can be removed once no process is in it (cgroups(7))."""

from __future__ import annotations

import errno
import time

from labkit.linux import os
from labkit.linux.proc import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Why the kernel refuses a limit, and what to do.
_REFUSALS = {
    errno.ENOENT: ("this kernel has no such limit", "it is left out of the build, or another scheduler is in use"),
    errno.ENODEV: ("no such device", "lsblk and ip link show them; a partition cannot be limited, only its disk"),
    errno.EBUSY: ("more than that is in use", "choose a higher limit, or stop processes first"),
    errno.EINVAL: ("the kernel does not take this value", "it may be out of range, or beyond what the parent has"),
    errno.ERANGE: ("the kernel does not take this value", "it may be out of range, or beyond what the parent has"),
    errno.EACCES: ("this user may not write it", "run as root, or in a cgroup delegated to this user"),
    errno.EPERM: ("this user may not write it", "run as root, or in a cgroup delegated to this user"),
}
_NOT_HANDED_DOWN = {
    errno.EBUSY: ("the cgroup has processes", "on v2 only one without may hand controllers down: move them below it"),
    errno.ENOENT: ("it has not all of these itself", "its parent's cgroup.subtree_control must hand them down first"),
}
_SIGKILL = 9
_DEADLINE = 10.0
# In which a process that has ended leaves its cgroup.
_GRACE = 0.1


def refusal(error: OSError, file: str, value: str) -> tuple[str, str]:
    """What to say of a limit that could not be written, and what to do about it: two lines."""
    folder, _, name = file.rpartition("/")
    if error.errno in (errno.ENOENT, errno.ENODEV) and folder and not os.path.isdir(folder):
        reason, hint = "the cgroup is gone", "somebody else has removed it, or the container has ended"
    elif name == "cgroup.subtree_control" and error.errno in _NOT_HANDED_DOWN:
        reason, hint = _NOT_HANDED_DOWN[error.errno]
    else:
        reason, hint = _REFUSALS.get(error.errno or 0, (error.strerror or str(error), ""))
        if error.errno == errno.ENOENT:
            reason, hint = not_handed_down(folder, name.partition(".")[0]) or (reason, hint)
    return f"{file} cannot be set to {value}: {reason}", hint


def not_handed_down(folder: str, controller: str) -> tuple[str, str] | None:
    """What to say, and to do, when a cgroup of v2 lacks a controller that one above it has; None in other cases."""
    above, lacking = os.path.dirname(folder), folder
    try:
        while controller not in read_file(f"{above}/cgroup.controllers").split():
            above, lacking = os.path.dirname(above), above
        if controller in read_file(f"{lacking}/cgroup.controllers").split():
            return None
    except OSError:
        return None  # Of v1, or past the root of the tree, which has it neither.
    file = f"{above}/cgroup.subtree_control"
    return f"{file} does not hand down the controller {controller!r}", f"echo +{controller} > {file}"


def remove_cgroup(path: str) -> None:
    """Kill what is left in the cgroup and those below it, and remove them; nothing to do when it is gone.

    Raises OSError (EBUSY) when its processes do not end within ten seconds.
    """
    wait_through(removing_cgroup(path))


def leave_cgroup(path: str) -> None:
    """Remove the cgroup, and those below it, of a container whose processes have ended; nothing to do when it is gone.

    It stays while there are others in it, whose it is then.
    """
    wait_through(leaving_cgroup(path))


def removing_cgroup(path: str) -> Iterator[None]:
    """As remove_cgroup, for one who has others to attend to: each item is a moment to wait before it goes on."""
    return _remove(path, time.monotonic() + _DEADLINE, kill=True)


def leaving_cgroup(path: str) -> Iterator[None] | None:
    """As leave_cgroup, and as removing_cgroup; None when it is gone at once, as most are."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return _leaving(path)
    return None


def _leaving(path: str) -> Iterator[None]:
    try:
        yield from _remove(path, time.monotonic() + _GRACE, kill=False, busy=True)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise


def wait_through(moments: Iterable[None] | None) -> None:
    """Wait for each of the moments, for one who has nobody else to attend to."""
    for _ in moments or ():
        time.sleep(0.001)


def _remove(path: str, deadline: float, kill: bool, busy: bool = False) -> Iterator[None]:
    """`busy` says that it was tried already."""
    while True:
        try:
            if not busy:
                os.rmdir(path)
                return
            busy = False
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        try:
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    yield from _remove(entry.path, deadline, kill)
            if kill:
                _kill_members(path)
        except FileNotFoundError:
            return  # Its own runtime was quicker.
        # A killed process leaves its cgroup only once it is reaped, and v1 has no file that would tell.
        yield


def thaw(path: str) -> None:
    """Let a frozen v1 cgroup's processes go on: until then not even SIGKILL reaches them. Others are left alone."""
    try:
        write_file(f"{path}/freezer.state", "THAWED")
    except OSError as error:
        # Of another controller, of v2, or gone; removed between the open and the write, its file has no device.
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise


def _kill_members(path: str) -> None:
    thaw(path)
    for pid in map(int, read_file(f"{path}/cgroup.procs").split()):
        try:
            # 0 stands for a process of another pid namespace, and to kill(2) for the caller's own group.
            if pid:
                os.kill(pid, _SIGKILL)
        except ProcessLookupError:
            pass  # It has ended meanwhile, which is what was wanted.


def remove_empty_cgroup(path: str) -> None:
    """Remove the cgroup unless somebody is in it or below it, or it is gone."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY, errno.ENOENT):
            raise
