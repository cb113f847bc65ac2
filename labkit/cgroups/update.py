"""Change the limits of a running container: all of them, or on an error none."""

from __future__ import annotations

import errno
import os

from labkit.cgroups import v2
from labkit.cgroups.choose import choose, notes
from labkit.cgroups.folders import controllers, having, is_v2
from labkit.cgroups.limit import Limit
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import not_handed_down, refusal
from labkit.linux.proc import read_file, write_file
from labkit.spec.limits import validate_resources
from labkit.spec.model import Cpu, Memory, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Write = tuple[str, str]  # (path, value)

# v1 has no word for no limit: it reads as the largest number of whole pages.
_NO_LIMIT = 2**62
_SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")


def update(folders: Sequence[str], resources: Resources) -> list[str]:
    """Write what `resources` sets to the cgroups `folders`; what it does not set stays, and so do device rules.

    Returns notes on what was left out. Raises SpecError or LabkitError, and then the limits are what they were.
    """
    resources = _complete(folders, resources)
    validate_resources(resources)
    places = {folder: controllers(folder) for folder in folders}
    second = next((names for folder, names in places.items() if is_v2(folder)), None)
    first = {name for folder, names in places.items() if not is_v2(folder) for name in names}
    _require_handed_down(places, resources)
    old, new = choose(resources, first, second)
    said = notes(resources, second)
    limits: list[tuple[str, Limit]] = []
    for folder, names in places.items():
        for limit in new if is_v2(folder) else old:
            if limit.controller == "devices" or limit.controller not in (names | {"cgroup"}):
                continue
            chosen = _existing(folder, limit)
            if chosen.file in _SWAP and not os.path.exists(f"{folder}/{chosen.file}"):
                said.append("swap is not counted: the kernel runs without swap accounting")
            else:
                limits.append((f"{folder}/{chosen.file}", chosen))
    if resources.memory.check_before_update:
        _check_use(folders, resources.memory)
    _write_all(limits)
    return said


def _require_handed_down(places: dict[str, set[str]], resources: Resources) -> None:
    """Raise LabkitError for a limit whose controller the host has, but did not hand down to the container."""
    for folder, names in places.items():
        for limit in v2.writes(resources) if is_v2(folder) else ():
            found = None if limit.controller in names else not_handed_down(folder, limit.controller)
            if found:
                raise LabkitError(f"{folder}/{limit.file} cannot be set to {limit.value}: {found[0]}", found[1])


def _complete(folders: Sequence[str], resources: Resources) -> Resources:
    """A copy that has, of values that the kernel or the specification takes in pairs, the other one as it is now."""
    resources = Resources.load(resources.dump(), "/linux/resources")
    _complete_memory(folders, resources.memory)
    _complete_cpu(folders, resources.cpu)
    return resources


def _complete_memory(folders: Sequence[str], memory: Memory) -> None:
    """The limit, for a change of swap alone, which counts both together."""
    if (memory.swap or 0) <= 0 or memory.limit:
        return
    for file in ("memory.max", "memory.limit_in_bytes"):
        folder = having(folders, file)
        text = read_file(f"{folder}/{file}").strip() if folder else "max"
        if text != "max" and int(text) < _NO_LIMIT:
            memory.limit = int(text)


def _complete_cpu(folders: Sequence[str], cpu: Cpu) -> None:
    """Quota and period, which are one value of v2."""
    folder = having(folders, "cpu.max")
    if folder is None or bool(cpu.quota) == bool(cpu.period):
        return
    quota, period = read_file(f"{folder}/cpu.max").split()
    cpu.quota = cpu.quota or (-1 if quota == "max" else int(quota))
    cpu.period = cpu.period or int(period)


def _existing(folder: str, limit: Limit) -> Limit:
    """The limit, or the one for a kernel that lacks its file."""
    if limit.otherwise is not None and not os.path.exists(f"{folder}/{limit.file}"):
        return limit.otherwise
    return limit


def _check_use(folders: Sequence[str], memory: Memory) -> None:
    """Raise LabkitError for a memory limit below what is in use now (checkBeforeUpdate)."""
    for file in ("memory.current", "memory.usage_in_bytes"):
        folder = having(folders, file)
        if folder is None:
            continue
        use = int(read_file(f"{folder}/{file}"))
        for name, limit in (("limit", memory.limit or 0), ("swap", memory.swap or 0)):
            if 0 < limit < use:
                raise LabkitError(
                    f"memory.{name} cannot be set to {limit}: {folder}/{file} is {use}",
                    "choose a higher limit, or leave out checkBeforeUpdate",
                )


def _write_all(limits: list[tuple[str, Limit]]) -> None:
    done: list[Write] = []
    before = {}
    try:
        for path, limit in limits:
            before[path, limit.value] = _now(path, limit)
        _write_in_any_order([(path, limit.value) for path, limit in limits], done)
    except OSError as error:
        undo = [(path, before[path, value]) for path, value in reversed(done) if before[path, value]]
        try:
            _write_in_any_order(undo, [])
        except OSError:
            pass  # What is left to say is the first error.
        path, value = next(((path, limit.value) for path, limit in limits if path == error.filename), ("", ""))
        raise LabkitError(*refusal(error, path or str(error.filename), value)) from error


def _write_in_any_order(writes: list[Write], done: list[Write]) -> None:
    """Write all; `done` grows by what was written.

    Some files bound each other: memory may not exceed memory and swap together, a burst not its quota, a quota in its
    period not the parent's. Which must go first depends on whether limits rise or fall, so one that the kernel refuses
    is tried again after the others.
    """
    while writes:
        refused: list[Write] = []
        errors: list[OSError] = []
        for path, value in writes:
            try:
                write_file(path, value)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                errors.append(error)
                refused.append((path, value))
            else:
                done.append((path, value))
        if len(refused) == len(writes):
            raise errors[0]
        writes = refused


def _now(path: str, limit: Limit) -> str:
    """What to write to have the limit as it is now; "" where the file does not tell."""
    try:
        lines = read_file(path).splitlines()
    except PermissionError:
        return ""  # Some files of `unified` can only be written.
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise OSError(error.errno, error.strerror, path) from error
        return ""
    if limit.file == "memory.oom_control":
        return lines[0].rpartition(" ")[2]
    if limit.unset:
        key = limit.value.partition(" ")[0]
        return next((line for line in lines if line.partition(" ")[0] == key), limit.unset)
    return lines[0] if len(lines) == 1 or limit.file in ("io.weight", "io.bfq.weight") else ""
