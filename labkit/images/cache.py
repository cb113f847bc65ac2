"""Images kept by the key of their recipe, each built once, whole or not at all.

    $XDG_CACHE_HOME/labkit/images/KEY/rootfs/       the root filesystem, shared and never written to
    $XDG_CACHE_HOME/labkit/images/KEY/image.json    reference, key, digest, size, packages, time of the build
    $XDG_CACHE_HOME/labkit/images/KEY~partial/      a build in progress, or what a killed one left
    $XDG_CACHE_HOME/labkit/images/KEY~lock          held with flock(2) by the builder and all that it starts

The key names what was asked for and is known before the build; the digest names what came out.
"""

import errno
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.images.contents import remove_tree
from labkit.images.key import folder

# Puts a root filesystem into the given (existing, empty) folder and returns what image.json says of it. It hands the
# descriptor of the lock on to what it starts: the lock is free when the last of these is gone.
Build = Callable[[Path, int], dict[str, Any]]

PARTIAL = "~partial"
LOCK = "~lock"


def get_or_build(key: str, build: Build, *, what: str, shown: bool = True) -> tuple[Path, dict[str, Any]]:
    """The folder and facts of the image with this key, built first when it is not there.

    Two builders of the same image: the second waits and takes what the first made. Whatever ends a build early, its
    partial folder is removed, by the next builder where this process was killed.
    Raises LabkitError for a cache that cannot be used and for a full disk.
    """
    with told_plainly(what):
        place = Path(folder(), key)
        if found := read(place):
            return place, found
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place, what, shown) as lock:
            if found := read(place):
                return place, found
            remove_tree(place)
            partial = place.with_name(key + PARTIAL)
            remove_tree(partial)
            try:
                rootfs = partial / "rootfs"
                rootfs.mkdir(parents=True)
                rootfs.chmod(0o755)
                facts = {"key": key, **build(rootfs, lock)}
                (partial / "image.json").write_text(json.dumps(facts, indent=2) + "\n")
                os.sync()
                partial.rename(place)
            except BaseException:
                remove_tree(partial)
                raise
        return place, facts


def read(place: Path) -> dict[str, Any] | None:
    """The facts of the image in this folder, or None where there is no whole image."""
    try:
        facts = json.loads((place / "image.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except json.JSONDecodeError:
        return None
    return facts if isinstance(facts, dict) and (place / "rootfs").is_dir() else None


def stored() -> list[tuple[Path, dict[str, Any]]]:
    """Every whole image in the cache, oldest first."""
    with told_plainly("the list of images"):
        places = [Path(folder(), key) for key in stored_keys()]
        found = [(place, facts) for place in places if (facts := read(place))]
        return sorted(found, key=lambda pair: str(pair[1].get("created", "")))


def stored_keys() -> list[str]:
    """The keys of all images in the cache, whole or not."""
    try:
        names = os.listdir(folder())
    except FileNotFoundError:
        return []
    return sorted({name.removesuffix(PARTIAL).removesuffix(LOCK) for name in names})


def remove(key: str, what: str) -> None:
    """Remove one image and its lock file; a build in progress is waited for.  LabkitError when it holds a mount."""
    with told_plainly(what):
        place = Path(folder(), key)
        with locked(place, what, shown=True):
            partial = place.with_name(key + PARTIAL)
            remove_tree(partial)
            if place.exists():
                # Renamed first, so that an image half removed is never taken for a whole one.
                place.rename(partial)
                try:
                    remove_tree(partial)
                except LabkitError:
                    partial.rename(place)
                    raise
            place.with_name(key + LOCK).unlink(missing_ok=True)


@contextmanager
def locked(place: Path, what: str, shown: bool) -> Iterator[int]:
    """Hold the lock of one image, whose descriptor it gives; the kernel releases it when its last holder dies."""
    path = place.with_name(place.name + LOCK)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if shown:
                    print(f"{what}: waiting for another process that builds it", file=sys.stderr, flush=True)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # `remove` may have unlinked the file that we waited for; a lock on it would exclude nobody.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                yield descriptor
                return
        finally:
            os.close(descriptor)


@contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Turn the faults of a disk into one line with a hint."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full_disk(what) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise LabkitError(
                f"{what}: the image cache cannot be used: {error.filename or folder()}: {error.strerror}",
                "set XDG_CACHE_HOME to a folder that you can write to",
            ) from error
        raise LabkitError(f"{what}: {error.filename or folder()}: {error.strerror}") from error


def full_disk(what: str) -> LabkitError:
    """The error for a build that ran out of space."""
    return LabkitError(
        f"{what}: no space left on the disk of {folder()}",
        "free some space (labkit image rm --all removes cached images), or set XDG_CACHE_HOME to a larger disk",
    )
