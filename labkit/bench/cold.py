"""Making the next start a cold one."""

from __future__ import annotations

import os

from labkit.errors import LabkitError

_DROP = "/proc/sys/vm/drop_caches"


def possible() -> str:
    """Why cold starts cannot be made here; "" when they can."""
    return "" if os.access(_DROP, os.W_OK) and os.geteuid() == 0 else "dropping the page cache needs root"


def drop_caches() -> None:
    """Write back and drop the page cache, dentries and inodes (proc_sys_vm(5), drop_caches).

    Pages that a running process has mapped stay: of what a runtime needs, the C library, and for labkit the
    interpreter that the harness itself runs on, remain warm.
    """
    os.sync()
    try:
        with open(_DROP, "w", encoding="ascii") as file:
            file.write("3")
    except OSError as error:
        raise LabkitError(f"{_DROP}: {error.strerror}", "cold starts need root") from error
