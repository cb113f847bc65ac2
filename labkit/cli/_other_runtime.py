"""`labkit run --runtime NAME`: the same request, given to another runtime as an OCI bundle."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from types import FrameType

from labkit.cli._request import Request
from labkit.engine.state import new_id
from labkit.errors import LabkitError
from labkit.linux.mount import MS_PRIVATE, MS_REC, fsmount, mount, mount_at
from labkit.linux.namespaces import CLONE_NEWNS, setns, unshare
from labkit.plan.build import OVERLAY_ANNOTATION
from labkit.runtimes import driver
from labkit.runtimes.bundle import OCI_VERSION, write
from labkit.spec.model import Spec

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Interrupted(Exception):
    """A signal that ends the sandbox."""


def run(request: Request) -> int:
    """Run the request in the foreground; returns the command's exit status, 128 + n after a signal n."""
    if request.lists["without"]:
        raise LabkitError("--without leaves out a step of labkit's own engine", "leave out --runtime", 2)
    runtime = driver(request.runtime)
    spec = request.spec()
    spec.oci_version = OCI_VERSION
    id = request.values.get("id") or new_id()
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    folder = tempfile.mkdtemp(prefix="labkit-run-")
    try:
        os.chmod(folder, 0o755)
        with _writable_root(spec, folder):
            sandbox = runtime.start(write(folder, spec), id, (0, 1, 2))
            try:
                return sandbox.wait(None)
            finally:
                sandbox.delete()
    except _Interrupted as interrupted:
        return 128 + int(interrupted.args[0])
    finally:
        shutil.rmtree(folder)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what follows is the removal of the sandbox, which a second Ctrl-C must not cut short.
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise _Interrupted(number)


@contextlib.contextmanager
def _writable_root(spec: Spec, folder: str) -> Iterator[None]:
    """Lay a tmpfs over the image, as labkit's own engine does, so that no runtime ever writes to it.

    It is mounted in a mount namespace of this process alone, with which it ends. An ordinary user has none: there the
    root is read-only.
    """
    if spec.annotations.pop(OVERLAY_ANNOTATION, "") != "tmpfs":
        yield
        return
    if os.geteuid() != 0:
        spec.root.readonly = True
        print("labkit: note: the root filesystem is read-only for this runtime", file=sys.stderr)
        yield
        return
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    where = os.getcwd()
    unshare(CLONE_NEWNS)
    try:
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        scratch = f"{folder}/overlay"
        os.mkdir(scratch)
        _attach(scratch, fsmount("tmpfs", ("mode=755",)))
        for name in ("upper", "work", "root"):
            os.mkdir(f"{scratch}/{name}", 0o755)
        lower = f"lowerdir={spec.root.path}"
        made = fsmount("overlay", (lower, f"upperdir={scratch}/upper", f"workdir={scratch}/work"))
        _attach(f"{scratch}/root", made)
        spec.root.path = f"{scratch}/root"
        yield
    finally:
        # Back to where the mounts are not, so that the folder below them can be removed.
        setns(home, CLONE_NEWNS)
        os.close(home)
        os.chdir(where)


def _attach(place: str, made: int) -> None:
    mount_at(place, made)
    os.close(made)
