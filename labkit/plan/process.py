"""Steps that turn the child into the container's process: names, limits, identity, privileges, filter, program."""

from __future__ import annotations

import errno

from labkit.errors import StepError
from labkit.linux import os
from labkit.plan.step import Scene, Step

_SIGKILL = 9


class NewSession(Step):
    __slots__ = ()
    call = "setsid"
    why = "without a controlling terminal nothing can be typed into the caller's (TIOCSTI)"

    def describe(self) -> str:
        return "leave the caller's session"

    def apply(self, scene: Scene) -> None:
        os.setsid()


class CloseInherited(Step):
    """A descriptor that closes with execve is still open while the image's paths are looked up, the program's too."""

    __slots__ = ("preserved",)
    preserved: int
    call = "close_range"
    why = "a path of the image such as /proc/self/fd/7/.. may lead to nothing that the engine has open (CVE-2024-21626)"

    def describe(self) -> str:
        return "close every descriptor that it does not need itself"

    def apply(self, scene: Scene) -> None:
        kept = [scene.channel, scene.console, scene.container, scene.devices, scene.observer, *scene.trees.values()]
        if scene.mount_namespace is not None:
            kept.append(scene.mount_namespace)
        scene.kernel.close_all_but(kept, 3 + self.preserved)


class JoinCgroup(Step):
    __slots__ = ("path",)
    path: str
    call = "write 0 to tasks"
    why = (
        "the process itself, by 0: to move another one the kernel stops all forks, for 5 to 25 ms (an RCU grace period)"
    )

    def describe(self) -> str:
        return f"enter {self.path}"

    def apply(self, scene: Scene) -> None:
        # Linux 5.12, kernel/cgroup/cgroup.c, cgroup_procs_write_start(): current, and no other thread, needs no lock.
        scene.kernel.write_file(f"{self.path}/tasks", "0")


class SetHostname(Step):
    __slots__ = ("domainname", "hostname")
    domainname: str
    hostname: str
    call = "sethostname, setdomainname"
    why = "the names belong to the UTS namespace and change nothing outside"

    def describe(self) -> str:
        return f"set the host name {self.hostname!r}"

    def apply(self, scene: Scene) -> None:
        if self.hostname:
            scene.kernel.sethostname(self.hostname)
        if self.domainname:
            scene.kernel.setdomainname(self.domainname)


class LoopbackUp(Step):
    __slots__ = ()
    call = "ioctl(SIOCSIFFLAGS)"
    why = "a new network namespace has a loopback interface that is down"

    def describe(self) -> str:
        return "bring the loopback interface up"

    def apply(self, scene: Scene) -> None:
        scene.kernel.bring_up("lo")


class SetRlimit(Step):
    __slots__ = ("hard", "kind", "soft")
    hard: int
    kind: str
    soft: int
    call = "setrlimit"
    why = "a limit per process, beside the cgroup's for the whole container"

    def describe(self) -> str:
        return f"limit {self.kind} to {self.soft} (hard {self.hard})"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_rlimit(self.kind, self.soft, self.hard)


class SetOomScore(Step):
    __slots__ = ("adjustment",)
    adjustment: int
    call = "write /proc/self/oom_score_adj"
    why = "whom the kernel kills first when memory ends"

    def describe(self) -> str:
        return f"set the OOM killer's adjustment to {self.adjustment}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.write_file("/proc/self/oom_score_adj", str(self.adjustment))


class DropBounding(Step):
    __slots__ = ("keep", "last")
    keep: int
    last: int
    call = "prctl(PR_CAPBSET_DROP)"
    why = "no program started later can gain what is not in the bounding set"

    def describe(self) -> str:
        return f"keep {self.keep.bit_count()} of {self.last + 1} capabilities in the bounding set"

    def apply(self, scene: Scene) -> None:
        scene.kernel.drop_bounding(self.keep, self.last)


class SetUser(Step):
    __slots__ = ("gid", "groups", "uid", "umask")
    gid: int
    groups: tuple[int, ...] | None
    uid: int
    umask: int
    call = "prctl(PR_SET_KEEPCAPS), setgroups, setresgid, setresuid, umask"
    why = "leaving user 0 would otherwise clear the permitted set; the caller's groups must not stay"

    def describe(self) -> str:
        return f"become user {self.uid}, group {self.gid}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.keep_capabilities()
        scene.kernel.set_user(self.uid, self.gid, self.groups)
        os.umask(self.umask)


class SetCapabilities(Step):
    __slots__ = ("ambient", "effective", "inheritable", "permitted")
    ambient: int
    effective: int
    inheritable: int
    permitted: int
    call = "capset, prctl(PR_CAP_AMBIENT)"
    why = "what user 0 may do inside is these capabilities and no others"

    def describe(self) -> str:
        return f"hold {self.permitted.bit_count()} capabilities"

    def apply(self, scene: Scene) -> None:
        scene.kernel.capset(self.effective, self.permitted, self.inheritable)
        scene.kernel.set_ambient(self.ambient)


class KeepSysAdmin(Step):
    __slots__ = ("effective", "inheritable", "permitted")
    effective: int
    inheritable: int
    permitted: int
    call = "capset"
    why = "who sets no no_new_privs needs it to load the filter; only then it is given up"

    def describe(self) -> str:
        return "hold CAP_SYS_ADMIN until the filter is loaded"

    def apply(self, scene: Scene) -> None:
        scene.kernel.capset(self.effective, self.permitted, self.inheritable)


class NoNewPrivileges(Step):
    __slots__ = ()
    call = "prctl(PR_SET_NO_NEW_PRIVS)"
    why = "set-user-ID programs and file capabilities of the image give nothing"

    def describe(self) -> str:
        return "give up gaining privileges by execve"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_no_new_privs()


class TryFolder(Step):
    __slots__ = ("path",)
    path: str
    call = "chdir"
    why = "where only who runs the container may search, the program still works in it (as runc); else tried later"

    def describe(self) -> str:
        return f"try to work in {self.path}"

    def apply(self, scene: Scene) -> None:
        try:
            os.chdir(self.path)
            scene.entered = True
        except OSError:
            pass  # Mounted perhaps with the user's rights only; EnterFolder says what is wrong.


class EnterFolder(Step):
    __slots__ = ("path",)
    path: str
    call = "chdir, getcwd"
    why = "as the container's user, so that its permissions count; a folder outside the root is refused"

    def describe(self) -> str:
        return f"work in {self.path}"

    def apply(self, scene: Scene) -> None:
        try:
            os.chdir(self.path)
        except OSError as error:
            if not scene.entered or error.errno != errno.EACCES:
                hint = "make the folder in the image, or give another with --cwd"
                raise StepError("EnterFolder", error.errno or 0, f"{self.path}: {error.strerror}", hint) from error
        self._check_inside()

    def _check_inside(self) -> None:
        # CVE-2024-21626: through a leaked descriptor a working folder can lie outside; getcwd(3) then fails or says so.
        try:
            inside = os.getcwd().startswith("/")
        except FileNotFoundError:
            inside = False
        if not inside:
            raise OSError(errno.EPERM, "the working folder is outside the container", self.path)


class DieWithParent(Step):
    __slots__ = ()
    call = "prctl(PR_SET_PDEATHSIG)"
    why = "a killed engine leaves no container running; set late, since a change of user clears it"

    def describe(self) -> str:
        return "be killed when the engine dies"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_parent_death_signal(_SIGKILL)


class NotDumpable(Step):
    __slots__ = ()
    call = "prctl(PR_SET_DUMPABLE, 0)"
    why = "until its execve it has the engine's memory and descriptors: nobody in a shared pid namespace may reach them"

    def describe(self) -> str:
        return "let no process without CAP_SYS_PTRACE look into this one"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_not_dumpable()


class NewKeyring(Step):
    __slots__ = ("name",)
    name: str
    call = "keyctl(KEYCTL_JOIN_SESSION_KEYRING)"
    why = "the keys of the caller's session stay out of reach; keyrings know no namespace but the user's (keyrings(7))"

    def describe(self) -> str:
        return f"begin the session keyring {self.name}"

    def apply(self, scene: Scene) -> None:
        try:
            scene.kernel.join_session_keyring(self.name)
        except OSError as error:
            # A kernel without keys has none to hide; a quota that is used up hides none of this user's either (runc).
            if error.errno not in (errno.ENOSYS, errno.EDQUOT):
                raise


class LoadSeccomp(Step):
    """`flags` has names of linux.seccomp.FILTER_FLAGS; `listener` is the socket for the calls to notify of, or ""."""

    __slots__ = ("flags", "listener", "metadata", "name", "program")
    flags: tuple[str, ...]
    listener: str
    metadata: str
    name: str
    program: bytes
    call = "seccomp(SECCOMP_SET_MODE_FILTER)"
    why = "last, so that nothing the engine itself must still do has to be allowed"

    def describe(self) -> str:
        asks = f", and ask {self.listener} where it says so" if self.listener else ""
        return f"load the {self.name} system-call filter ({len(self.program) // 8} BPF instructions){asks}"

    def apply(self, scene: Scene) -> None:
        number = scene.kernel.load_filter(self.program, self.flags, bool(self.listener))
        if self.listener:
            assert scene.offer is not None
            scene.offer(number, self.listener, self.metadata)


class CloseDescriptors(Step):
    __slots__ = ("preserved",)
    preserved: int
    call = "close_range(CLOSE_RANGE_CLOEXEC)"
    why = "no descriptor of the engine goes with the program (CVE-2024-21626)"

    def describe(self) -> str:
        return f"let every descriptor above {2 + self.preserved} close with execve"

    def apply(self, scene: Scene) -> None:
        scene.kernel.close_on_exec_from(3 + self.preserved)
