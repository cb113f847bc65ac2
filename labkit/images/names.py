"""Which image of the cache a foreign name means: one small file for each name that was ever fetched.

    $XDG_CACHE_HOME/labkit/references/NAME     the image's key, the state of the file it came from, the name itself

A registry's tag keeps its meaning here until it is removed; a file that was changed since is another image.
"""

from __future__ import annotations

import contextlib
import os

from labkit.images.foreign import Foreign
from labkit.images.key import folder as images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def folder() -> str:
    """Where the names are kept, beside the images."""
    return f"{os.path.dirname(images())}/references"


def recall(reference: Foreign) -> str | None:
    """The key of the image with this name, or None when it is not known or is out of date.

    An archive that is gone since is taken for what it was.
    """
    found = _read(_path(str(reference)))
    return found[0] if found and state(reference) in (found[1], "") else None


def key_of(reference: str) -> str | None:
    """The key of the image with this name, out of date or not."""
    found = _read(_path(reference))
    return found[0] if found else None


def state(reference: Foreign) -> str:
    """What tells the file that a local image comes from, from a later one at its path; empty for a registry's."""
    if not reference.local:
        return ""
    try:
        found = os.stat(f"{reference.place}/index.json" if reference.transport == "oci" else reference.place)
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


def remember(reference: Foreign, key: str, state: str) -> None:
    """Write that the name means the image with this key; readers see the old file or the new one."""
    os.makedirs(folder(), exist_ok=True)
    path = _path(str(reference))
    partial = f"{path}~{os.getpid()}"
    try:
        with open(partial, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{key}\n{state}\n{reference}\n")
        os.rename(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def forget(reference: str) -> None:
    """Remove one name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(reference))


def forget_all() -> None:
    """Remove every name, and what a killed writer has left."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder()):
            os.unlink(f"{folder()}/{name}")


def of(key: str) -> list[str]:
    """All names of the image with this key, sorted."""
    return sorted(name for owner, _, name in _all() if owner == key)


def _all() -> Iterator[tuple[str, str, str]]:
    try:
        files = os.listdir(folder())
    except FileNotFoundError:
        return
    for file in files:
        if found := _read(f"{folder()}/{file}"):
            yield found


def _read(path: str) -> tuple[str, str, str] | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    # A key is a folder's name: whatever else got into the file, it must not lead elsewhere.
    return (lines[0], lines[1], lines[2]) if len(lines) == 4 and lines[0] and "/" not in lines[0] else None


def _path(reference: str) -> str:
    name = reference.replace("%", "%25").replace("/", "%2F")
    if len(os.fsencode(name)) > 200:  # A name has 255 bytes at most (NAME_MAX).
        from hashlib import sha256

        name = sha256(os.fsencode(reference)).hexdigest()
    return f"{folder()}/{name}"
