"""Where drivers keep state: below /run for root, else below the user's own runtime folder, never in a shared one."""

from __future__ import annotations

import os

from labkit.errors import LabkitError


def state(name: str) -> str:
    """The folder `name` for state that must not outlast a boot, made if it is missing.

    Raises LabkitError when it cannot be made, or is another user's.
    """
    base = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/labkit-{os.getuid()}"
    folder = f"{base}/labkit/{name}"
    try:
        os.makedirs(folder, 0o711, exist_ok=True)
    except OSError as error:
        raise LabkitError(
            f"{error.filename}: {error.strerror}", "set XDG_RUNTIME_DIR to a folder of your own"
        ) from error
    if os.stat(folder).st_uid != os.geteuid():
        raise LabkitError(f"{folder} belongs to another user", "set XDG_RUNTIME_DIR to a folder of your own")
    return folder
