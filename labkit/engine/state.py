"""What is on disk of a container: one folder by its id, which is there from before anything is made until all is gone.

Its file `state` has one JSON object a line, the later replacing what the earlier say, so that each line is written
whole or not at all:

    {"version": 2, "id": …, "ociVersion": …, "bundle": …, "rootfs": …, "created": …, "uid": …, "annotations": {…},
     "parents": [cgroups that others may share], "cgroups": [the container's own], "shared": …, "ends_members": …,
     "networks": the folder of leases or "", "hooks": {those that start and delete run, by moment}}
    {"owner": [PID, START]}      who makes the container, or runs it to its end; null when nobody does any more
    {"runner": [PID, START]}     who runs, or ran, its hooks of the host, as the leader of a process group
    {"helper": [PID, START]}     the program that is its network, where that is slirp or pasta
    {"notify": true}             it has the folder `notify`, with a socket to say there that it is ready (see notify)
    {"pid": PID, "start": START} its first process; START is the tick at which a process began
    {"ready": true}              it is created, or runs

Beside it are `config.json`, of a container that came from a bundle, and `exec.fifo` until it is started; and `root`, on
which the root is mounted of one that has no mount namespace of its own: it is unmounted before the rest is removed.
"""

from __future__ import annotations

import errno
import time

from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.proc import alive, read_file
from labkit.linux.rundir import rundir
from labkit.plan.folder import FIFO, UNFINISHED
from labkit.spec.document import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labkit.plan.hook import Program
    from labkit.spec.model import Spec

VERSION = 2
# What a folder's name can have (NAME_MAX of limits.h), with room for the name it is made under.
_LONGEST_NAME = 240
_NO_ID_CHARACTERS = dict.fromkeys(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


class NoContainer(LabkitError):
    """There is no such container, or nothing is known of it any more."""


class State:
    """One container's state: what the lines of its file say, and the folder it is in."""

    __slots__ = ("folder", "id", "values")

    def __init__(self, folder: str, id: str, values: dict[str, Any]) -> None:
        self.folder = folder
        self.id = id
        self.values = values

    @property
    def pid(self) -> int:
        """The host's pid of its first process; 0 before there was one."""
        return int(self.values.get("pid", 0))

    @property
    def cgroups(self) -> list[str]:
        """Its own cgroups, as folders."""
        return list(self.values.get("cgroups", ()))

    @property
    def own_cgroups(self) -> list[str]:
        """Those whose processes are all the container's."""
        return [] if self.values.get("shared") else self.cgroups

    @property
    def ends_members(self) -> bool:
        """Whether all processes of its cgroups end with the first; never before there was a first."""
        return bool(self.values.get("ends_members") and self.pid)

    def hooks(self, moment: str) -> tuple[Program, ...]:
        """Its poststart or poststop hooks."""
        found = self.values.get("hooks", {}).get(moment, ())
        return tuple((path, tuple(args), env and tuple(env), timeout) for path, args, env, timeout in found)

    def owned(self) -> bool:
        """Whether the process that makes it, or runs it to its end, lives."""
        pid, start = self.values.get("owner") or (0, 0)
        return bool(pid) and alive(pid, start)

    def runs(self) -> bool:
        """Whether its first process lives."""
        return bool(self.pid) and alive(self.pid, self.values["start"])

    def status(self) -> str:
        """`creating`, `created`, `running`, `paused` or `stopped` (runtime.md, State; paused is runc's)."""
        if not self.values.get("ready"):
            return "creating" if self.owned() else "stopped"
        # Asked for first: who deletes it, too, removes the fifo, after the process is dead.
        waits = os.path.exists(f"{self.folder}/{FIFO}")
        if not self.runs():
            return "stopped"
        # Imported here: who makes a container does not ask.
        from labkit.cgroups.freeze import is_frozen

        if is_frozen(self.cgroups):
            return "paused"
        return "created" if waits else "running"


def root() -> str:
    """The folder of all state folders."""
    return rundir("containers")


def new_id() -> str:
    """A fresh random id."""
    return os.urandom(6).hex()


def check_id(id: str) -> str:
    """`id` if it can name a folder and a cgroup: letters, digits and `_+-.`, as runc asks.

    A folder that is not a container's yet begins with UNFINISHED, which no id has.
    """
    if not id or len(id) > _LONGEST_NAME or id in (".", "..") or not id.isascii() or id.translate(_NO_ID_CHARACTERS):
        raise LabkitError(
            f"{id!r} is not a container id", f"use up to {_LONGEST_NAME} letters, digits and the characters _ + - ."
        )
    return id


def content(
    spec: Spec,
    id: str,
    bundle: str,
    cgroups: list[str],
    parents: list[str],
    shared: bool = False,
    ends_members: bool = False,
    networks: str = "",
) -> str:
    """The state file's first line; the process that acts adds the others.

    `shared` says that others are in `cgroups` as well; `ends_members` that all in them end with the first process;
    `networks` is the folder of leases of a container that has one (see plan.leases).
    """
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    created = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09}Z"
    values = {
        "version": VERSION,
        "id": id,
        "ociVersion": spec.oci_version,
        "bundle": bundle,
        "rootfs": spec.root.path,
        "created": created,
        "uid": os.geteuid(),
        "annotations": spec.annotations,
        "parents": parents,
        "cgroups": cgroups,
        "shared": shared,
        "ends_members": ends_members,
        "networks": networks,
        "hooks": {moment: hooks for moment, hooks in spec.hooks.plain().items() if moment in ("poststart", "poststop")},
    }
    return encode(values) + "\n"


def load(id: str, folder: str) -> State:
    """The state of container `id` in the folder of all states; raises LabkitError when there is none."""
    found = read(f"{folder}/{check_id(id)}", id)
    if found is None:
        raise _missing(id)
    return found


def read(path: str, id: str) -> State | None:
    """The state in the folder `path`, or None where none is, not even its first line whole.

    Raises LabkitError for one of another version.
    """
    try:
        text = read_file(f"{path}/state")
    except (FileNotFoundError, NotADirectoryError):
        return None
    values: dict[str, Any] = {}
    for line in text.splitlines():
        try:
            values |= decode(line)
        except (TypeError, ValueError):
            break  # Its writer was killed in the middle of this line, the last.
    if "version" not in values:
        return None
    version = values["version"]
    if version != VERSION:
        raise LabkitError(f"container {id!r} has a state of version {version}", f"this labkit knows version {VERSION}")
    return State(path, id, values)


def listed(folder: str, warn: Callable[[str], None]) -> list[State]:
    """The states of all containers, ordered by id; `warn` is told of those that cannot be read."""
    found = []
    for id in sorted(os.listdir(folder)):
        if id.startswith(UNFINISHED):
            continue
        try:
            one = read(f"{folder}/{id}", id)
        except LabkitError as error:
            warn(str(error))
        else:
            found += [one] if one else []
    return found


def check_free(id: str, folder: str) -> None:
    """Raise LabkitError when a container has the id already.

    Said before its cgroups are looked at, which would be taken for another's; to make the state folder decides.
    """
    if os.path.exists(f"{folder}/{check_id(id)}/state"):
        raise LabkitError(f"a container with the id {id!r} exists", "choose another, or delete it")


class Lock:
    """The right to change one container, held by one process at a time for the length of a `with` block.

    Raises LabkitError when the container is not there, or was deleted by the process that had the lock before.
    """

    __slots__ = ("_descriptor", "_id", "_path")

    def __init__(self, id: str, folder: str) -> None:
        self._id = id
        self._path = f"{folder}/{check_id(id)}"

    def __enter__(self) -> State:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise _missing(self._id) from error
            raise
        # Imported here: most verbs lock nothing.
        from fcntl import LOCK_EX, flock

        try:
            flock(self._descriptor, LOCK_EX)
            found = read(self._path, self._id)
            mine = os.fstat(self._descriptor)
            if found is None or os.stat(self._path).st_ino != mine.st_ino:
                raise _missing(self._id)
            return found
        except FileNotFoundError:
            os.close(self._descriptor)
            raise _missing(self._id) from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _missing(id: str) -> NoContainer:
    return NoContainer(f"container {id!r} does not exist", "labkit-oci list shows those that do")
