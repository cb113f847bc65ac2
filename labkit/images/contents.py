"""What a root filesystem holds, as one digest, and taking a tree away without ever leaving it."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

from labkit.errors import LabkitError


def digest(root: Path) -> str:
    """`sha256:` over the sorted listing of a tree: path, mode, owner, size, and hash or link target of each entry.

    Times are left out, since they differ between two builds of the same thing.
    """
    total = hashlib.sha256()
    for line in sorted(_listing(root)):
        total.update(line + b"\n")
    return f"sha256:{total.hexdigest()}"


def size(root: Path) -> int:
    """The space that a tree takes on the disk, in bytes, each hard-linked file once; as du(1) tells it."""
    entries = [entry.stat(follow_symlinks=False) for folder, _, _ in os.walk(root) for entry in os.scandir(folder)]
    return sum({(status.st_dev, status.st_ino): status.st_blocks * 512 for status in entries}.values())


def _listing(root: Path) -> list[bytes]:
    lines = []
    seen: dict[tuple[int, int], str] = {}
    for folder, _, _ in os.walk(root):
        for entry in os.scandir(folder):
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(entry.path)
            elif stat.S_ISREG(status.st_mode):
                inode = (status.st_dev, status.st_ino)
                # A hard link is read once: busybox is 2 MB under 260 names.
                what = seen.get(inode) or seen.setdefault(inode, _file_digest(entry.path))
            else:
                what = str(status.st_rdev)
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            name = os.path.relpath(entry.path, root)
            line = f"{name!r} {status.st_mode:o} {status.st_uid}:{status.st_gid} {size} {what!r}"
            lines.append(line.encode("utf-8", "surrogateescape"))
    return lines


def _file_digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it, if it is there, following neither symlinks nor mounts.

    `shutil.rmtree` walks by directory descriptors and never through a symlink, but would walk into a mount and empty
    what is mounted; so that a tree with a mount in it is refused with LabkitError before anything is touched.
    """
    if not os.path.lexists(path):
        return
    inside = mounts_below(path)
    if inside:
        raise LabkitError(f"not removing {path}: {inside[0]} is mounted in it", f"umount {inside[0]}")
    if path.is_symlink():
        raise LabkitError(f"not removing {path}: it is a symbolic link", f"rm {path}")
    make_accessible(path)
    shutil.rmtree(path)


def make_accessible(root: Path) -> None:
    """Let an ordinary user, who owns a tree, read its files and read and change its folders; root can in any case.

    An image may close them, as it does /etc/shadow, to all but root.
    """
    if os.geteuid() == 0:
        return
    _chmod(root, 0o700)
    # From the top, so that each folder is opened up before it is entered; never through a symbolic link.
    for folder, _, _ in os.walk(root):
        for entry in os.scandir(folder):
            if not entry.is_symlink():
                _chmod(entry.path, 0o700 if entry.is_dir() else 0o400)


def _chmod(path: str | Path, needed: int) -> None:
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    if mode & needed != needed:
        os.chmod(path, mode | needed)


def mounts_below(path: Path, table: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """The mount points at or below a folder, deepest first.  Source: proc(5), field 5 of mountinfo."""
    real = os.path.realpath(path)
    # Names may hold any byte but newline; the kernel writes space, tab, newline and backslash as octal.
    lines = table.read_text(errors="surrogateescape").splitlines()
    points = [_unescape(line.split(" ")[4]) for line in lines]
    found = [point for point in points if point == real or point.startswith(real + "/")]
    return sorted(found, key=len, reverse=True)


def _unescape(name: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(octal, character)
    return name
