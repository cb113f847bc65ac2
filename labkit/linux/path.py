"""`os.path` as far as the engine needs it at every start (see labkit.linux.os)."""

from __future__ import annotations

# The C module of `stat`.
from _stat import S_ISDIR, S_ISLNK, S_ISREG
from posix import getcwd, lstat, stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def exists(name: str) -> bool:
    """Whether there is something, also behind a symbolic link."""
    return _mode(name) != 0


def isdir(name: str) -> bool:
    """Whether it is a folder, also behind a symbolic link."""
    return S_ISDIR(_mode(name))


def isfile(name: str) -> bool:
    """Whether it is a regular file, also behind a symbolic link."""
    return S_ISREG(_mode(name))


def _mode(name: str) -> int:
    try:
        return stat(name).st_mode
    except (OSError, ValueError):
        return 0


def basename(name: str) -> str:
    """What follows the last slash."""
    return name.rpartition("/")[2]


def dirname(name: str) -> str:
    """What is before the last slashes; the root alone keeps its own."""
    above, slash, _ = name.rpartition("/")
    return above.rstrip("/") or above + slash


def join(folder: str, name: str) -> str:
    """`name` counted from `folder`; an absolute one stays as it is."""
    return name if name.startswith("/") or not folder else f"{folder.rstrip('/')}/{name}"


def abspath(name: str) -> str:
    """The path from the root on, without `.` and `..`, whatever symbolic links there are."""
    return normpath(join(getcwd(), name))


def normpath(name: str) -> str:
    """The path without `.`, `..` and slashes that say nothing."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and (name.startswith("/") or parts[-1:] not in ([], [".."])):
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return ("/" if name.startswith("/") else "") + "/".join(parts) or "."


def realpath(name: str) -> str:
    """The path from the root on without symbolic links."""
    whole = abspath(name)
    place, links = whole, ".." in name.split("/")
    while place != "/" and not links:
        links = _is_link(place)
        place = dirname(place)
    if links:
        import posixpath

        return posixpath.realpath(name)
    return whole


def _is_link(name: str) -> bool:
    try:
        return S_ISLNK(lstat(name).st_mode)
    except OSError:
        return False


def __getattr__(name: str) -> Any:
    import posixpath

    return getattr(posixpath, name)
