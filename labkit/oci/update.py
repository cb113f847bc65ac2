"""`labkit-oci update`: change the limits of a container that runs (runc-update(8))."""

from __future__ import annotations

import sys

from labkit.cgroups.update import update
from labkit.engine import state
from labkit.errors import LabkitError, SpecError
from labkit.oci import log
from labkit.oci.options import VALUE, one, parse
from labkit.spec.document import decode
from labkit.spec.load import read_json
from labkit.spec.model import Resources
from labkit.spec.units import parse_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

USAGE = """USAGE:
   labkit-oci update [command options] <container-id>

OPTIONS:
   --resources value, -r value  a file with linux.resources of config.json, or - for standard input;
                                what it leaves out stays as it is, and all other options are ignored
   --blkio-weight value         weight at the disks, 10 to 1000
   --cpu-burst value            what may be saved up of the quota, in microseconds
   --cpu-idle value             1: run only when nobody else would; 0: as usual
   --cpu-period value           the period of the quota, in microseconds
   --cpu-quota value            CPU time in a period, in microseconds; -1 for no limit
   --cpu-rt-period value        the period of the real-time limit, in microseconds
   --cpu-rt-runtime value       real-time CPU time in a period, in microseconds
   --cpu-share value            CPU shares, the weight against other containers
   --cpuset-cpus value          the CPUs to use, such as 0-2,7
   --cpuset-mems value          the memory nodes to use
   --memory value               memory in bytes, or such as 64M; -1 for no limit
   --memory-reservation value   what it is pressed back to when the host is short
   --memory-swap value          memory and swap together; -1 for no limit of swap
   --pids-limit value           the number of processes; -1 for no limit
   --l3-cache-schema value      not supported: Intel RDT
   --mem-bw-schema value        not supported: Intel RDT
"""
_POINTER = "/linux/resources"


def _whole(text: str, flag: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal():
        raise LabkitError(f"invalid value for {flag}: {text!r} is not a whole number", "see labkit-oci update --help")
    return int(text)


def _size(text: str, flag: str) -> int:
    # 0, which is no amount, leaves the limit as it is.
    return int(text) if text in ("-1", "0") else parse_bytes(text, f"invalid value for {flag}:")


def _text(text: str, flag: str) -> str:
    return text


# option -> (section and property of linux.resources, how its value is read)
_FLAGS: dict[str, tuple[str, str, Callable[[str, str], int | str]]] = {
    "blkio-weight": ("blockIO", "weight", _whole),
    "cpu-burst": ("cpu", "burst", _whole),
    "cpu-idle": ("cpu", "idle", _whole),
    "cpu-period": ("cpu", "period", _whole),
    "cpu-quota": ("cpu", "quota", _whole),
    "cpu-rt-period": ("cpu", "realtimePeriod", _whole),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", _whole),
    "cpu-share": ("cpu", "shares", _whole),
    "cpuset-cpus": ("cpu", "cpus", _text),
    "cpuset-mems": ("cpu", "mems", _text),
    "kernel-memory": ("memory", "kernel", _size),
    "kernel-memory-tcp": ("memory", "kernelTCP", _size),
    "memory": ("memory", "limit", _size),
    "memory-reservation": ("memory", "reservation", _size),
    "memory-swap": ("memory", "swap", _size),
    "pids-limit": ("pids", "limit", _whole),
}
_OF_INTEL_RDT = {
    "l3-cache-schema": "Intel RDT/CAT: l3 cache schema",
    "mem-bw-schema": "Intel RDT/MBA: memory bandwidth schema",
}


def main(words: list[str], options: dict[str, Any]) -> int:
    """Change the limits: all that are given, or on an error none."""
    table = dict.fromkeys(("resources", *_FLAGS, *_OF_INTEL_RDT), VALUE)
    given, others = parse(words, table, {"r": "resources"}, anywhere=True)
    id = one(others)
    for flag, what in _OF_INTEL_RDT.items():
        if given[flag]:
            raise LabkitError(f"{what} is not enabled", "labkit leaves the processor's caches to the host (resctrl)")
    source = given["resources"]
    document = _document(given) if not source else _of_stdin() if source == "-" else read_json(source)
    try:
        resources = Resources.load(document, _POINTER)
        with state.Lock(id, options["root"]) as found:
            if found.status() in ("creating", "stopped"):
                raise LabkitError("container not running", "labkit-oci state shows its status")
            _apply(found.cgroups, resources)
    except SpecError as error:
        raise _in_words_of_caller(error, source) from None
    return 0


def _apply(cgroups: list[str], resources: Resources) -> None:
    if resources.memory.kernel or resources.memory.kernel_tcp:
        log.warning("Kernel memory settings are ignored and will be removed")
        resources.memory.kernel = resources.memory.kernel_tcp = None
    for note in update(cgroups, resources):
        log.warning(note)


def _document(given: dict[str, str]) -> dict[str, dict[str, int | str]]:
    """The options that are given, as they stand in config.json."""
    sections: dict[str, dict[str, int | str]] = {}
    for flag, (section, name, read) in _FLAGS.items():
        if given[flag]:
            sections.setdefault(section, {})[name] = read(given[flag], flag)
    return sections


def _of_stdin() -> Any:
    try:
        return decode(sys.stdin.buffer.read().decode())
    except (ValueError, RecursionError) as error:
        raise LabkitError(f"standard input: {error}", "it must be linux.resources of config.json") from error


def _in_words_of_caller(error: SpecError, source: str) -> LabkitError:
    """The error, which points into a config.json that nobody has here, with the option or the file it came from."""
    rule = error.message.partition(": ")[2]
    pointer = error.pointer.removeprefix(_POINTER)
    if source:
        return LabkitError(f"{'standard input' if source == '-' else source}#{pointer}: {rule}", error.hint)
    flag = next((flag for flag, (section, name, _) in _FLAGS.items() if pointer == f"/{section}/{name}"), pointer)
    return LabkitError(f"invalid value for {flag}: {rule}", error.hint)
