"""Log lines in the two formats that runc has: logrus' text, and JSON; to a file or to stderr."""

from __future__ import annotations

import time

from labkit.errors import LabkitError
from labkit.linux import os
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.plan.plan import Plan

_path = ""
_format = "text"
_debug = False


def configure(path: str, format: str, debug: bool) -> None:
    """Write to the file `path` ("" for stderr) in `format`, text or json; what debug() is told only with `debug`."""
    global _path, _format, _debug
    if format not in ("text", "json"):
        raise LabkitError(f"invalid log-format: {format}", "use text or json")
    if path:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise LabkitError(f"log file {path}: {error.strerror}", "give another with --log") from error
    _path, _format, _debug = path and os.path.abspath(path), format, debug


def debugging() -> bool:
    """Whether debug lines are written."""
    return _debug


def debug(message: str) -> None:
    """A line for whoever looks for a fault."""
    if _debug:
        _write("debug", message)


def notes(plan: Plan) -> None:
    """What the plan could not give, and, for debugging, what it will do.

    The last line, and those of made(), are runc's own words, by which its callers see how far it came.
    """
    for note in plan.notes:
        if note.startswith("warning: "):
            warning(note.removeprefix("warning: "))
        else:
            debug(note)
    if _debug:
        for line in plan.explain().splitlines():
            debug(line)
        debug("nsexec container setup")


def made(pid: int, last: str) -> None:
    """The process `pid` has done its steps; `last` is what runc says then."""
    debug(f"child process in init(): process {pid} has done its steps")
    debug(last)


def warning(message: str) -> None:
    """Something is not as it was asked for, and life goes on."""
    _write("warning", message)


def error(message: str) -> None:
    """Why this process ends; also as plain text on stderr, where the log is elsewhere."""
    _write("error", message)
    if _path:
        os.write(2, f"{message}\n".encode(errors="surrogateescape"))


def _write(level: str, message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _format == "json":
        line = f'{{"level":"{level}","msg":{encode(message)},"time":"{now}"}}'
    else:
        line = f'time="{now}" level={level} msg={encode(message)}'
    data = f"{line}\n".encode(errors="surrogateescape")
    try:
        if not _path:
            os.write(2, data)
            return
        descriptor = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError:
        pass  # A log that cannot be written must not keep a container from being removed.
