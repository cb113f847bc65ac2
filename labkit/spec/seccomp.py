"""config.json, linux.seccomp: the system-call filter (OCI runtime-spec: config-linux.md)."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.linux.seccomp import ACTIONS, ARCHITECTURES, FILTER_FLAGS, OPERATORS
from labkit.spec.section import UINT64, Section, array, integer, one_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.linux.libseccomp import Rule


# What a filter returns has 16 bits for it (seccomp(2), SECCOMP_RET_DATA).
_ERRNO = integer(0, 2**16 - 1)


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
        "errno": ("errnoRet", _ERRNO, None),
        "arguments": ("args", array(SeccompArgument.load), ()),
    }


class Seccomp(Section):
    """linux.seccomp: the system-call filter."""

    __slots__ = (
        "architectures",
        "default_action",
        "default_errno",
        "flags",
        "listener_metadata",
        "listener_path",
        "rules",
    )
    default_action: str
    default_errno: int | None
    architectures: tuple[str, ...]
    flags: tuple[str, ...]
    listener_path: str
    listener_metadata: str
    rules: tuple[SeccompRule, ...]
    REQUIRED = ("defaultAction",)
    PROPERTIES = {
        "default_action": ("defaultAction", one_of(tuple(ACTIONS)), ""),
        "default_errno": ("defaultErrnoRet", _ERRNO, None),
        "architectures": ("architectures", array(one_of(tuple(ARCHITECTURES))), ()),
        "flags": ("flags", array(one_of(tuple(FILTER_FLAGS))), ()),
        "listener_path": ("listenerPath", text, ""),
        "listener_metadata": ("listenerMetadata", text, ""),
        "rules": ("syscalls", array(SeccompRule.load), ()),
    }

    def check(self, pointer: str) -> None:
        """Raise SpecError where properties do not go together; `pointer` is the profile's own place."""
        actions = [(self.default_action, self.default_errno, f"{pointer}/defaultErrnoRet")]
        for index, rule in enumerate(self.rules):
            actions.append((rule.action, rule.errno, f"{pointer}/syscalls/{index}/errnoRet"))
            if rule.action == "SCMP_ACT_NOTIFY" and "write" in rule.names:
                # As runc has it.
                why = "SCMP_ACT_NOTIFY cannot be used for the write syscall, by which the listener is told of"
                raise SpecError(f"{pointer}/syscalls/{index}/names/{rule.names.index('write')}", why)
        for action, number, place in actions:
            if number is not None and action not in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
                raise SpecError(place, f"is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, not for {action}")
        if self.default_action == "SCMP_ACT_NOTIFY":
            why = "must not be SCMP_ACT_NOTIFY: nobody listens yet when it holds"
            raise SpecError(f"{pointer}/defaultAction", why)
        if self.notifies() and not self.listener_path:
            raise SpecError(f"{pointer}/listenerPath", "is required for SCMP_ACT_NOTIFY")

    def notifies(self) -> bool:
        """Whether some calls are answered by another process, the one that listens at `listener_path`."""
        return "SCMP_ACT_NOTIFY" in (self.default_action, *(rule.action for rule in self.rules))

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
