"""A container's life after it was created, each part by another process if need be: start, kill, delete.

Source: OCI runtime-spec, runtime.md, Lifecycle.

What is known of it is on disk (see `state`). Two that act on one container at once are kept apart by its lock; to
create it is to take its id, which only one can.
"""

from __future__ import annotations

import errno
import marshal
import select
import time

from labkit.cgroups.processes import kill_all
from labkit.engine import state
from labkit.engine.garbage import destroy, end, remove_remains
from labkit.errors import LabkitError, StepError
from labkit.linux import os
from labkit.linux.cgroupfs import thaw
from labkit.linux.descriptors import readable
from labkit.linux.pidfd import pidfd_open, pidfd_send_signal
from labkit.plan.folder import FAILURE, FIFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.engine.state import State

_SIGKILL = 9
# How long to wait for one that is being created, in seconds.
_PATIENCE = 2.0


def start(found: State) -> None:
    """Let the created container `found`, whose lock is held, run its program; returns once it does.

    Raises StepError, with the step's name, when the program cannot be run, and LabkitError when the container is not
    `created`.
    """
    status = _await_creation(found)
    if status == "stopped":
        raise LabkitError("cannot start a container that has stopped", "delete it, and create it anew")
    if status == "creating":
        raise LabkitError("cannot start a container that is still being created", "wait until create has returned")
    if status != "created":
        raise LabkitError("cannot start an already running container", "labkit-oci exec runs another program in it")
    try:
        # Opened before it runs: when it ends at once, its maker removes the folder with what it has written there.
        with open(f"{found.folder}/{FAILURE}", "rb") as failure:
            _let_go(f"{found.folder}/{FIFO}")
            message = failure.read()
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ENOENT):
            raise
        raise LabkitError("the container's process died before it could run its program", "delete it") from error
    if message:
        _, name, number, text, advice, exit_status = marshal.loads(message)
        raise StepError(name, number, text, advice, exit_status)


def begin(id: str, folder: str, manager: str, warn: Callable[[str], None]) -> None:
    """Start the created container `id`, and run its poststart hooks, of whose failure `warn` is told.

    Where `manager` is not "", but an address in NOTIFY_SOCKET, return once the program has said that it is ready, or
    has ended. Raises as `start`.
    """
    listener = None
    try:
        with state.Lock(id, folder) as found:
            if manager:
                # Imported here: few callers are services.
                from labkit.engine import notify

                _await_creation(found)
                listener = notify.listen(found, manager, warn)
            start(found)
        poststart(found, warn)
        if listener:
            listener.await_ready(found.pid)
    finally:
        if listener:
            listener.close()


def _let_go(path: str) -> None:
    """Let go the process that waits at the fifo `path`; returns when its program runs, or it has ended."""
    # Without a reader, which the container is until its execve, this is an error (fifo(7)).
    fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # First: who is killed here leaves one that only delete can end, and none that is started twice.
        os.unlink(path)
        os.write(fifo, b"\0")
        poll = select.poll()
        # Nothing but its end is waited for: the execve, or the process's death.
        poll.register(fifo, 0)
        poll.poll()
    except (FileNotFoundError, BrokenPipeError):
        pass  # It has ended, and its maker has removed what it had.
    finally:
        os.close(fifo)


def _await_creation(found: State) -> str:
    """The container's status, after waiting for a moment while somebody still creates it.

    Who sees its state may start it, and does not see how far its maker is: runc and crun have none until it is created.
    """
    end = time.monotonic() + _PATIENCE
    status = found.status()
    while status == "creating" and time.monotonic() < end:
        time.sleep(0.005)
        again = state.read(found.folder, found.id)
        if again is None:
            raise LabkitError("the container could not be created", "its maker says why")
        found.values |= again.values
        status = found.status()
    return status


def poststart(found: State, warn: Callable[[str], None]) -> None:
    """Run the poststart hooks of the container that was started, now without its lock; `warn` is told of failures."""
    _run_hooks(found, "poststart", "running", warn)


def _run_hooks(found: State, moment: str, status: str, warn: Callable[[str], None]) -> None:
    hooks = found.hooks(moment)
    if not hooks:
        return
    # Imported here: few containers have any, and this takes longer than all else that start and delete do.
    from labkit.linux import kernel
    from labkit.plan.hook import hook_state, run_hooks

    values = found.values
    about = (values["ociVersion"], found.id, values["bundle"], values["annotations"])
    state = hook_state(about, status, found.pid if status != "stopped" else 0)
    # runtime.md, Lifecycle: a warning, and life goes on as if it had succeeded.
    run_hooks(kernel, moment, hooks, state, warn=warn)


def kill(found: State, signal: int, all: bool = False) -> None:
    """Send `signal` to the first process, or with `all` to every process of the container.

    Raises LabkitError when it is not running.
    """
    if all:
        kill_all(found.own_cgroups, signal)
        if not found.runs() or found.own_cgroups:
            return
    try:
        pidfd = pidfd_open(found.pid) if found.pid else -1
    except ProcessLookupError:
        pidfd = -1
    if pidfd < 0 or not found.runs():
        raise LabkitError("container not running", "labkit-oci state shows its status")
    try:
        pidfd_send_signal(pidfd, signal)
    except ProcessLookupError:
        raise LabkitError("container not running", "labkit-oci state shows its status") from None
    finally:
        os.close(pidfd)
    if signal == _SIGKILL:
        for folder in found.cgroups:
            thaw(folder)


def delete(id: str, folder: str, force: bool, warn: Callable[[str], None]) -> None:
    """Remove what container `id` has on the host, and then run its poststop hooks, of whose failure `warn` is told.

    Raises LabkitError when it runs and `force` does not allow to kill it, and when it does not exist; with `force` what
    somebody who was killed has left by that id is removed, if only a folder.
    """
    try:
        found = _destroy(id, folder, force)
    except state.NoContainer:
        if not force:
            raise
        remove_remains(id, folder)
    else:
        kept = [cgroup for cgroup in found.own_cgroups if os.path.isdir(cgroup)]
        if kept:
            warn(f"the cgroup {kept[0]} stays: others are in it")
        _run_hooks(found, "poststop", "stopped", warn)


def _destroy(id: str, folder: str, force: bool) -> State:
    found = state.load(id, folder)
    if found.owned():
        _end_its_maker(found, force)
    status = found.status()
    if status not in ("stopped", "creating", "created") and not force:
        raise LabkitError(f"cannot delete container {id} that is not stopped: {status}", "--force kills it first")
    # Before the lock is asked for: who holds it may wait for just this container, in a hook of its.
    end(found)
    with state.Lock(id, folder) as found:
        destroy(found)
    return found


def _end_its_maker(found: State, force: bool) -> None:
    """With `force`, kill a container that is being made or run by a living process, which then removes what is left."""
    if not force:
        raise LabkitError(
            f"cannot delete container {found.id} that is not stopped: {found.status()}", "--force kills it first"
        )
    owner = found.values["owner"][0]
    try:
        pidfd = pidfd_open(owner)
    except ProcessLookupError:
        return
    try:
        end(found)
        # The maker sees the death of its container, or of its hooks, and undoes it.
        for _ in range(100):
            if readable(pidfd, 100) or not os.path.exists(found.folder):
                return
    finally:
        os.close(pidfd)
    # It would come back to what may by then be another container of this id.
    message = f"container {found.id} is dead, but process {owner}, who runs it, does not end"
    raise LabkitError(message, "kill that, and delete again")
