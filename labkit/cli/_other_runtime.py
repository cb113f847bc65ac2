"""`labkit run --runtime NAME`: the same request, given to another runtime as an OCI bundle.

The bundle and the record of who runs it are in one folder below the user's runtime folder, so that `labkit gc` finds
what a killed `labkit run` has left:

    …/labkit/others/ID/config.json     the bundle
    …/labkit/others/ID/owner           the runtime's name, and the pid and start time of the labkit that asked for it
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from labkit.cli._bridged import bridged, release, understood
from labkit.cli._request import Request
from labkit.engine.state import check_id, new_id
from labkit.errors import LabkitError, UsageError
from labkit.linux.mount import MS_PRIVATE, MS_REC, fsmount, mount, mount_at
from labkit.linux.namespaces import CLONE_NEWNS, setns, unshare
from labkit.linux.proc import alive, read_file, start_time
from labkit.linux.rundir import rundir
from labkit.plan.build import NETWORK_ANNOTATION, OVERLAY_ANNOTATION
from labkit.runtimes import cgroup, driver
from labkit.runtimes.bundle import OCI_VERSION, write
from labkit.runtimes.host import locate
from labkit.spec.model import Spec

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Interrupted(Exception):
    """A signal that ends the sandbox."""


def run(request: Request) -> int:
    """Run the request in the foreground; returns the command's exit status, 128 + n after a signal n."""
    for option in ("without", "trace"):
        if request.lists.get(option) or option in request.flags:
            raise UsageError(f"--{option} is about the steps of labkit's own engine", "leave out --runtime")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return _run(request)
    except _Interrupted as interrupted:
        return 128 + int(interrupted.args[0])


def _run(request: Request) -> int:
    runtime = driver(request.runtime)
    spec = request.spec()
    if NETWORK_ANNOTATION in spec.annotations and not understood(runtime):
        hint = "leave out --runtime; a bridge can be had with --runtime microvm too"
        raise UsageError(f"--network {request.values['network']} is of labkit's own engine", hint)
    spec.oci_version = OCI_VERSION
    if not os.path.isdir(spec.root.path):
        hint = "give an existing folder with --rootfs, or an image with --image"
        raise LabkitError(f"root filesystem {spec.root.path}: no such folder", hint)
    # Each runtime has its own words, and its own exit status, for a command that is not there.
    locate(spec.root.path, spec.process.args[0], spec.process.env)
    id = check_id(request.values.get("id") or new_id())
    place = f"{rundir('others')}/{id}"
    try:
        os.mkdir(place, 0o755)
    except FileExistsError:
        raise LabkitError(f"a container with the id {id!r} exists", "choose another --id, or: labkit gc") from None
    try:
        with open(f"{place}/owner", "w", encoding="ascii") as file:
            file.write(f"{runtime.name} {os.getpid()} {start_time(read_file('/proc/self/stat'))}")
        with bridged(spec, runtime, id, place), _writable_root(spec, place):
            sandbox = runtime.start(write(place, spec), id, (0, 1, 2))
            try:
                return sandbox.wait(None)
            finally:
                sandbox.delete()
    finally:
        shutil.rmtree(place)


def collect_garbage() -> list[str]:
    """Remove what other runtimes' containers have left whose `labkit run` is dead; returns their ids."""
    removed = []
    for id in sorted(os.listdir(rundir("others"))):
        place = f"{rundir('others')}/{id}"
        # Without a record nothing was started: it was killed between making the folder and writing it.
        record = read_file(f"{place}/owner").split() if os.path.exists(f"{place}/owner") else []
        if len(record) == 3:
            name, pid, start = record
            if alive(int(pid), int(start)):
                continue
            driver(name).remove(id)
            release(name, id)
        cgroup.remove(id)
        shutil.rmtree(place)
        removed.append(id)
    return removed


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what follows is the removal of the sandbox, which a second Ctrl-C must not cut short.
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise _Interrupted(number)


@contextlib.contextmanager
def _writable_root(spec: Spec, place: str) -> Iterator[None]:
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
        scratch = f"{place}/overlay"
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
