"""Where state is kept that must not outlast a boot: below /run for root, else below the user's own runtime folder.

Source: Filesystem Hierarchy Standard 3.0, /run; XDG Base Directory Specification, XDG_RUNTIME_DIR.
"""

from __future__ import annotations

import errno

from labkit.errors import LabkitError
from labkit.linux import os

_HINT = "set XDG_RUNTIME_DIR to a folder of your own"


def rundir(name: str) -> str:
    """The folder `labkit/NAME` there, made if it is missing.

    Raises LabkitError when it cannot be made, or when a folder on the way is another user's.
    """
    if os.geteuid() == 0:
        own = top = "/run/labkit"
    else:
        own = os.getenv("XDG_RUNTIME_DIR") or f"/tmp/labkit-{os.geteuid()}"
        top = f"{own}/labkit"
    folder = f"{top}/{name}"
    try:
        os.makedirs(folder, 0o711, exist_ok=True)
    except OSError as error:
        advice = "the disk is full: make room" if error.errno == errno.ENOSPC else _HINT
        raise LabkitError(f"{error.filename}: {error.strerror}", advice) from error
    # Each level by itself: who owns one of them can exchange what is below.
    if any(os.lstat(level).st_uid != os.geteuid() for level in (folder, top, own)):
        raise LabkitError(f"{folder} belongs to another user", _HINT)
    return folder
