"""What each capability lets a process do, in short, and what it is worth to an attacker inside a container.

Source: capabilities(7); include/uapi/linux/capability.h for those that the page lacks. A capability counts in the
user namespace of the process, and for what belongs to the machine as a whole in the first one only.
"""

from __future__ import annotations

# name -> (what it lets a process do, what follows for a container; "" where nothing does beyond that)
WORDS: dict[str, tuple[str, str]] = {
    "CAP_CHOWN": ("change the owner and group of any file", "with a volume of the host: take over its files"),
    "CAP_DAC_OVERRIDE": (
        "read, write and search files and folders whatever their permissions say",
        "with a volume of the host: every file in it",
    ),
    "CAP_DAC_READ_SEARCH": (
        "read files and search folders whatever their permissions say; open_by_handle_at",
        "open_by_handle_at reaches every file of a mounted filesystem, also above the volume that shows part of it",
    ),
    "CAP_FOWNER": (
        "do to other users' files what only their owner may: chmod, utime, delete in sticky folders",
        "",
    ),
    "CAP_FSETID": (
        "keep the set-user-ID and set-group-ID bits when a file is changed, and set the latter for a foreign group",
        "",
    ),
    "CAP_KILL": ("send signals to other users' processes", "with the host's pid namespace: to all of the host's"),
    "CAP_SETGID": ("take any group id, and any supplementary groups", "may become a group that a volume trusts"),
    "CAP_SETUID": ("take any user id", "may become the user that a volume or a socket trusts"),
    "CAP_SETPCAP": (
        "drop capabilities from the bounding set, add from it to the inheritable set, change the securebits",
        "adds nothing beyond the bounding set",
    ),
    "CAP_LINUX_IMMUTABLE": ("set a file's immutable and append-only flags", "a volume's files that nobody can delete"),
    "CAP_NET_BIND_SERVICE": ("bind sockets to ports below 1024", ""),
    "CAP_NET_BROADCAST": ("nothing: the kernel asks for it nowhere", ""),
    "CAP_NET_ADMIN": (
        "configure interfaces, addresses, routes, firewalls and queues of the network namespace",
        "opens much of the kernel's network code to an attack; with the host's network, all of the host's traffic",
    ),
    "CAP_NET_RAW": (
        "open raw and packet sockets, bind to any address for transparent proxying",
        "sees and forges what passes on the same bridge (ARP, DNS)",
    ),
    "CAP_IPC_LOCK": ("lock memory beyond RLIMIT_MEMLOCK, use huge pages", "memory that cannot be swapped out"),
    "CAP_IPC_OWNER": (
        "use System V objects whatever their permissions say",
        "with the host's ipc namespace: all of them",
    ),
    "CAP_SYS_MODULE": ("load and unload kernel modules", "is control of the machine: a module runs in the kernel"),
    "CAP_SYS_RAWIO": (
        "use I/O ports (iopl, ioperm), /dev/mem, raw commands to disks",
        "is control of the machine, where a device or /proc/kcore can be opened",
    ),
    "CAP_SYS_CHROOT": ("use chroot; setns to a mount namespace", "a way out where there is chroot and no pivot_root"),
    "CAP_SYS_PTRACE": (
        "trace and read any process of the user namespace: ptrace, process_vm_readv, /proc/PID",
        "with the host's pid namespace: its processes' memory, and so the host",
    ),
    "CAP_SYS_PACCT": ("switch process accounting on and off", ""),
    "CAP_SYS_ADMIN": (
        "mount, set names, make namespaces, quotas, swap, and what else has no capability of its own",
        "with the first user namespace it is the root of the host in all but name",
    ),
    "CAP_SYS_BOOT": ("reboot, and load a kernel with kexec_load", "kexec_load is control of the machine"),
    "CAP_SYS_NICE": (
        "raise priorities, use real-time scheduling, set the affinity and memory policy of other processes",
        "takes CPU time from the rest of the host",
    ),
    "CAP_SYS_RESOURCE": (
        "raise hard resource limits, pass over quotas, reserved blocks and message-queue limits",
        "undoes rlimits; cgroups hold all the same",
    ),
    "CAP_SYS_TIME": ("set the system's clock and the real-time clock", "the clock is the whole host's"),
    "CAP_SYS_TTY_CONFIG": ("use vhangup, and privileged requests on virtual terminals", ""),
    "CAP_MKNOD": ("make device nodes", "the device cgroup decides whether one can be opened"),
    "CAP_LEASE": ("take leases on other users' files", ""),
    "CAP_AUDIT_WRITE": ("write to the kernel's audit log", ""),
    "CAP_AUDIT_CONTROL": ("switch auditing on and off and change its rules", "hides what is done on the host"),
    "CAP_SETFCAP": ("give files capabilities; map user 0 of the parent into a new user namespace", ""),
    "CAP_MAC_OVERRIDE": ("pass over mandatory access control (Smack)", "undoes the module's protection"),
    "CAP_MAC_ADMIN": ("configure mandatory access control (Smack, AppArmor)", "undoes the module's protection"),
    "CAP_SYSLOG": (
        "read and clear the kernel's log, see kernel addresses in /proc",
        "addresses that an exploit of the kernel needs",
    ),
    "CAP_WAKE_ALARM": ("set timers that wake the machine up", ""),
    "CAP_BLOCK_SUSPEND": ("keep the machine from being suspended", ""),
    "CAP_AUDIT_READ": ("read the audit log through a multicast netlink socket", "sees what the host does"),
    "CAP_PERFMON": (
        "use performance monitoring, and BPF programs that trace",
        "reads the kernel's and other processes' behaviour",
    ),
    "CAP_BPF": ("load privileged BPF programs and make maps", "opens the BPF verifier to an attack"),
    "CAP_CHECKPOINT_RESTORE": (
        "choose pids (clone3 set_tid, ns_last_pid), read /proc/PID/map_files",
        "",
    ),
}

# Those that are worth the whole host, by themselves, with a volume of it or with its pid namespace.
WHOLE_HOST = (
    "CAP_DAC_READ_SEARCH",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_PTRACE",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
)
