"""The id maps of a user namespace that exists already: user_namespaces(7), /proc/PID/uid_map."""

from __future__ import annotations

import os
import sys

from labkit.linux.proc import read_file

# (first id inside, first id outside, how many)
Line = tuple[int, int, int]

# In a process of its own: only one in the namespace can read its maps, and one that has joined cannot come back.
_READER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.setns(os.open(sys.argv[1], os.O_RDONLY), 0x10000000):
    sys.exit(ctypes.get_errno())
for name in ("uid_map", "gid_map"):
    print(open(f"/proc/self/{name}").read(), end="\\0")
"""


def read_maps(path: str) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The uid and the gid map of the user namespace that the file `path` stands for."""
    parts = path.split("/")
    if len(parts) == 5 and parts[1] == "proc" and parts[2].isdigit() and parts[3:] == ["ns", "user"]:
        texts = [read_file(f"/proc/{parts[2]}/{name}") for name in ("uid_map", "gid_map")]
    else:
        texts = _read_inside(path)
    return _lines(texts[0]), _lines(texts[1])


def _read_inside(path: str) -> list[str]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        command = [sys.executable, "-I", "-S", "-c", _READER, path]
        pid = os.posix_spawn(sys.executable, command, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
        os.close(writing)
        writing = -1
        parts = []
        while part := os.read(reading, 65536):
            parts.append(part)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if status:
        raise OSError(status, os.strerror(status), path)
    return b"".join(parts).decode().split("\0")


def _lines(text: str) -> tuple[Line, ...]:
    lines = []
    for line in text.splitlines():
        inside, outside, size = (int(word) for word in line.split())
        lines.append((inside, outside, size))
    return tuple(lines)
