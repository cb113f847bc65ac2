"""What each capability lets a process do, tried: one attempt for each that can be shown safely.

An attempt is a line for the shell of the image, or a program of one system call, whose arguments are such that nothing
comes of it beyond the container even where it is let through. Whether it was is told by its end: a call that ends with
another error than EPERM and EACCES has passed the kernel's question for the capability.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from labkit.images import one_call
from labkit.linux.libseccomp import syscall_number

NOBODY = 65534

# include/uapi/linux: prctl.h, timex.h, fs.h, fcntl.h, perf_event.h, bpf.h, capability.h
_CAPBSET_DROP, _ADJ_TICK, _FS_IOC_SETFLAGS, _FS_IMMUTABLE_FL, _F_SETLEASE, _F_RDLCK = (
    24,
    0x4000,
    0x40086602,
    0x10,
    1024,
    0,
)
_SYSLOG_CONSOLE_LEVEL, _CLOCK_REALTIME_ALARM, _IPC_STAT, _O_NONBLOCK = 8, 8, 2, 0o4000
_IPC_CREAT, _KEY = 0o1000, 77
# The effective bit, and CAP_NET_BIND_SERVICE permitted (struct vfs_cap_data, revision 2).
FILE_CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
# struct perf_event_attr of its first version: PERF_TYPE_SOFTWARE, its size, PERF_COUNT_SW_CPU_CLOCK, kernel included.
_PERF = struct.pack("=IIQ48x", 1, 64, 0)
# union bpf_attr for BPF_MAP_CREATE: an array of one entry of 4 bytes.
_MAP = struct.pack("=IIII", 2, 4, 4, 1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """`script` is tried for `capability`; a word %CALL in it is the program that makes `call`, with its arguments.

    `others`: it needs files or processes of another user, whom an ordinary user's namespace has not.
    """

    capability: str
    what: str
    script: str
    call: tuple[str, tuple[one_call.Argument, ...]] | None = None
    others: bool = False


def _call(
    capability: str, what: str, name: str, *arguments: one_call.Argument, script: str = "%CALL", others: bool = False
) -> Attempt:
    return Attempt(capability, what, script, (name, arguments), others)


ATTEMPTS = (
    Attempt("CAP_CHOWN", "give a file away", ": > /tmp/mine; chown 1 /tmp/mine", others=True),
    Attempt("CAP_DAC_OVERRIDE", "write to another's closed file", "echo more >> /given/closed", others=True),
    Attempt("CAP_DAC_READ_SEARCH", "read another's closed file", "cat /given/closed", others=True),
    Attempt("CAP_FOWNER", "change the mode of another's file", "chmod 640 /given/theirs", others=True),
    Attempt(
        "CAP_FSETID", "keep set-group-ID for a group that is not one's own",
        "chmod 2755 /given/grouped && test -g /given/grouped", others=True,
    ),
    Attempt("CAP_KILL", "send a signal to another's process", "kill -0 1", others=True),
    _call("CAP_SETGID", "become group 1", "setgid", 1, others=True),
    _call("CAP_SETUID", "become user 1", "setuid", 1, others=True),
    _call("CAP_SETPCAP", "drop from the bounding set", "prctl", _CAPBSET_DROP, 0, 0, 0, 0),
    _call(
        "CAP_LINUX_IMMUTABLE", "make a file immutable", "ioctl", 3, _FS_IOC_SETFLAGS,
        struct.pack("=Q", _FS_IMMUTABLE_FL), script=": > /dev/shm/fixed; %CALL 3< /dev/shm/fixed",
    ),
    Attempt("CAP_NET_BIND_SERVICE", "listen on port 80", "httpd -p 127.0.0.1:80 -h /tmp"),
    Attempt("CAP_NET_ADMIN", "change an interface's MTU", "ip link set lo mtu 16000"),
    _call("CAP_NET_RAW", "open a raw socket", "socket", 2, 3, 1),
    _call("CAP_IPC_LOCK", "lock memory where the limit is 0", "mlockall", 1, script="ulimit -l 0; %CALL"),
    _call("CAP_IPC_OWNER", "look at another's closed segment", "shmctl", 0, _IPC_STAT, bytes(128), others=True),
    _call("CAP_SYS_MODULE", "unload a module (that is not there)", "delete_module", b"labkit_none", _O_NONBLOCK),
    _call("CAP_SYS_RAWIO", "use I/O ports (x86)", "iopl", 3),
    _call("CAP_SYS_CHROOT", "change the root", "chroot", b"/"),
    Attempt("CAP_SYS_PTRACE", "look into another's process", "readlink /proc/1/exe", others=True),
    _call("CAP_SYS_PACCT", "account processes (in a file that is not there)", "acct", b"/none"),
    Attempt("CAP_SYS_ADMIN", "mount a tmpfs", "mount -t tmpfs none /root"),
    _call("CAP_SYS_BOOT", "reboot (with the wrong magic number)", "reboot", 0, 0, 0, 0),
    _call("CAP_SYS_NICE", "raise the priority", "setpriority", 0, 0, -1),
    Attempt("CAP_SYS_RESOURCE", "raise a hard limit", "ulimit -n 64 && ulimit -n 128"),
    _call("CAP_SYS_TIME", "set the length of a tick (to 0)", "adjtimex", struct.pack("=I", _ADJ_TICK) + bytes(256)),
    _call("CAP_SYS_TTY_CONFIG", "hang the terminal up (there is none)", "vhangup"),
    Attempt("CAP_MKNOD", "make a device node", "mknod /tmp/node c 1 3"),
    _call("CAP_LEASE", "take a lease on another's file", "fcntl", 3, _F_SETLEASE, _F_RDLCK,
          script="%CALL 3< /given/leased", others=True),
    _call("CAP_SETFCAP", "give a file a capability", "setxattr", b"/tmp/file", b"security.capability", FILE_CAPABILITY,
          len(FILE_CAPABILITY), 0, script=": > /tmp/file; %CALL"),
    _call("CAP_SYSLOG", "set the console's log level (to 0 bytes)", "syslog", _SYSLOG_CONSOLE_LEVEL, 0, 0),
    _call("CAP_WAKE_ALARM", "make a timer that wakes the machine up", "timerfd_create", _CLOCK_REALTIME_ALARM, 0),
    _call("CAP_PERFMON", "count events of the kernel", "perf_event_open", _PERF, 0, -1, -1, 0),
    _call("CAP_BPF", "make a BPF map", "bpf", 0, _MAP, len(_MAP)),
    Attempt("CAP_CHECKPOINT_RESTORE", "open a file by its mapping",
            "cd /proc/self/map_files && head -c 1 $(ls | head -n 1) > /dev/null"),
)  # fmt: skip

# Why there is no attempt for the others.
NOT_SHOWN = {
    "CAP_NET_BROADCAST": "the kernel asks for it nowhere",
    "CAP_AUDIT_WRITE": "the audit log is the whole host's",
    "CAP_AUDIT_CONTROL": "the audit log is the whole host's",
    "CAP_AUDIT_READ": "the audit log is the whole host's",
    "CAP_MAC_OVERRIDE": "needs a host with Smack",
    "CAP_MAC_ADMIN": "needs a host with Smack or AppArmor",
    "CAP_BLOCK_SUSPEND": "without it the kernel passes over the wish in silence",
}


def write_programs(folder: str) -> None:
    """Write the programs of one call to `folder`, named by their capability; one that this machine lacks is missing."""
    for attempt in ATTEMPTS:
        if attempt.call:
            name, arguments = attempt.call
            number = syscall_number(name)
            if number >= 0:
                path = f"{folder}/{attempt.capability}"
                with open(path, "wb") as file:
                    file.write(one_call.program(os.uname().machine, number, arguments))
                os.chmod(path, 0o755)
    # For the container's first process: a System V segment of its user's that nobody else may look at.
    with open(f"{folder}/segment", "wb") as file:
        file.write(one_call.program(os.uname().machine, syscall_number("shmget"), (_KEY, 4096, _IPC_CREAT)))
    os.chmod(f"{folder}/segment", 0o755)


def write_files(folder: str, others: bool) -> None:
    """Write what attempts are about: files of another user, where `others` are possible, with modes of all kinds."""
    for name, mode, uid, gid in (
        ("closed", 0, NOBODY, NOBODY), ("theirs", 0o644, NOBODY, NOBODY), ("leased", 0o644, NOBODY, NOBODY),
        ("grouped", 0o644, 0, NOBODY),
    ):  # fmt: skip
        path = f"{folder}/{name}"
        with open(path, "w", encoding="ascii") as file:
            file.write("text\n")
        if others:
            os.chown(path, uid, gid)
        os.chmod(path, mode)


def script() -> str:
    """All attempts one after the other, each in a shell of its own: for each a line `capability status last-words`."""
    lines = ["ulimit -c 0"]
    for attempt in ATTEMPTS:
        words = attempt.script.replace("%CALL", f"/try/{attempt.capability}")
        lines.append(f"( {words} ) > /dev/null 2> /tmp/words; echo {attempt.capability} $? $(tail -n 1 /tmp/words)")
    return "\n".join(lines)
