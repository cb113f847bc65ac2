"""Who is who in a container with a user namespace: the maps that a person asks for, and whether they may have them."""

from __future__ import annotations

import os

from labkit.engine import state
from labkit.errors import LabkitError
from labkit.linux.capabilities import NUMBERS
from labkit.linux.proc import read_file
from labkit.linux.subids import find_mapper, subordinate, user_name
from labkit.plan.become import setgroups_denied
from labkit.plan.build import IDMAP_ANNOTATION, OVERLAY_ANNOTATION
from labkit.plan.facts import Facts
from labkit.plan.filesystems import map_text
from labkit.plan.parent import WriteIdMaps
from labkit.plan.step import Step
from labkit.plan.users import RunMappers
from labkit.spec.model import IdMapping, Namespace, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.linux.subids import Range

Maps = tuple[IdMapping, ...]

_BLOCK = 65536
# systemd's UIDS-GIDS.md: from 0x00080000 to 0x6FFFFFFF ids are for containers, in blocks of 65536.
_FIRST_BLOCK, _LAST_BLOCK = 0x0008, 0x6FFF
_USAGE = "write auto, host, or CONTAINER:HOST:SIZE[,…], with /CONTAINER:HOST:SIZE[,…] for other gids"


def configure(spec: Spec, userns: str) -> None:
    """Have `spec` ask for what `userns` says: `auto`, `host` for no user namespace, or maps as of `parse`.

    `auto` is for root a block of 65536 ids that no other container has, and for an ordinary user its own id as root
    and all its subordinate ids. Raises LabkitError for what the user cannot have.
    """
    ordinary = os.geteuid() != 0
    others = tuple(one for one in spec.linux.namespaces if one.kind != "user")
    if userns == "host":
        if ordinary:
            raise LabkitError("an ordinary user's container needs a user namespace", "leave --userns host out")
        spec.linux.namespaces, spec.linux.uid_mappings, spec.linux.gid_mappings = others, (), ()
        return
    if userns != "auto":
        uids, gids = parse(userns)
    elif ordinary:
        uids, gids = (_own_and_subordinate(kind) for kind in ("uid", "gid"))
    else:
        uids = gids = (IdMapping(host_id=_free_block() * _BLOCK, size=_BLOCK),)
    spec.linux.namespaces = (*others, Namespace(kind="user"))
    spec.linux.uid_mappings, spec.linux.gid_mappings = uids, gids
    if not ordinary and OVERLAY_ANNOTATION in spec.annotations:
        spec.annotations[IDMAP_ANNOTATION] = "true"


def parse(text: str) -> tuple[Maps, Maps]:
    """The uid and the gid map of `CONTAINER:HOST:SIZE[,…][/CONTAINER:HOST:SIZE[,…]]`; without `/` both are the same."""
    uids, slash, gids = text.partition("/")
    both = tuple(tuple(_line(words, text) for words in part.split(",")) for part in (uids, gids if slash else uids))
    return both[0], both[1]


def _line(words: str, text: str) -> IdMapping:
    numbers = words.split(":")
    if len(numbers) != 3 or not all(word.isascii() and word.isdecimal() for word in numbers):
        raise LabkitError(f"the id map {text!r} is not understood", _USAGE)
    inside, outside, size = (int(word) for word in numbers)
    if max(inside, outside, size) >= 2**32:
        raise LabkitError(f"the id map {text!r} goes beyond the highest id, {2**32 - 1}", _USAGE)
    return IdMapping(container_id=inside, host_id=outside, size=size)


def map_step(spec: Spec, host: Facts) -> Step:
    """The step that writes the maps of a new user namespace: by this process where it may, or else by newuidmap.

    Raises LabkitError where the user may not have them.
    """
    linux = spec.linux
    gid_map, uid_map = map_text(linux.gid_mappings), map_text(linux.uid_mappings)
    both = (("uid", host.euid, linux.uid_mappings), ("gid", host.egid, linux.gid_mappings))
    alone = all(len(lines) == 1 and lines[0].size == 1 and lines[0].host_id == own for _, own, lines in both)
    privileged = all(host.permitted >> NUMBERS[name] & 1 for name in ("CAP_SETUID", "CAP_SETGID"))
    if alone or privileged:
        return WriteIdMaps(setgroups_denied(host, spec), gid_map, uid_map)
    for kind, own, lines in both:
        _check(kind, own, lines)
    return RunMappers(gid_map, find_mapper("newgidmap"), find_mapper("newuidmap"), uid_map)


def _check(kind: str, own: int, lines: Maps) -> None:
    path = f"/etc/sub{kind}"
    ranges = subordinate(path, os.geteuid())
    for line in lines:
        if (line.host_id, line.size) == (own, 1):
            continue
        end = line.host_id + line.size
        if not any(first <= line.host_id and end <= first + count for first, count in ranges):
            text = f"{line.container_id} {line.host_id} {line.size}"
            allowed = ", ".join([str(own), *(f"{first}-{first + count - 1}" for first, count in ranges)])
            raise LabkitError(f"the {kind} map {text} exceeds what you may map: {allowed} ({path})", _advice(kind))


def _own_and_subordinate(kind: str) -> Maps:
    own = os.geteuid() if kind == "uid" else os.getegid()
    ranges: list[Range] = subordinate(f"/etc/sub{kind}", os.geteuid())
    if not ranges:
        raise LabkitError(f"/etc/sub{kind} gives you no ids: there is your own alone, {own}", _advice(kind))
    lines = [IdMapping(host_id=own, size=1)]
    for first, count in ranges:
        before = lines[-1]
        lines.append(IdMapping(container_id=before.container_id + before.size, host_id=first, size=count))
    return tuple(lines)


def _advice(kind: str) -> str:
    return f"sudo usermod --add-sub{kind}s 100000-165535 {user_name(os.geteuid())}, or another range that is free"


def _free_block() -> int:
    """A block of ids, by chance among those that no running container has."""
    taken = {number for found in state.listed(state.root(), lambda text: None) for number in _blocks(found.pid)}
    while True:
        number = _FIRST_BLOCK + int.from_bytes(os.urandom(4), "big") % (_LAST_BLOCK - _FIRST_BLOCK + 1)
        if number not in taken:
            return number


def _blocks(pid: int) -> list[int]:
    try:
        lines = read_file(f"/proc/{pid}/uid_map").splitlines() if pid else []
    except (FileNotFoundError, ProcessLookupError):
        return []  # It has ended.
    return [int(line.split()[1]) // _BLOCK for line in lines]
