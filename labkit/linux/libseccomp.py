"""Compiling a seccomp profile to BPF with libseccomp: seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3)."""

from __future__ import annotations

import ctypes
import os
import sys

from labkit.errors import LabkitError, MissingError
from labkit.linux.libc import MACHINE
from labkit.linux.seccomp import ACTIONS, OPERATORS
from labkit.linux.short_bpf import shorten

# Calls since Linux 5.17, which libseccomp 2.5.4 does not know; each has one number on every architecture.
NEWER = {
    name: number
    for number, name in enumerate(
        (
            "cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount "
            "lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat "
            "removexattrat open_tree_attr file_getattr file_setattr listns"
        ).split(),
        451,
    )
}
NEWER_NAMES = {number: name for name, number in NEWER.items()}
# Others that it does not know, of one architecture.
_ELSEWHERE = ("riscv_hwprobe", "uprobe", "uretprobe")
# Defaults under which a call may be carried out; a tracer or listener is taken to know the newer ones.
_LENIENT = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE")
_MOST_CALLS = 500
_CTL_OPTIMIZE = 8
_BINARY_TREE = 2
_UNKNOWN_SYSCALL = -1
_EEXIST = -17
_ENOSYS = 38
# include/uapi/linux/audit.h; libseccomp's token of an architecture is the same number, but for x32's.
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ARCH_X32 = 0x4000003E
_X32_CALLS = 0x40000000
# The codes of classic BPF used here (linux/bpf_common.h), and offsets in struct seccomp_data.
LOAD, JUMP, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_OR_EQUAL, GIVE = 0x20, 0x05, 0x15, 0x25, 0x35, 0x06
_DATA_NR, _DATA_ARCH = 0, 4

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
    library.seccomp_syscall_resolve_num_arch.argtypes = [ctypes.c_uint32, ctypes.c_int]
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    library.seccomp_arch_native.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = library.seccomp_arch_remove.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


def unknown_syscalls(names: list[str]) -> list[str]:
    """Those of `names` that no architecture has, as far as is known here."""
    library = _library()
    return [name for name in names if _number(library, name) == _UNKNOWN_SYSCALL and name not in _ELSEWHERE]


def known_syscalls() -> list[str]:
    """The names of the native architecture's calls, as far as they are known here."""
    native = _library().seccomp_arch_native()
    return [name for number in range(_MOST_CALLS) if (name := syscall_name(native, number))]


def syscall_number(name: str) -> int:
    """The native number of a call; negative for one that this architecture has not."""
    return _number(_library(), name)


def syscall_name(architecture: int, number: int) -> str:
    """The name of a call by the number of its architecture (an AUDIT_ARCH, or x32's token); "" for one unknown."""
    address = _library().seccomp_syscall_resolve_num_arch(architecture, number)
    if not address:
        return NEWER_NAMES.get(number, "")
    try:
        return ctypes.string_at(address).decode()
    finally:
        libc = ctypes.CDLL(None)
        libc.free.argtypes = [ctypes.c_void_p]
        libc.free(address)


def _number(library: ctypes.CDLL, name: str) -> int:
    """The call's native number; a negative one of libseccomp's own where another architecture has it."""
    number: int = library.seccomp_syscall_resolve_name(name.encode())
    return NEWER.get(name, _UNKNOWN_SYSCALL) if number == _UNKNOWN_SYSCALL else number


def library_path() -> str:
    """The file of the libseccomp that this process has loaded; "" when there is none."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            if "/libseccomp.so" in line:
                return line.rstrip("\n").split(None, 5)[5]
    return ""


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
    for is passed over: no program can have been built to call it by that name, and the default action covers it. Calls
    newer than all that the profile names give ENOSYS, on which C libraries fall back to older ones, in place of a
    default action that denies (as runc; libseccomp cannot be asked for it). What libseccomp writes is made shorter.
    """
    library = _library()
    value = action_value(default, default_errno)
    resolved, last = _resolve(library, value, rules)
    native = library.seccomp_arch_native()
    # Each by itself, to be joined: what libseccomp takes for a program grows with the square of its length.
    programs = {native: _compile(_context(library, default, value), library, resolved)}
    for name in architectures:
        token = _token(library, name)
        if token not in programs:
            context = _context(library, default, value)
            # While the native one is there: one of another byte order does not go with it, and is refused.
            _check(library.seccomp_arch_add(context, token), f"architecture {name} on {MACHINE}")
            _check(library.seccomp_arch_remove(context, native), f"architecture {name} alone")
            # Of a call that libseccomp does not know it cannot find the number for another architecture.
            programs[token] = _compile(context, library, [rule for rule in resolved if rule[3] not in NEWER])
    denies = default not in _LENIENT and last >= 0
    return shorten((_no_newer_than(last) if denies else b"") + _by_architecture(programs))


# What libseccomp is told of one rule: the value to return, the call's number, and what is compared.
_Resolved = tuple[int, int, "ctypes.Array[_Comparison]", str]


def _resolve(library: ctypes.CDLL, default: int, rules: tuple[Rule, ...]) -> tuple[list[_Resolved], int]:
    """The rules that do something else than the default, with native numbers; and the largest of all their numbers."""
    resolved = []
    last = -1
    for names, action, errno, comparisons in rules:
        value = action_value(action, errno)
        arrays = [
            (_Comparison * len(group))(*[_Comparison(i, OPERATORS[o], v, w) for i, o, v, w in group])
            for group in groups(comparisons)
        ]
        for name in names:
            number = _number(library, name)
            last = max(last, number)
            if number != _UNKNOWN_SYSCALL and value != default:
                resolved += [(value, number, array, name) for array in arrays]
    return resolved, last


def _token(library: ctypes.CDLL, architecture: str) -> int:
    token = library.seccomp_arch_resolve_name(architecture.removeprefix("SCMP_ARCH_").lower().encode())
    if not token:
        raise LabkitError(f"libseccomp knows no architecture {architecture}", "seccomp_arch_add(3) lists them")
    return int(token)


def _context(library: ctypes.CDLL, default: str, value: int) -> int:
    context: int | None = library.seccomp_init(value)
    if not context:
        raise LabkitError(f"libseccomp refuses the default action {default}", "use one of " + ", ".join(ACTIONS))
    return context


def _compile(context: int, library: ctypes.CDLL, resolved: list[_Resolved]) -> bytes:
    """The program for the one architecture of `context`, which is released; it kills who calls by another."""
    try:
        library.seccomp_attr_set(context, _CTL_OPTIMIZE, _BINARY_TREE)
        for action, number, array, name in resolved:
            added = library.seccomp_rule_add_array(context, action, number, len(array), array)
            _check(added, f"rule for {name}")
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _by_architecture(programs: dict[int, bytes]) -> bytes:
    """The programs of several architectures as one, which begins with a jump to the one that a call is for.

    x32 has the token but not the AUDIT_ARCH of its own: its calls are x86-64's with numbers from _X32_CALLS on.
    """
    if len(programs) == 1:
        return next(iter(programs.values()))
    tokens = [token for token in programs if token != _ARCH_X32]
    head: list[tuple[int, int, int, int]] = [(LOAD, 0, 0, _DATA_ARCH)]
    jumps = []  # (the jump's place, the program it leads to)
    for token in tokens:
        if token == _AUDIT_ARCH["x86_64"] and _ARCH_X32 in programs:
            head += [(JUMP_EQUAL, 0, 4, token), (LOAD, 0, 0, _DATA_NR), (JUMP_GREATER_OR_EQUAL, 0, 1, _X32_CALLS)]
            jumps += [(len(head), _ARCH_X32), (len(head) + 1, token)]
            head += [(JUMP, 0, 0, 0)] * 2
        else:
            head.append((JUMP_EQUAL, 0, 1, token))
            jumps.append((len(head), token))
            head.append((JUMP, 0, 0, 0))
    head.append((GIVE, 0, 0, ACTIONS["SCMP_ACT_KILL"]))
    offset = len(head)
    places = {}
    for token, program in programs.items():
        places[token] = offset
        offset += len(program) // 8
    for place, token in jumps:
        head[place] = (JUMP, 0, 0, places[token] - place - 1)
    return _assemble(head) + b"".join(programs.values())


def _no_newer_than(last: int) -> bytes:
    """Instructions to put before a filter: native calls with a number above `last` give ENOSYS (bpf(4))."""
    return _assemble(
        [
            (LOAD, 0, 0, _DATA_ARCH),
            (JUMP_EQUAL, 0, 4, _AUDIT_ARCH[MACHINE]),
            (LOAD, 0, 0, _DATA_NR),
            (JUMP_GREATER_OR_EQUAL, 2, 0, _X32_CALLS),
            (JUMP_GREATER, 0, 1, last),
            (GIVE, 0, 0, action_value("SCMP_ACT_ERRNO", _ENOSYS)),
        ]
    )


def _assemble(instructions: list[tuple[int, int, int, int]]) -> bytes:
    """An array of struct sock_filter: code, jump if true, jump if false, value."""
    return b"".join(
        code.to_bytes(2, sys.byteorder) + bytes((true, false)) + value.to_bytes(4, sys.byteorder)
        for code, true, false, value in instructions
    )


def groups(comparisons: tuple[Comparison, ...]) -> tuple[tuple[Comparison, ...], ...]:
    """The comparisons that hold together: all, unless two are of the same argument, which are then alternatives.

    libseccomp takes one comparison per argument; runc has made alternatives of others since its beginning.
    """
    if len({index for index, *_ in comparisons}) == len(comparisons):
        return (comparisons,)
    return tuple((comparison,) for comparison in comparisons)


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
