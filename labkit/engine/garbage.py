"""Removing what a container has on the host: its processes, its cgroups and its state folder."""

from __future__ import annotations

import errno

from labkit.cgroups.processes import kill_all
from labkit.engine import state
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.cgroupfs import leave_cgroup, remove_cgroup, remove_empty_cgroup, thaw
from labkit.linux.descriptors import readable
from labkit.linux.pidfd import pidfd_open, pidfd_send_signal
from labkit.linux.proc import alive
from labkit.plan.folder import UNFINISHED, remove_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.state import State

_SIGKILL = 9
# How often, and for how many milliseconds, a process that was killed is waited for; a disk may hold one longer.
_TRIES = 100
_PATIENCE = 100


def destroy(found: State) -> None:
    """End the container and remove its cgroups and its state folder; what is gone already is no error.

    A cgroup in which there are others stays, since it is theirs too.
    """
    end(found)
    for folder in reversed(found.cgroups):
        if found.ends_members:
            remove_cgroup(folder)
        elif found.values.get("shared"):
            remove_empty_cgroup(folder)
        else:
            leave_cgroup(folder)
    for folder in reversed(found.values.get("parents", ())):
        remove_empty_cgroup(folder)
    if found.values.get("networks"):
        # Imported here: few containers have a network.
        from labkit.engine import network

        network.release(found)
    if found.values.get("notify"):
        from labkit.engine import notify

        notify.remove(found.folder)
    remove_state(found.folder)


def end(found: State) -> None:
    """Kill the container's processes and those that run its hooks, and wait until the first is dead."""
    kill_hooks(found)
    if found.ends_members:
        kill_all(found.own_cgroups, _SIGKILL)
    kill_first(found)


def kill_hooks(found: State) -> None:
    """SIGKILL for the hooks that the host's side runs for it, in whose group are those who wait for them."""
    pid, start = found.values.get("runner") or (0, 0)
    if pid and alive(pid, start):
        try:
            os.killpg(pid, _SIGKILL)
        except ProcessLookupError:
            pass  # They have ended since.


def kill_first(found: State) -> None:
    """SIGKILL for the container's first process, with which its pid namespace ends, and wait until it is dead.

    Raises LabkitError when it does not die: what is known of it must not be forgotten then.
    """
    if not found.pid:
        return
    try:
        pidfd = pidfd_open(found.pid)
    except ProcessLookupError:
        return
    try:
        # Asked for after the pidfd was opened: the pid is now known not to be another's.
        if found.runs():
            pidfd_send_signal(pidfd, _SIGKILL)
            for _ in range(_TRIES):
                # Each time: somebody may be just about to pause it.
                for folder in found.cgroups:
                    thaw(folder)
                if readable(pidfd, _PATIENCE):
                    return
            message = f"container {found.id} was killed, but its process {found.pid} does not end"
            raise LabkitError(message, "a disk may hold it, or a frozen cgroup of somebody else's; delete it later")
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def collect_garbage(folder: str | None = None) -> list[str]:
    """Remove what containers have left whose engine is dead; returns their ids.

    One that was created and left to itself is no garbage, even when it has stopped: it waits to be deleted. Raises
    LabkitError, when all others are done, for one whose state is of another version.
    """
    removed = []
    refused: list[LabkitError] = []
    folder = folder or state.root()
    for name in sorted(os.listdir(folder)):
        if name.startswith(UNFINISHED):
            _remove_unfinished(f"{folder}/{name}")
            continue
        try:
            if _collect(name, folder):
                removed.append(name)
        except LabkitError as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return removed


def _collect(id: str, folder: str) -> bool:
    """Remove what is left of one container; whether anything was."""
    path = f"{folder}/{id}"
    found = state.read(path, id)
    if found is None:
        return _remove_stateless(path)
    if not _is_garbage(found):
        return False
    try:
        # Asked again when nobody else is at it: by now it may have been deleted, and the id be another's.
        with state.Lock(id, folder) as found:
            if not _is_garbage(found):
                return False
            destroy(found)
    except state.NoContainer:
        return False
    return True


def _is_garbage(found: State) -> bool:
    left = found.values.get("ready") and found.values.get("owner") is None
    return not left and not found.owned()


def remove_remains(id: str, folder: str) -> None:
    """Remove what is left by `id` of one whose maker, or deleter, was killed when it had no state, or none any more."""
    for name in os.listdir(folder):
        if name.startswith(f"{UNFINISHED}{id}.") and name[len(id) + 2 :].isdecimal():
            _remove_unfinished(f"{folder}/{name}")
    _remove_stateless(f"{folder}/{id}")


def _remove_unfinished(path: str) -> None:
    """Remove a folder not yet renamed (see MakeStateFolder), which ends in the pid of who fills it, if that is dead."""
    if not os.path.exists(f"/proc/{path.rpartition('.')[2]}"):
        remove_state(path)


def _remove_stateless(path: str) -> bool:
    """Remove a state folder in which nothing can be read of a container; whether there was one."""
    # By its descriptor: a new container may take the place of an empty folder at any moment, and only of such.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        if state.read(path, os.path.basename(path)) is not None:
            return False
        for name in os.listdir(descriptor):
            os.unlink(name, dir_fd=descriptor)
        os.rmdir(path)
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.ENOENT):
            return False
        raise
    finally:
        os.close(descriptor)
