"""Attempts to reach what is the host's, of those in the attack suite that are no more than a program inside.

Any runtime's sandbox can be put to them, and none of them does harm where it goes through, not even as root without a
sandbox: files are opened for writing and not written to, mounts are undone, the device node is of a device that is not
there. In a sandbox with a kernel of its own, what goes through goes to that kernel.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

from labkit.errors import LabkitError
from labkit.runtimes import Runtime
from labkit.runtimes.trial_run import last_words_in

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """`script` is for busybox's shell, in an empty folder, and succeeds where the attempt goes through."""

    name: str
    about: str
    script: str


ATTEMPTS = (
    Attempt("core_pattern", "name a program that the host runs at a crash", "true >> /proc/sys/kernel/core_pattern"),
    Attempt("interrupts", "move the host's interrupts to other CPUs", "true >> /proc/irq/default_smp_affinity"),
    Attempt("sysfs", "write to the host's sysfs", "true >> /sys/kernel/profiling || true >> /sys/kernel/uevent_helper"),
    Attempt(
        "release_agent",
        "name a program that the host runs when a cgroup is empty",
        "mkdir m && mount -t cgroup -o pids c m && { true >> m/release_agent; s=$?; umount m; test $s = 0; }",
    ),
    Attempt("remount", "make writable again what is read-only", "mount -o remount,bind,rw /proc/sys"),
    Attempt("mount", "mount a filesystem", "mkdir m && mount -t tmpfs t m && umount m"),
    Attempt("user namespace", "become root of a user namespace", "unshare -U true"),
    Attempt(
        "disk", "read a disk through a node of its own", "mknod n b 240 77 && head -c 1 n 2>&1 | grep 'such device'"
    ),
    Attempt("kernel module", "load a module", "echo none > n.ko && insmod n.ko 2>&1 | grep 'invalid module'"),
    Attempt("kernel memory", "read the kernel's memory", "test $(head -c 1 /proc/kcore | wc -c) = 1"),
    Attempt("kernel log", "read what the kernel says", "dmesg | grep -q ."),
)


def script(attempts: tuple[Attempt, ...] = ATTEMPTS) -> str:
    """A program for `sh -c` that makes them one after the other, and writes for each a line that `read` reads."""
    lines = []
    for attempt in attempts:
        lines.append(f"d=$(mktemp -d); if ( cd $d; {attempt.script}; ) > /dev/null 2>&1")
        lines.append(f"then echo 'through {attempt.name}'; else echo 'stopped {attempt.name}'; fi; rm -rf $d")
    return "\n".join(lines)


def read(text: str) -> dict[str, bool]:
    """By attempt's name, whether it went through."""
    return {name: word == "through" for word, _, name in (line.partition(" ") for line in text.splitlines())}


def attempt(runtime: Runtime, place: str, timeout: float = TIMEOUT) -> dict[str, bool]:
    """As `read`, of a sandbox that `runtime` makes of the bundle `place`, whose command is `sh -c` and script().

    Raises LabkitError, with nothing left of the sandbox, when it does not run to its end.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log, open(os.devnull, "rb") as nothing:
        stdio = (nothing.fileno(), output.fileno(), log.fileno())
        sandbox = runtime.start(place, f"labkit-attempt-{os.urandom(4).hex()}", stdio)
        try:
            status = sandbox.wait(timeout)
        finally:
            sandbox.delete()
        if status:
            raise LabkitError(f"{runtime.name}: exit status {status}: {last_words_in(log.fileno())}", "labkit doctor")
        output.seek(0)
        return read(output.read().decode(errors="replace"))
