"""Work in a mount namespace of its own: what is mounted there is seen by nobody else, and gone afterwards."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labkit.errors import LabkitError
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What `work` returns, done by a thread in a new mount namespace, which its child processes are born in.

    Raises LabkitError for a user who may make none.
    """
    with ThreadPoolExecutor(1, "apart") as pool:
        # The namespace is the thread's, and ends with it.
        return pool.submit(_leave_and, work).result()


def _leave_and(work: Callable[[], T]) -> T:
    try:
        unshare(CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
    except PermissionError as error:
        raise LabkitError("to mount something outside a container takes root", "run the notebook as root") from error
    return work()
