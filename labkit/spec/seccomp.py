"""config.json, linux.seccomp: the system-call filter (OCI runtime-spec: config-linux.md)."""

from __future__ import annotations

from labkit.linux.libseccomp import ACTIONS, OPERATORS
from labkit.spec.section import LATER, UINT32, UINT64, Section, array, integer, one_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.linux.libseccomp import Rule


class SeccompArgument(Section):
    """One comparison of a system call's argument."""

    __slots__ = ("index", "operator", "value", "value_two")
    index: int
    operator: str
    value: int
    value_two: int
    REQUIRED = ("index", "value", "op")
    PROPERTIES = {
        "index": ("index", integer(0, 5), 0),
        "operator": ("op", one_of(tuple(OPERATORS)), ""),
        "value": ("value", UINT64, 0),
        "value_two": ("valueTwo", UINT64, 0),
    }


class SeccompRule(Section):
    """One of linux.seccomp.syscalls."""

    __slots__ = ("action", "arguments", "errno", "names")
    names: tuple[str, ...]
    action: str
    errno: int | None
    arguments: tuple[SeccompArgument, ...]
    REQUIRED = ("names", "action")
    PROPERTIES = {
        "names": ("names", array(text), ()),
        "action": ("action", one_of(tuple(ACTIONS)), ""),
        "errno": ("errnoRet", UINT32, None),
        "arguments": ("args", array(SeccompArgument.load), ()),
    }


class Seccomp(Section):
    """linux.seccomp: the system-call filter."""

    __slots__ = ("architectures", "default_action", "default_errno", "rules")
    default_action: str
    default_errno: int | None
    architectures: tuple[str, ...]
    rules: tuple[SeccompRule, ...]
    REQUIRED = ("defaultAction",)
    REFUSED = {"listenerPath": LATER, "flags": LATER}
    PROPERTIES = {
        "default_action": ("defaultAction", one_of(tuple(ACTIONS)), ""),
        "default_errno": ("defaultErrnoRet", UINT32, None),
        "architectures": ("architectures", array(text), ()),
        "rules": ("syscalls", array(SeccompRule.load), ()),
    }

    def profile(self) -> tuple[str, int | None, tuple[str, ...], tuple[Rule, ...]]:
        """The arguments of `libseccomp.compile_filter`: plain values, which also tell one profile from another."""
        rules = tuple(
            (
                rule.names,
                rule.action,
                rule.errno,
                tuple((a.index, a.operator, a.value, a.value_two) for a in rule.arguments),
            )
            for rule in self.rules
        )
        return self.default_action, self.default_errno, self.architectures, rules
