"""`os` as far as the engine needs it: the C module below it, with every system call, and a few functions besides.

`os` itself makes thirty abstract classes when it is imported, which takes 1.2 ms: a seventeenth of a whole run of
labkit-oci, and more than the kernel needs for all namespaces. Who wants more of it than is here gets it from there.
"""

from __future__ import annotations

import sys

# Under their own names, whichever are used.
from posix import *  # noqa: F403
from posix import _exit as _exit
from posix import environ as _environ

from labkit.linux import path as path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# In bytes, and as it was when the process began: see getenv.
del environ  # noqa: F821


def fsencode(name: str) -> bytes:
    """A name as the kernel has it."""
    return name.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def fsdecode(name: bytes) -> str:
    """A name of the kernel's as text."""
    return name.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def getenv(name: str, default: str = "") -> str:
    """A variable of the environment: as others have made it who have loaded `os`; else nobody has changed it."""
    if "os" in sys.modules:
        return str(sys.modules["os"].getenv(name, default))
    return fsdecode(_environ.get(fsencode(name), fsencode(default)))


def makedirs(folder: str, mode: int, exist_ok: bool) -> None:
    """Make the folder, and those above it."""
    if exist_ok and path.isdir(folder):
        return
    import os

    os.makedirs(folder, mode, exist_ok)


def __getattr__(name: str) -> Any:
    # Part of the interpreter, so that no file is read for it: the process may have the image for its root.
    import os

    return getattr(os, name)
