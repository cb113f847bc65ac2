"""The ids that an ordinary user may give to others in a user namespace: subuid(5), subgid(5), newuidmap(1)."""

from __future__ import annotations

import os

from labkit.errors import MissingError
from labkit.linux.proc import read_file

# (first id, how many)
Range = tuple[int, int]


def find_mapper(name: str) -> str:
    """The path of newuidmap or newgidmap; raises MissingError where it is not installed."""
    for folder in ("/usr/bin", "/bin", "/usr/local/bin"):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    raise MissingError(f"{name} is not installed, which maps more than one's own id", "sudo apt-get install uidmap")


def user_name(uid: int) -> str:
    """The user's name in /etc/passwd; its number where it has none."""
    for line in _lines("/etc/passwd"):
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(uid):
            return fields[0]
    return str(uid)


def subordinate(path: str, uid: int) -> list[Range]:
    """The ranges of ids that /etc/subuid, or /etc/subgid, gives to the user, by name or by number."""
    found = []
    for line in _lines(path):
        owner, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if owner in (str(uid), user_name(uid)) and first.isdecimal() and count.isdecimal():
            found.append((int(first), int(count)))
    return found


def _lines(path: str) -> list[str]:
    try:
        return read_file(path).splitlines()
    except FileNotFoundError:
        return []
