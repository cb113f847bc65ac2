"""Mount propagation tried out: what is mounted on one side of a bind mount, and seen on the other."""

import os
import tempfile

import pandas as pd

from labkit import Container
from labkit.linux.mount import MS_SHARED, fsmount, mount, mount_at
from labkit.linux.namespaces import CLONE_NEWNS, setns
from labkit.nb.apart import apart
from labkit.nb.observe import parse_mounts
from labkit.spec.model import Mount

KINDS = ("rprivate", "rslave", "rshared")
_INSIDE = "/data"


def try_out(rootfs: str | os.PathLike[str]) -> pd.DataFrame:
    """A row for each kind of propagation: whether a mount made outside is seen inside, and one made inside outside.

    A container of `rootfs` gets a folder of the host by a bind mount of each kind; see mount_namespaces(7).
    """
    with tempfile.TemporaryDirectory(prefix="labkit-propagation-") as folder:
        rows = apart(lambda: [_one(rootfs, folder, kind) for kind in KINDS])
    return pd.DataFrame(rows, columns=["option", "mounted outside, seen inside", "mounted inside, seen outside"])


def _one(rootfs: str | os.PathLike[str], folder: str, kind: str) -> tuple[str, str, str]:
    shared = f"{folder}/{kind}"
    os.mkdir(shared)
    _mount(shared)
    mount(None, shared, None, MS_SHARED)
    for name in ("outside", "inside"):
        os.mkdir(f"{shared}/{name}")
    spec = Container(rootfs, ["cat"]).spec
    spec.mounts += (Mount(destination=_INSIDE, kind="bind", source=shared, options=("rbind", kind)),)
    if kind == "rshared":
        # Else all mounts of the host become slaves first, and this one with them; Docker asks for the same.
        spec.linux.rootfs_propagation = "shared"
    with Container.from_spec(spec).stepwise() as making:
        making.until("Execute")
        _mount(f"{shared}/outside")
        _mount_in(making.pid, f"{_INSIDE}/inside")
        outer, inner = _places("thread-self"), _places(str(making.pid))
    return kind, _yes(f"{_INSIDE}/outside" in inner), _yes(f"{shared}/inside" in outer)


def _mount(place: str) -> None:
    made = fsmount("tmpfs", ())
    try:
        mount_at(place, made)
    finally:
        os.close(made)


def _mount_in(pid: int, place: str) -> None:
    """Mount a tmpfs in the mount namespace of a process, which this thread enters meanwhile."""
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(theirs, CLONE_NEWNS)
        try:
            _mount(place)
        finally:
            setns(home, CLONE_NEWNS)
    finally:
        os.close(theirs)
        os.close(home)


def _places(process: str) -> set[str]:
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="replace") as file:
        return {found.place for found in parse_mounts(file.read()).values()}


def _yes(seen: bool) -> str:
    return "yes" if seen else "no"


def in_words(frame: pd.DataFrame) -> str:
    """Which kinds let a mount through, and in which direction."""
    inward, outward = (
        [str(row["option"]) for row in frame.to_dict("records") if row[column] == "yes"] for column in frame.columns[1:]
    )
    return (
        f"A mount made outside arrives inside with {' and '.join(inward) or 'none'}; "
        f"one made inside gets out with {' and '.join(outward) or 'none'}."
    )
