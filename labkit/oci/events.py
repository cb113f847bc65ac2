"""`labkit-oci events`: what a container uses, every few seconds, and its kills for want of memory, as lines of JSON.

The lines are those of runc-events(8): {"type":"stats","id":…,"data":{…}} and {"type":"oom","id":…}.
"""

from __future__ import annotations

import errno
import math
import os
import select
import time

from labkit.cgroups import statistics
from labkit.cgroups.events import oom_kills, open_oom, ran_out
from labkit.engine import state
from labkit.errors import LabkitError, UsageError
from labkit.linux.descriptors import write_all
from labkit.linux.pidfd import pidfd_open
from labkit.oci import log
from labkit.oci.options import FLAG, VALUE, one, parse
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labkit.engine.state import State

USAGE = """USAGE:
   labkit-oci events [command options] <container-id>

OPTIONS:
   --interval value  time between two lines of statistics, such as 1m30s or 100ms (default: 5s)
   --stats           print the statistics once and end
"""
# Go's time.ParseDuration, in seconds; the micro sign and the Greek letter are two characters.
_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DIGITS = "0123456789."


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the events until the container stops."""
    given, others = parse(words, {"interval": VALUE, "stats": FLAG}, {}, anywhere=True)
    found = state.load(one(others), options["root"])
    interval = seconds(given["interval"] or "5s")
    if interval <= 0:
        raise LabkitError("duration interval must be greater than 0", "give one such as --interval 5s")
    if found.status() in ("creating", "stopped"):
        raise LabkitError(f"container with id {found.id} is not running", "labkit-oci state shows its status")
    try:
        if given["stats"]:
            _print_stats(found)
        else:
            _watch(found, interval)
    except BrokenPipeError:
        return 141  # As if SIGPIPE had ended it: nobody reads any more.
    return 0


def seconds(text: str) -> float:
    """A duration as Go writes it: numbers with units, 1h2m3.5s; 0 needs none. Raises UsageError."""
    negative = text[:1] == "-"
    rest = text[1:] if text[:1] in ("-", "+") else text
    total = 0.0
    if rest != "0":
        parts = _parts(rest)
        if not parts or any(unit not in _UNITS for _, unit in parts):
            raise _no_duration(text)
        try:
            total = sum(float(number) * _UNITS[unit] for number, unit in parts)
        except ValueError:
            raise _no_duration(text) from None
    return -total if negative else total


def _parts(text: str) -> list[tuple[str, str]]:
    """1h2m as (1, h), (2, m)."""
    parts = []
    while text:
        after = text.lstrip(_DIGITS)
        number = text[: len(text) - len(after)]
        end = next((place for place, letter in enumerate(after) if letter in _DIGITS), len(after))
        parts.append((number, after[:end]))
        text = after[end:]
    return parts


def _no_duration(text: str) -> UsageError:
    return UsageError(f'invalid value "{text}" for flag -interval: parse error', "write one such as 5s or 100ms")


def _watch(found: State, interval: float) -> None:
    watch = open_oom(found.cgroups)
    try:
        pidfd = pidfd_open(found.pid)
    except ProcessLookupError:
        os.close(watch)
        return
    try:
        # Only now is it sure that the pid was not another's meanwhile.
        if found.runs():
            _until_the_end(found, interval, watch, pidfd)
    finally:
        os.close(pidfd)
        os.close(watch)


def _until_the_end(found: State, interval: float, watch: int, pidfd: int) -> None:
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    kills = oom_kills(found.cgroups) or 0
    due = time.monotonic() + interval
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(max(0, math.ceil((due - time.monotonic()) * 1000)))}
        # Also at the end, for its first process may have been what was killed.
        if ready and ran_out(watch, found.cgroups, kills):
            _print({"type": "oom", "id": found.id})
            kills = oom_kills(found.cgroups) or kills
        if pidfd in ready:
            return
        if time.monotonic() >= due:
            due = max(due + interval, time.monotonic())
            try:
                _print_stats(found)
            except BrokenPipeError:
                raise
            except OSError as error:
                # ENODEV: its cgroups are being removed, and it ends before the next turn. Others that turn says again.
                if error.errno != errno.ENODEV:
                    log.error(f"{error.filename}: {error.strerror}")


def _print_stats(found: State) -> None:
    _print({"type": "stats", "id": found.id, "data": statistics.read(found.cgroups)})


def _print(event: dict[str, Any]) -> None:
    # At once and whole, for whoever waits at the other end of a pipe.
    write_all(1, f"{encode(event)}\n".encode())
