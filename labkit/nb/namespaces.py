"""One command, seen from outside, from inside, and from inside with one kind of namespace left out."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import CDLL, c_int, get_errno
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from IPython.display import HTML

from labkit import Container
from labkit.errors import LabkitError

ALWAYS = ("mount", "pid", "network", "ipc", "uts", "cgroup")
_YEAR = 365 * 24 * 3600

# Of <sys/ipc.h> and <sys/msg.h>, the same on every architecture.
_IPC_PRIVATE, _IPC_CREAT, _IPC_RMID = 0, 0o1000, 0


@dataclass(frozen=True, slots=True)
class Look:
    """A command for the shell that shows what one kind of namespace (namespaces(7)) is about.

    `entry` is its file in /proc/PID/ns; `sharable`: whether a container can do without one of its own; `offsets` are
    the time_offsets of `configure`.
    """

    kind: str
    entry: str
    command: str
    sharable: bool = True
    offsets: dict[str, int] = field(default_factory=dict)


LOOKS = {
    look.kind: look
    for look in (
        Look("uts", "uts", "hostname"),
        Look("pid", "pid", 'echo "I am process $$"; echo "/proc lists $(ls -d /proc/[0-9]* | wc -l) processes"'),
        Look("mount", "mnt", 'echo "$(wc -l < /proc/self/mountinfo) mounts"; echo "/ holds:" $(ls /)', sharable=False),
        Look("network", "net", "ls /sys/class/net"),
        Look("ipc", "ipc", 'echo "$(tail -n +2 /proc/sysvipc/msg | wc -l) message queues"'),
        Look("user", "user", "id -u; cat /proc/self/uid_map"),
        Look("cgroup", "cgroup", "grep -E ':(pids|memory)?:' /proc/self/cgroup"),
        Look("time", "time", "cut -d' ' -f1 /proc/uptime", offsets={"boottime": _YEAR}),
    )
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the command of a look printed in one place, and the namespace it ran in (such as `uts:[4026531838]`)."""

    place: str
    namespace: str
    text: str


def look(kind: str, rootfs: str | os.PathLike[str]) -> list[Seen]:
    """What the shell of the image `rootfs` (with busybox) sees: outside, inside sharing the host's, inside its own.

    What cannot be shown on this host has the reason as its text.
    """
    chosen = LOOKS[kind]
    script = f"readlink /proc/self/ns/{chosen.entry}; {chosen.command}"
    own = tuple(dict.fromkeys((*ALWAYS, kind)))
    seen = [_outside(script, rootfs)]
    if chosen.sharable:
        without = [name for name in own if name != kind]
        seen.append(_inside(f"inside, sharing the host's {kind} namespace", script, rootfs, without, {}))
    seen.append(_inside(f"inside, with its own {kind} namespace", script, rootfs, own, chosen.offsets))
    return seen


def _outside(script: str, rootfs: str | os.PathLike[str]) -> Seen:
    # The image's own programs, so that both sides run the very same code.
    folder = Path(rootfs)
    done = subprocess.run(
        [folder / "bin/busybox", "sh", "-c", script], env={"PATH": f"{folder}/bin:{folder}/sbin"}, capture_output=True,
        stdin=subprocess.DEVNULL, text=True, errors="replace", check=False,
    )  # fmt: skip
    return _seen("outside, on the host", done.stdout + done.stderr)


def _inside(
    place: str, script: str, rootfs: str | os.PathLike[str], kinds: Iterable[str], offsets: dict[str, int]
) -> Seen:
    kinds = list(kinds)
    try:
        container = Container(rootfs, ["sh", "-c", script], namespaces=kinds, time_offsets=offsets)
        if "user" not in kinds and "user" in [namespace.kind for namespace in container.spec.linux.namespaces]:
            if "sharing the host's user" in place:
                return Seen(place, "", "not possible without root: the user namespace is what permits all others")
            place += " (and its own user namespace)"
        result = container.run()
    except LabkitError as error:
        return Seen(place, "", f"cannot be shown here: {error}")
    return _seen(place, result.text + result.stderr.decode(errors="replace"))


def _seen(place: str, output: str) -> Seen:
    namespace, _, text = output.partition("\n")
    return Seen(place, namespace, text.rstrip("\n"))


def compare(kind: str, rootfs: str | os.PathLike[str]) -> HTML:
    """`look` as a table, with the command above it."""
    rows = "".join(
        f'<tr><th scope="row">{escape(seen.place)}<br><small>{escape(seen.namespace)}</small></th>'
        f"<td>{_lines(seen.text)}</td></tr>"
        for seen in look(kind, rootfs)
    )
    return HTML(
        f'<p><code>{escape(LOOKS[kind].command)}</code></p><table class="dataframe seen"><tbody>{rows}</tbody></table>'
    )


def _lines(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


@contextmanager
def message_queue() -> Iterator[int]:
    """A System V message queue of this process's IPC namespace (msgget(2)), removed at the end of the block."""
    libc = CDLL(None, use_errno=True)
    number = libc.msgget(c_int(_IPC_PRIVATE), c_int(_IPC_CREAT | 0o600))
    if number < 0:
        raise LabkitError(f"no message queue can be made: {os.strerror(get_errno())}", "see ipcs -q -l for the limits")
    try:
        yield number
    finally:
        libc.msgctl(c_int(number), c_int(_IPC_RMID), None)
