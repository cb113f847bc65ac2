"""Running programs that refuse a hybrid host from a mount namespace in which the cgroup v2 tree is not mounted.

The namespace belongs to one thread of the driver: a child is born in the namespaces of the thread that makes it, so
that nothing is added to what is measured.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from labkit.cgroups.detect import detect
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount, umount2
from labkit.linux.namespaces import CLONE_NEWNS, unshare


def thread(name: str) -> ThreadPoolExecutor:
    """A thread that is in such a namespace; what is submitted to it runs there. Asks for root."""
    return ThreadPoolExecutor(1, name, initializer=_hide)


def _hide() -> None:
    """Give the calling thread a mount namespace of its own, without the v2 tree."""
    unified = detect().v2()
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    if unified is not None:
        umount2(unified.mount)
