"""Capabilities: capabilities(7), capset(2), prctl(2) PR_CAPBSET_DROP and PR_CAP_AMBIENT."""

from __future__ import annotations

from _ctypes import addressof
from _struct import pack

from labkit.linux.libc import Unsigned, syscall
from labkit.linux.proc import read_file

PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
LINUX_CAPABILITY_VERSION_3 = 0x20080522

# include/uapi/linux/capability.h: a capability's number is its place in this list.
NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
NUMBERS = {f"CAP_{name}": number for number, name in enumerate(NAMES)}

SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
_STATUS_KEYS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


# struct __user_cap_header_struct of capset(2): version and pid; and twice struct __user_cap_data_struct, the lower
# halves of the effective, the permitted and the inheritable set, and then the upper ones.
_HEADER, _DATA = "=Ii", "=6I"


def number(name: str) -> int | None:
    """A capability's number; one newer than this table is named by it, `CAP_63`. None for what is no capability."""
    known = NUMBERS.get(name)
    digits = name.removeprefix("CAP_")
    if known is None and digits != name and digits.isascii() and digits.isdigit() and digits == str(int(digits)):
        return int(digits) if len(NAMES) <= int(digits) < 64 else None
    return known


def mask(names: tuple[str, ...] | list[str]) -> int:
    """The 64-bit set of the capabilities `names`; KeyError for what is no capability."""
    bits = 0
    for name in names:
        found = NUMBERS.get(name)
        found = number(name) if found is None else found
        if found is None:
            raise KeyError(name)
        bits |= 1 << found
    return bits


def names(bits: int) -> list[str]:
    """The names of a 64-bit set; a capability newer than this table is given by number, `CAP_63`."""
    known = len(NAMES)
    return [f"CAP_{NAMES[number]}" if number < known else f"CAP_{number}" for number in range(64) if bits >> number & 1]


def read_sets(pid: str = "self") -> dict[str, int]:
    """The five sets of a process as 64-bit masks, from /proc/PID/status."""
    found = {}
    for line in read_file(f"/proc/{pid}/status").splitlines():
        key, _, value = line.partition(":")
        if key in _STATUS_KEYS:
            found[SETS[_STATUS_KEYS.index(key)]] = int(value, 16)
    return found


def permitted() -> int:
    """The calling thread's permitted set as a 64-bit mask (capget(2))."""
    # Not an array.array: that module loads `collections`, which takes more time than all of these calls.
    data = (Unsigned * 6)()
    syscall("capget", pack(_HEADER, LINUX_CAPABILITY_VERSION_3, 0), addressof(data))
    return int(data[1] | data[4] << 32)


_last: int | None = None


def last_capability() -> int:
    """The number of the newest capability this kernel knows."""
    global _last
    if _last is None:
        _last = int(read_file("/proc/sys/kernel/cap_last_cap"))
    return _last


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set three of the calling thread's sets, as 64-bit masks."""
    low = 0xFFFFFFFF
    halves = [bits & low for bits in (effective, permitted, inheritable)]
    halves += [bits >> 32 for bits in (effective, permitted, inheritable)]
    syscall("capset", pack(_HEADER, LINUX_CAPABILITY_VERSION_3, 0), pack(_DATA, *halves))


def drop_bounding(keep: int, last: int) -> None:
    """Drop from the bounding set every capability up to `last` that is not in the mask `keep`."""
    number = 0
    try:
        for number in range(last + 1):
            if not keep >> number & 1:
                syscall("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"bounding set, capability {number}") from error


def set_ambient(bits: int) -> None:
    """Make the ambient set exactly `bits`; each must be permitted and inheritable."""
    syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(64):
        if bits >> number & 1:
            syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0, path=f"ambient capability {number}")


def keep_capabilities() -> None:
    """Keep the permitted set over a change from user 0 to another (PR_SET_KEEPCAPS; execve clears it)."""
    syscall("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
