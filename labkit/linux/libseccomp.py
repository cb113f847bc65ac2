"""Compiling a seccomp profile to BPF with libseccomp: seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3)."""

from __future__ import annotations

import ctypes
import os

from labkit.errors import LabkitError, MissingError

# include/seccomp.h: the return values of a filter, with room for an errno in the low half.
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_CTL_OPTIMIZE = 8
_BINARY_TREE = 2
_UNKNOWN_SYSCALL = -1
_EEXIST = -17

# A rule: (syscall names, action, errno or None, ((argument index, operator, value, value two), …))
Comparison = tuple[int, str, int, int]
Rule = tuple[tuple[str, ...], str, int | None, tuple[Comparison, ...]]


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("two", ctypes.c_uint64),
    )


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError as error:
        raise MissingError(
            "the seccomp profile cannot be compiled: libseccomp is not installed",
            "type: sudo apt-get install libseccomp2, or run with --seccomp none",
        ) from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_arch_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


def action_value(action: str, errno: int | None) -> int:
    """The filter's return value; the errno (1, EPERM, when not given) goes with ERRNO and TRACE only."""
    value = ACTIONS[action]
    return (
        value | ((1 if errno is None else errno) & 0xFFFF) if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") else value
    )


def compile_filter(
    default: str, default_errno: int | None, architectures: tuple[str, ...], rules: tuple[Rule, ...]
) -> bytes:
    """The BPF program of a profile, as bytes for `load_filter`.

    `architectures` are added to the native one (`SCMP_ARCH_X86`, …). A system call that this libseccomp has no name
    for is passed over: no program can have been built to call it by that name, and the default action covers it.
    """
    library = _library()
    context = library.seccomp_init(action_value(default, default_errno))
    if not context:
        raise LabkitError(f"libseccomp refuses the default action {default}", "use one of " + ", ".join(ACTIONS))
    try:
        library.seccomp_attr_set(context, _CTL_OPTIMIZE, _BINARY_TREE)
        for architecture in architectures:
            token = library.seccomp_arch_resolve_name(architecture.removeprefix("SCMP_ARCH_").lower().encode())
            if not token:
                raise LabkitError(f"libseccomp knows no architecture {architecture}", "seccomp_arch_add(3) lists them")
            _check(library.seccomp_arch_add(context, token), f"architecture {architecture}")
        for names, action, errno, comparisons in rules:
            value = action_value(action, errno)
            if value == action_value(default, default_errno):
                continue
            array = (_Comparison * len(comparisons))(
                *[_Comparison(i, OPERATORS[o], v, w) for i, o, v, w in comparisons]
            )
            for name in names:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number != _UNKNOWN_SYSCALL:
                    added = library.seccomp_rule_add_array(context, value, number, len(comparisons), array)
                    _check(added, f"rule for {name}")
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _check(result: int, what: str) -> None:
    # The same rule twice, or an architecture that is the native one, is no fault.
    if result < 0 and result != _EEXIST:
        raise LabkitError(f"libseccomp refuses the {what}: {os.strerror(-result)}", "check the seccomp profile")


def _export(library: ctypes.CDLL, context: int) -> bytes:
    # libseccomp before 2.6 exports to a descriptor only.
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, descriptor), "profile as a whole")
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)
