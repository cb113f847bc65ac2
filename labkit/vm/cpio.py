"""Archives in the format of an initramfs: cpio "newc".

Source: Linux's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat

Entry = tuple[str, int, bytes]  # path without a leading slash, st_mode, content (a link's target)


def folder(path: str, mode: int = 0o755) -> Entry:
    """A folder; the folders above it must come before it."""
    return path, stat.S_IFDIR | mode, b""


def file(path: str, content: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return path, stat.S_IFREG | mode, content


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return path, stat.S_IFLNK | 0o777, target.encode()


def pipe(path: str, mode: int = 0o600) -> Entry:
    """A named pipe."""
    return path, stat.S_IFIFO | mode, b""


def archive(entries: list[Entry]) -> bytes:
    """The entries as one archive, everything owned by root."""
    parts = [_member(number, *entry) for number, entry in enumerate(entries, 1)]
    # A length of its own multiple of 512, so that another archive can follow.
    text = b"".join([*parts, _member(0, "TRAILER!!!", 0, b"")])
    return text + bytes(-len(text) % 512)


def _member(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, mtime, size, device (2), device number of a node (2), size of the name, checksum.
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
