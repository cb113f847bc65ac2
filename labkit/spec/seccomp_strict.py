"""The strict system-call filter: what a program needs that computes, reads and writes files, and starts others.

No sockets but those of Unix, no other process's memory, no namespaces, no owners changed or identities taken, no
System V objects, no 32-bit calls; and no capability adds anything. What is left out is refused with EPERM.
"""

from __future__ import annotations

from labkit.spec.model import Seccomp, SeccompArgument, SeccompRule

ALWAYS = """
access alarm arch_prctl brk capget chdir chmod clock_getres clock_gettime clock_nanosleep close close_range
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2
fcntl fdatasync fgetxattr flistxattr flock fork fstat fstatfs fsync ftruncate futex futex_requeue futex_wait
futex_waitv futex_wake get_robust_list getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockopt gettid
gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl ioprio_get kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lgetxattr link linkat listxattr llistxattr lseek
lstat madvise membarrier memfd_create mincore mkdir mkdirat mlock mlock2 mmap mprotect mremap mseal msync munlock
munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 poll ppoll prctl pread64
preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmsg
rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getparam sched_getscheduler sched_setaffinity sched_yield seccomp select sendfile sendmsg
sendto set_robust_list set_tid_address setitimer setpgid setpriority setrlimit setsid shutdown sigaltstack signalfd
signalfd4 socketpair splice stat statfs statx symlink symlinkat sync_file_range sysinfo tee tgkill time timer_create
timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill
truncate umask uname unlink unlinkat utime utimensat utimes vfork vmsplice wait4 waitid write writev
""".split()

_ENOSYS = 38
_AF_UNIX = 1
# The CLONE_NEW* flags of clone(2), as in the default filter.
_NAMESPACE_FLAGS = 0x7E020000
# personality(2): the query.
_QUERY = 0xFFFFFFFF


def strict_profile() -> Seccomp:
    """The filter, for the native architecture alone."""
    unix = SeccompArgument(index=0, value=_AF_UNIX, operator="SCMP_CMP_EQ")
    query = SeccompArgument(index=0, value=_QUERY, operator="SCMP_CMP_EQ")
    no_namespace = SeccompArgument(index=0, value=_NAMESPACE_FLAGS, value_two=0, operator="SCMP_CMP_MASKED_EQ")
    allow = "SCMP_ACT_ALLOW"
    return Seccomp(
        default_action="SCMP_ACT_ERRNO",
        default_errno=1,
        rules=(
            SeccompRule(names=tuple(ALWAYS), action=allow),
            SeccompRule(names=("socket",), action=allow, arguments=(unix,)),
            SeccompRule(names=("connect",), action=allow),
            SeccompRule(names=("personality",), action=allow, arguments=(query,)),
            SeccompRule(names=("clone",), action=allow, arguments=(no_namespace,)),
            # As in the default filter: on ENOSYS the C library falls back to clone, whose flags can be seen.
            SeccompRule(names=("clone3",), action="SCMP_ACT_ERRNO", errno=_ENOSYS),
        ),
    )
