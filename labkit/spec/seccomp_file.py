"""A system-call filter from somebody's own JSON file.

Two forms are read: that of config.json, linux.seccomp (OCI runtime-spec, config-linux.md), and Docker's (moby,
profiles/seccomp; podman's as well), whose rules can depend on the architecture, the capabilities and the kernel.
"""

from __future__ import annotations

import errno

from labkit.errors import LabkitError, SpecError
from labkit.linux.libseccomp import known_syscalls, unknown_syscalls
from labkit.spec.load import read_json
from labkit.spec.near import did_you_mean
from labkit.spec.seccomp import Seccomp
from labkit.spec.section import Section, array, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# GOARCH, by which Docker names architectures, of uname(2)'s machine; and libseccomp's names.
_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


def load_file(path: str, capabilities: tuple[str, ...], machine: str, release: str) -> Seccomp:
    """The checked profile in the file `path`, for a container with the bounding set `capabilities`.

    `machine` and `release` are as of uname(2). Raises LabkitError with the file, the JSON pointer and, where a name is
    not known, those that are like it.
    """
    return load_document(read_json(path), path, capabilities, machine, release)


def load_document(document: Any, path: str, capabilities: tuple[str, ...], machine: str, release: str) -> Seccomp:
    """As `load_file`, of the decoded JSON; `path` is what errors name it by."""
    try:
        profile = Seccomp.load(_plain(document, capabilities, machine, release), "")
        profile.check("")
        _check_names(profile)
        profile.rules = tuple(rule for rule in profile.rules if rule.names)
    except SpecError as error:
        raise LabkitError(error.message.replace("config.json#", f"{path}#", 1), error.hint) from error
    return profile


def _check_names(profile: Seccomp) -> None:
    """Refuse calls that no kernel has: a filter with a slip of the pen would allow or deny something else."""
    unknown = set(unknown_syscalls([name for rule in profile.rules for name in rule.names]))
    for index, rule in enumerate(profile.rules if unknown else ()):
        for place, name in enumerate(rule.names):
            if name in unknown:
                hint = did_you_mean(name, known_syscalls(), "syscalls(2) lists them")
                raise SpecError(f"/syscalls/{index}/names/{place}", f"no system call is called {name!r}", hint)


class _Condition(Section):
    """Docker's includes and excludes: when a rule is there, or not."""

    __slots__ = ("architectures", "capabilities", "kernel")
    architectures: tuple[str, ...]
    capabilities: tuple[str, ...]
    kernel: str
    PROPERTIES = {
        "architectures": ("arches", array(text), ()),
        "capabilities": ("caps", array(text), ()),
        "kernel": ("minKernel", text, ""),
    }


class _Architecture(Section):
    """One of Docker's archMap."""

    __slots__ = ("name", "others")
    name: str
    others: tuple[str, ...]
    REQUIRED = ("architecture",)
    PROPERTIES = {"name": ("architecture", text, ""), "others": ("subArchitectures", array(text), ())}


def _plain(document: Any, capabilities: tuple[str, ...], machine: str, release: str) -> Any:
    """The document in the form of config.json; what is malformed in it is left for Seccomp to refuse."""
    if not isinstance(document, dict):
        return document
    plain = dict(document)
    if isinstance(plain.get("linux"), dict) and "defaultAction" not in plain:
        raise SpecError("/defaultAction", "is required and missing", "give the object that is /linux/seccomp in it")
    if document.get("archMap"):
        maps = array(_Architecture.load)(document["archMap"], "/archMap")
        plain["architectures"] = [
            name for one in maps if one.name == _ARCHITECTURES.get(machine) for name in (one.name, *one.others)
        ]
    _number(plain, "defaultErrno", "defaultErrnoRet", "")
    rules = document.get("syscalls")
    if isinstance(rules, list):
        # One that does not apply stays, without a call, so that the places of the others are those in the file.
        plain["syscalls"] = [
            _rule(rule, f"/syscalls/{index}", capabilities, machine, release) for index, rule in enumerate(rules)
        ]
    return plain


def _rule(rule: Any, pointer: str, capabilities: tuple[str, ...], machine: str, release: str) -> Any:
    if not isinstance(rule, dict):
        return rule
    plain = dict(rule)
    if "name" in plain and "names" not in plain:
        plain["names"] = [plain["name"]]
    if plain.get("names") == []:
        raise SpecError(f"{pointer}/names", "must name a system call")
    _number(plain, "errno", "errnoRet", pointer)
    for key in ("includes", "excludes"):
        if rule.get(key):
            condition = _Condition.load(rule[key], f"{pointer}/{key}")
            checks = _checks(condition, capabilities, machine, release)
            if not all(checks) if key == "includes" else any(checks):
                plain["names"] = []
    return plain


def _checks(condition: _Condition, capabilities: tuple[str, ...], machine: str, release: str) -> list[bool]:
    checks = [name in capabilities for name in condition.capabilities]
    if condition.architectures:
        checks.append(_GO_NAMES.get(machine, machine) in condition.architectures)
    if condition.kernel:
        checks.append(_version(release) >= _version(condition.kernel))
    return checks


def _version(release: str) -> tuple[int, ...]:
    """The first two numbers of a kernel's release."""
    return tuple(int(number) if number.isdigit() else 0 for number in release.split("-")[0].split(".")[:2])


def _number(plain: dict[str, Any], by_name: str, by_number: str, pointer: str) -> None:
    """Docker's and podman's errno by name, where it is not given by number."""
    name = plain.get(by_name)
    if name is None or plain.get(by_number) is not None:
        return
    if not isinstance(name, str) or not isinstance(getattr(errno, name, None), int):
        raise SpecError(f"{pointer}/{by_name}", f"no error is called {name!r}", "errno(3) lists them, as EPERM")
    plain[by_number] = getattr(errno, name)
