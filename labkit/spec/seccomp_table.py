"""A profile in words: its rules as rows, and what two profiles say differently of the same call."""

from __future__ import annotations

import errno

from labkit.linux.libseccomp import groups
from labkit.spec.seccomp import Seccomp, SeccompArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labkit.linux.libseccomp import Comparison

_SIGNS = {
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
}
NO_FILTER = Seccomp(default_action="SCMP_ACT_ALLOW")

# What is done, under which condition ("" for always), to which calls.
Row = tuple[str, str, tuple[str, ...]]


def rows(profile: Seccomp) -> list[Row]:
    """The rules, those alike together, in the order of their first; the last row is the default, for all others."""
    found: dict[tuple[str, str], list[str]] = {}
    for rule in profile.rules:
        key = (action(rule.action, rule.errno), condition(_comparisons(rule.arguments)))
        found.setdefault(key, []).extend(rule.names)
    made: list[Row] = [(what, when, tuple(dict.fromkeys(names))) for (what, when), names in found.items() if names]
    return [*made, (action(profile.default_action, profile.default_errno), "", ())]


def action(name: str, number: int | None) -> str:
    """`ALLOW`, `ERRNO EPERM`, `TRACE 7`."""
    short = name.removeprefix("SCMP_ACT_")
    if short == "ERRNO":
        return f"ERRNO {errno.errorcode.get(number or 1, number)}" if number != 0 else "ERRNO 0"
    return f"TRACE {1 if number is None else number}" if short == "TRACE" else short


def condition(comparisons: tuple[Comparison, ...]) -> str:
    """The comparisons of a rule: `args[0] == 0x8 and args[1] > 0x0`."""
    return " or ".join(" and ".join(_comparison(*one) for one in group) for group in groups(comparisons) if group)


def _comparison(index: int, operator: str, value: int, value_two: int) -> str:
    if operator == "SCMP_CMP_MASKED_EQ":
        return f"args[{index}] & {value:#x} == {value_two:#x}"
    return f"args[{index}] {_SIGNS[operator]} {value:#x}"


def _comparisons(arguments: Iterable[SeccompArgument]) -> tuple[Comparison, ...]:
    return tuple((a.index, a.operator, a.value, a.value_two) for a in arguments)


def settings(profile: Seccomp) -> dict[str, str]:
    """What holds for the whole filter, in words."""
    native = "the native one"
    others = ", ".join(name.removeprefix("SCMP_ARCH_").lower() for name in profile.architectures)
    return {
        "default": action(profile.default_action, profile.default_errno),
        "architectures": f"{native}, {others}" if others else native,
        "flags": ", ".join(profile.flags) or "none",
        "listener": profile.listener_path or "none",
    }


def difference(one: Seccomp, other: Seccomp) -> list[tuple[str, str, tuple[str, ...]]]:
    """(what `one` does, what `other` does, the calls), for calls that they treat differently; most calls first.

    A call that a profile does not name gets its default, which is why that is told first, of "every other call".
    """
    mine, theirs = _by_call(one), _by_call(other)
    defaults = action(one.default_action, one.default_errno), action(other.default_action, other.default_errno)
    found: dict[tuple[str, str], list[str]] = {}
    for name in sorted({*mine, *theirs}):
        pair = (_words(mine.get(name), defaults[0]), _words(theirs.get(name), defaults[1]))
        if pair[0] != pair[1]:
            found.setdefault(pair, []).append(name)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    first = [(*defaults, ("every other call",))] if defaults[0] != defaults[1] else []
    return [*first, *((left, right, tuple(names)) for (left, right), names in ordered)]


def _by_call(profile: Seccomp) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for what, when, names in rows(profile):
        for name in names:
            found.setdefault(name, set()).add((what, when))
    return found


def _words(effects: set[tuple[str, str]] | None, default: str) -> str:
    """What happens to a call; a condition leaves the default for where it does not hold."""
    if effects is None:
        return default
    always = [what for what, when in effects if not when]
    if always:
        return always[0]
    conditions: dict[str, list[str]] = {}
    for what, when in sorted(effects):
        conditions.setdefault(what, []).append(when)
    return "; ".join(f"{what} when {' or '.join(whens)}" for what, whens in conditions.items()) + f"; else {default}"
