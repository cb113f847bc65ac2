"""Readiness as systemd has it told (sd_notify(3)): the caller has the manager's datagram socket in NOTIFY_SOCKET.

That one lies outside the container, and is for processes that the manager knows. So the container has a socket of its
own, in a folder that is mounted for it, and who starts the container passes on that it is ready, and which process is
to be watched from then on. Nothing else that a service may say is passed on, as runc and crun have it.
"""

from __future__ import annotations

import select
from _socket import AF_UNIX, MSG_DONTWAIT, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, socket
from _struct import pack

from labkit.linux import os
from labkit.linux.descriptors import readable
from labkit.linux.pidfd import pidfd_open
from labkit.plan.folder import FIFO, add_to_state
from labkit.plan.step import Scene, Step
from labkit.spec.model import Mount, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.engine.state import State

# In the state folder: what is closed to the host's other users, who could say that it is ready; the folder in it that
# the container is shown; and in that the socket, under crun's name for it.
_CLOSED = "notify"
_SHOWN = f"{_CLOSED}/shown"
_SOCKET = "notify"
_OPTIONS = ("bind", "ro", "nosuid", "nodev", "noexec")
# Where runc shows it.
_PLACE = "/run/notify"
# Of a socket's address, in bytes, without its last NUL (unix(7)).
_LONGEST = 107
# As sd_notify(3) has it: no line of a datagram is longer.
_DATAGRAM = 4096
# How long to wait for a manager that does not read, in seconds: as systemd-notify.
_PATIENCE = 5


class Listener:
    """Who hears what the container says at its `socket`, for `manager`, an address as in NOTIFY_SOCKET.

    `process` is the pidfd of a container that is started by another process than its maker. `warn` is told when the
    manager cannot be.
    """

    __slots__ = ("manager", "process", "socket", "warn")

    def __init__(self, manager: str, warn: Callable[[str], None], process: int = -1) -> None:
        self.manager = manager
        self.process = process
        self.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        self.warn = warn

    def close(self) -> None:
        """Hear no more of it."""
        self.socket.close()
        if self.process >= 0:
            os.close(self.process)

    def await_ready(self, pid: int) -> None:
        """Return when the container, whose first process has this pid, has said that it is ready, or has ended."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.register(self.process, select.POLLIN)
        over = False
        while not over:
            # What it has said before its end is there by then.
            over = any(descriptor == self.process for descriptor, _ in poll.poll())
            if self._hears_ready():
                # The pid of one that has ended may be another's.
                self._tell(0 if over else pid, leaving=True)
                return

    def meanwhile(self, wait: Callable[[int], object]) -> Callable[[int], None]:
        """`wait`, which returns when a descriptor is readable, with what the container says meanwhile passed on.

        The process to be watched is this one, which ends with the container and with its status (as runc).
        """

        def waiting(descriptor: int) -> None:
            either = select.epoll()
            try:
                either.register(descriptor, select.EPOLLIN)
                either.register(self.socket, select.EPOLLIN)
                over = False
                while not over:
                    wait(either.fileno())
                    over = readable(descriptor, 0)
                    if self._hears_ready():
                        self._tell(os.getpid(), leaving=False)
            finally:
                either.close()

        return waiting

    def _hears_ready(self) -> bool:
        """Whether the container has said by now that it is ready."""
        while True:
            try:
                # What descriptors come with it are closed, for which somebody may wait inside (sd_notify_barrier(3)).
                lines = self.socket.recv(_DATAGRAM, MSG_DONTWAIT).split(b"\n")
            except BlockingIOError:
                return False
            if b"READY=1" in lines:
                return True

    def _tell(self, pid: int, leaving: bool) -> None:
        """Tell the manager that the container is ready, and the process that stands for it; 0 for none.

        Who is `leaving` waits until that is read: the manager cannot tell whose process it was that is gone by then.
        """
        ours = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        try:
            ours.settimeout(_PATIENCE)
            ours.connect(f"\0{self.manager[1:]}" if self.manager[0] == "@" else self.manager)
            # A datagram each, and in this order: crun's callers look for the first alone.
            ours.send(b"READY=1")
            if pid:
                ours.send(f"MAINPID={pid}".encode())
            if leaving:
                _await_reading(ours)
        except OSError as error:
            reason = error.strerror or str(error)
            self.warn(f"NOTIFY_SOCKET {self.manager}: {reason}: it is not told that the container is ready")
        finally:
            ours.close()


def _await_reading(ours: socket) -> None:
    """Return when the manager has read what was sent: it then closes the descriptor that comes with BARRIER=1."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            ours.sendmsg([b"BARRIER=1"], [(SOL_SOCKET, SCM_RIGHTS, pack("i", writing))])
        finally:
            os.close(writing)
        readable(reading, _PATIENCE * 1000)
    except OSError:
        pass  # It has closed its socket, having heard what matters.
    finally:
        os.close(reading)


class MakeNotifyFolder(Step):
    """`descriptor` is the socket to be bound in it; -1 where whoever starts the container brings one (see `listen`)."""

    __slots__ = ("descriptor", "folder")
    descriptor: int
    folder: str
    call = "mkdir, bind"
    why = "the container can reach no socket of the host's, and whoever started it wants to know when it is ready"

    def describe(self) -> str:
        """As every step."""
        return f"make a folder in {self.folder} for the container's own NOTIFY_SOCKET"

    def apply(self, scene: Scene) -> None:
        """As every step."""
        # First: whoever removes the container then knows of it.
        add_to_state(self.folder, '{"notify": true}')
        os.mkdir(f"{self.folder}/{_CLOSED}", 0o700)
        shown = f"{self.folder}/{_SHOWN}"
        os.mkdir(shown, 0o755)
        # Whatever the umask: its program may be any user's.
        os.chmod(shown, 0o755)
        if self.descriptor >= 0:
            ours = socket(fileno=self.descriptor)
            try:
                _bind(ours, self.folder)
            finally:
                ours.detach()

    def undo(self, scene: Scene) -> None:
        """As every step."""
        remove(self.folder)


def _bind(ours: socket, folder: str) -> None:
    """Give the socket its name for the container of the state folder `folder`."""
    shown = f"{folder}/{_SHOWN}"
    place = os.open(shown, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # By a descriptor: the folder's own path may be longer than a socket's address can be.
    path = f"/proc/self/fd/{place}/{_SOCKET}"
    try:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # Else it is that of a start that was killed.
        ours.bind(path)
        os.chmod(path, 0o666)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{shown}/{_SOCKET}") from error
    finally:
        os.close(place)


def remove(folder: str) -> None:
    """Remove what MakeNotifyFolder has made in the state folder `folder`; nothing to do for what is gone."""
    # Imported here, as it takes long to. A container with the privilege to mount may have left more than a socket.
    from shutil import rmtree

    try:
        rmtree(f"{folder}/{_CLOSED}")
    except FileNotFoundError:
        pass


def prepare(
    spec: Spec, manager: str, folder: str, held: bool, warn: Callable[[str], None]
) -> tuple[Listener | None, tuple[Step, ...]]:
    """Give the program of `spec`, which is changed, a socket in the state folder `folder`.

    Returns who listens at it for `manager`, None for one that is `held` until it is started (see `listen`), and the
    parent's steps, to be done when the state folder is there. `warn` is told why where there can be none.
    """
    if unfit := _unfit(spec, manager):
        warn(f"NOTIFY_SOCKET {manager} is ignored: {unfit}")
        return None, ()
    place = _place(manager)
    spec.mounts += (Mount(destination=place, kind="bind", source=f"{folder}/{_SHOWN}", options=_OPTIONS),)
    others = [variable for variable in spec.process.env if not variable.startswith("NOTIFY_SOCKET=")]
    spec.process.env = (*others, f"NOTIFY_SOCKET={place}/{_SOCKET}")
    listener = None if held else Listener(manager, warn)
    return listener, (MakeNotifyFolder(-1 if listener is None else listener.socket.fileno(), folder),)


def _unfit(spec: Spec, manager: str) -> str:
    """Why nobody can be told, "" where it is possible."""
    if manager[0] not in "/@" or not manager[1:].strip("/"):
        return "it is neither an absolute path nor an abstract address"
    if "mount" not in spec.linux.new_kinds():
        return "without a mount namespace of its own the container cannot have a socket"
    return ""


def _place(manager: str) -> str:
    """Where in the container the folder is: at the path that the manager's socket has outside, as crun has it.

    But not where that is no path, nor where a systemd inside has its own socket, nor where one's address is too long.
    """
    if manager[0] == "@" or manager.startswith("/run/systemd/") or len(os.fsencode(f"{manager}/{_SOCKET}")) > _LONGEST:
        return _PLACE
    return manager


def listen(found: State, manager: str, warn: Callable[[str], None]) -> Listener | None:
    """Listen for the created container `found`, whose lock is held; None where it was made without, or has started."""
    if not found.values.get("notify") or not os.path.exists(f"{found.folder}/{FIFO}"):
        return None
    try:
        listener = Listener(manager, warn, pidfd_open(found.pid))
    except ProcessLookupError:
        return None
    try:
        _bind(listener.socket, found.folder)
    except OSError:
        listener.close()
        raise
    return listener
