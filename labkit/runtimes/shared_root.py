"""A mount namespace in which `/` is a shared mount, for those who need one where the host's is private."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from labkit.linux.mount import MS_REC, MS_SHARED, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare
from labkit.linux.proc import read_file


def is_shared(mountinfo: str) -> bool:
    """Whether the mount at `/`, the last of several, propagates (mount_namespaces(7)), from the text of mountinfo."""
    fields = [line.split() for line in mountinfo.splitlines()]
    roots = [words for words in fields if words[4] == "/"]
    return bool(roots) and any(word.startswith("shared:") for word in roots[-1][6 : roots[-1].index("-")])


def thread(name: str) -> ThreadPoolExecutor | None:
    """A thread in such a namespace of its own, whose children are in it too; None where the host's `/` is shared."""
    if is_shared(read_file("/proc/self/mountinfo")):
        return None
    return ThreadPoolExecutor(1, name, initializer=_enter)


def _enter() -> None:
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_SHARED)
