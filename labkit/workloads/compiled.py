"""Small static programs of our own, compiled the first time that they are wanted and kept beside the images.

They are in C, so that they can be read, and linked statically, so that they run in any image: they need neither an
interpreter nor a library there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.errors import LabkitError, MissingError
from labkit.images.key import folder

_INSTALL = "sudo apt-get install gcc libc6-dev"


def kept(name: str, sources: Sequence[Path], about: object, make: Callable[[Path], Path]) -> Path:
    """The path of the program `name`, by the content of its sources and what else makes it (`about`).

    Where it is missing, `make` is given an empty folder, and returns the program that it made there. Raises LabkitError
    when the cache cannot be used.
    """
    digest = hashlib.sha256(repr(about).encode())
    for source in sources:
        digest.update(source.read_bytes())
    place = Path(folder()).with_name(name) / f"{os.uname().machine}-{digest.hexdigest()[:16]}"
    if not place.exists():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".build-", dir=place.parent) as scratch:
                made = make(Path(scratch))
                made.chmod(0o755)
                # Whole under its name, or not there: others may compile it at the same time.
                made.rename(place)
        except OSError as error:
            hint = "set XDG_CACHE_HOME to a folder that you can write to"
            raise LabkitError(f"{name} cannot be kept: {error.filename}: {error.strerror}", hint) from error
    return place


def gcc(name: str, *arguments: str) -> str:
    """The stdout of gcc(1) for the program `name`. Raises MissingError without a compiler, or where it fails."""
    try:
        done = subprocess.run(["gcc", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MissingError(f"{name} is compiled on this host, which has no gcc", _INSTALL) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line]
        raise MissingError(f"{name} cannot be compiled: {(lines or ['gcc failed'])[0]}", _INSTALL)
    return done.stdout
