"""Steps that turn the child into the container's process: names, limits, identity, privileges, filter, program."""

from __future__ import annotations

import errno
import os

from labkit.errors import StepError
from labkit.linux.namespaces import CLONE_NEWCGROUP
from labkit.plan.step import Scene, Step

_SIGKILL = 9
_EXECVE_HINTS = {
    errno.EACCES: "check the file's permissions, and that its filesystem is not mounted noexec",
    errno.E2BIG: "arguments and environment are together too large (execve(2), Limits); pass them by a file or stdin",
    errno.ELOOP: "it is a symbolic link to itself",
    errno.ENOEXEC: "a script needs a #! line as its first",
    errno.ENOMEM: "give it a higher memory limit",
}


class NewSession(Step):
    __slots__ = ()
    call = "setsid"
    why = "without a controlling terminal nothing can be typed into the caller's (TIOCSTI)"

    def describe(self) -> str:
        return "leave the caller's session"

    def apply(self, scene: Scene) -> None:
        os.setsid()


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


class AwaitParent(Step):
    __slots__ = ("until",)
    until: str
    call = "recvmsg"
    why = "only a process outside can do it; all that does not need it is done meanwhile"

    def describe(self) -> str:
        return f"wait until {self.until}"

    def apply(self, scene: Scene) -> None:
        assert scene.wait is not None
        scene.wait()


class BecomeRoot(Step):
    __slots__ = ()
    call = "setresgid, setresuid"
    why = "the process still has its outer ids, which the maps may not contain"

    def describe(self) -> str:
        return "become user 0 of the new user namespace"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_user(0, 0, None)


class EnterCgroupNamespace(Step):
    __slots__ = ()
    call = "unshare(CLONE_NEWCGROUP)"
    why = "after the process was put in its cgroups: the namespace's root is where its maker stands"

    def describe(self) -> str:
        return "see its own cgroups as the root of the cgroup trees"

    def apply(self, scene: Scene) -> None:
        scene.kernel.unshare(CLONE_NEWCGROUP)


class EnterTimeNamespace(Step):
    __slots__ = ("offsets",)
    offsets: str
    call = "unshare(CLONE_NEWTIME), write /proc/self/timens_offsets, setns"
    why = "offsets can be set only while the namespace has no member"

    def describe(self) -> str:
        return "shift the monotonic and boot-time clocks: " + ", ".join(self.offsets.split("\n"))

    def apply(self, scene: Scene) -> None:
        scene.kernel.enter_time_namespace(self.offsets)


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


class NoNewPrivileges(Step):
    __slots__ = ()
    call = "prctl(PR_SET_NO_NEW_PRIVS)"
    why = "set-user-ID programs and file capabilities of the image give nothing"

    def describe(self) -> str:
        return "give up gaining privileges by execve"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_no_new_privs()


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
            hint = "make the folder in the image, or give another with --cwd"
            raise StepError("EnterFolder", error.errno or 0, f"{self.path}: {error.strerror}", hint) from error
        # CVE-2024-21626: through a leaked descriptor a working folder can lie outside; getcwd(3) then fails or says so.
        if not os.getcwd().startswith("/"):
            raise OSError(errno.EPERM, "the working folder is outside the container", self.path)


class DieWithParent(Step):
    __slots__ = ()
    call = "prctl(PR_SET_PDEATHSIG)"
    why = "a killed engine leaves no container running; set late, since a change of user clears it"

    def describe(self) -> str:
        return "be killed when the engine dies"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_parent_death_signal(_SIGKILL)


class LoadSeccomp(Step):
    __slots__ = ("name", "program")
    name: str
    program: bytes
    call = "seccomp(SECCOMP_SET_MODE_FILTER)"
    why = "last, so that nothing the engine itself must still do has to be allowed"

    def describe(self) -> str:
        return f"load the {self.name} system-call filter ({len(self.program) // 8} BPF instructions)"

    def apply(self, scene: Scene) -> None:
        scene.kernel.load_filter(self.program)


class CloseDescriptors(Step):
    __slots__ = ()
    call = "close_range(CLOSE_RANGE_CLOEXEC)"
    why = "no descriptor of the engine goes with the program (CVE-2024-21626)"

    def describe(self) -> str:
        return "let every descriptor above 2 close with execve"

    def apply(self, scene: Scene) -> None:
        scene.kernel.close_on_exec_from(3)


class Execute(Step):
    __slots__ = ("args", "env")
    args: tuple[str, ...]
    env: tuple[str, ...]
    call = "execve"
    why = "the last step: from here on the program runs"

    def describe(self) -> str:
        return "become " + " ".join(self.args)

    def apply(self, scene: Scene) -> None:
        environment = dict(entry.split("=", 1) for entry in self.env)
        command = self.args[0]
        if "/" in command:
            candidates = [command]
        else:
            candidates = [
                f"{folder or '.'}/{command}" for folder in environment.get("PATH", "/bin:/usr/bin").split(":")
            ]
        refused: OSError | None = None
        for path in candidates:
            try:
                os.execve(path, self.args, environment)
            except OSError as error:
                # As execvp(3): go on over what is not there, remember what is there and may not run.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    refused = error
        raise self._failure(command, candidates, refused)

    def _failure(self, command: str, candidates: list[str], refused: OSError | None) -> StepError:
        if refused is None:
            if any(os.path.lexists(path) for path in candidates):
                hint = "the file is there: its interpreter (#! line or dynamic loader) is not in the container"
            else:
                hint = "check the name, the image and PATH"
            return StepError("Execute", errno.ENOENT, f"{command}: command not found in the container", hint, 127)
        reason, hint = refused.strerror or "", _EXECVE_HINTS.get(refused.errno or 0, "see execve(2)")
        if refused.errno == errno.ENOEXEC:
            reason = "not a program of this machine"
        elif any(os.path.isdir(path) for path in candidates):
            reason, hint = "is a folder", "name a program in it"
        return StepError("Execute", refused.errno or 0, f"{command}: {reason}", hint, 126)
