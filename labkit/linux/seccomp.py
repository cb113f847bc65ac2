"""Loading a compiled seccomp filter, seccomp(2), SECCOMP_SET_MODE_FILTER; and the words that profiles have."""

from __future__ import annotations

from _struct import pack

from labkit.linux.libc import address, syscall

# include/seccomp.h: the return values of a filter, with room for an errno in the low half.
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
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
# include/seccomp.h; libseccomp has them by these names in lower case and without SCMP_ARCH_.
ARCHITECTURES = (
    "SCMP_ARCH_X86 SCMP_ARCH_X86_64 SCMP_ARCH_X32 SCMP_ARCH_ARM SCMP_ARCH_AARCH64 SCMP_ARCH_MIPS SCMP_ARCH_MIPS64 "
    "SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_PPC SCMP_ARCH_PPC64 "
    "SCMP_ARCH_PPC64LE SCMP_ARCH_S390 SCMP_ARCH_S390X SCMP_ARCH_PARISC SCMP_ARCH_PARISC64 SCMP_ARCH_RISCV64 "
    "SCMP_ARCH_LOONGARCH64 SCMP_ARCH_M68K SCMP_ARCH_SH SCMP_ARCH_SHEB"
).split()

SECCOMP_SET_MODE_FILTER = 1

# include/uapi/linux/seccomp.h, under the names of config.json.
FILTER_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
# With a listener the descriptor is the result, so that TSYNC must tell of its failure in another way.
SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16

INSTRUCTION_SIZE = 8
# struct sock_fprog: the number of instructions and the address of the bytes themselves, which are not copied.
SOCK_FPROG = "@HP"


def load_filter(program: bytes, flags: tuple[str, ...] = (), listen: bool = False) -> int:
    """Install `program` (an array of struct sock_filter) on the calling thread, for good and for its children.

    `flags` are names of FILTER_FLAGS. With `listen` the result is the descriptor on which another process answers the
    calls that the filter notifies of (seccomp_unotify(2)), close-on-exec. Needs no_new_privs or CAP_SYS_ADMIN.
    """
    bits = 0
    for flag in flags:
        bits |= FILTER_FLAGS[flag]
    if listen:
        bits |= SECCOMP_FILTER_FLAG_NEW_LISTENER
        bits |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH if bits & 1 else 0
    else:
        # There is nobody whose answer could be waited for; the kernel refuses the flag then.
        bits &= ~FILTER_FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    fprog = pack(SOCK_FPROG, len(program) // INSTRUCTION_SIZE, address(program))
    return syscall("seccomp", SECCOMP_SET_MODE_FILTER, bits, fprog)


def pidfd_getfd(pidfd: int, number: int) -> int:
    """A close-on-exec copy of the process's descriptor `number` (pidfd_getfd(2), Linux 5.6); as ptrace(2) would."""
    return syscall("pidfd_getfd", pidfd, number, 0)
