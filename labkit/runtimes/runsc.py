"""gVisor's runsc: a kernel in Go between the program and the host, on a platform that catches its system calls."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import host_process
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.protocol import Probe

PLATFORMS = ("systrap", "ptrace", "kvm")


class Runsc(OciRuntime):
    """The driver for one platform, with runsc's own `options`: those that figures are compared by.

    network     `none` (loopback alone, as the other runtimes have it; unless another is given), `sandbox` (gVisor's
                own stack) or `host` (the stack of the bundle's network namespace)
    overlay2    `all:memory`, `root:memory` … keeps what is written to the root in memory, `none` hands it to the gofer
    directfs    `true` lets the sentry open files itself, `false` asks the gofer for each
    """

    unattributed: tuple[str, ...] = (
        "what the host's kernel does for the sentry's timers and page cache in its own threads",
    )
    # The payload itself is no process of the host: its threads are the sentry's, or run in processes without files.
    member = "stub"
    pid_option = "--internal-pid-file"

    def __init__(self, platform: str, options: Mapping[str, str] | None = None) -> None:
        given = options or {}
        name = "+".join((f"runsc-{platform}", *(f"{option}={value}" for option, value in given.items())))
        self.options = {"platform": platform, "network": "none", **given}
        flags = tuple(f"--{option}={value}" for option, value in self.options.items())
        parameters = ", ".join(f"{option}={value}" for option, value in self.options.items())
        super().__init__(name, "runsc", "runsc", flags, parameters)
        self.platform = platform

    def probe(self) -> Probe:
        """See Runtime.probe; a platform that this build does not have is told from one that does not work here."""
        path = self.path()
        if path is not None:
            try:
                version, known = self.version(path), platforms(path)
            except LabkitError as error:
                return Probe(False, reason=error.message, remedy=error.hint)
            if self.platform not in known:
                reason = f"this runsc has no platform {self.platform}, only {', '.join(known) or 'unknown ones'}"
                return Probe(False, version, reason, "a newer release: https://gvisor.dev/docs/user_guide/install")
            unknown = [option for option in self.options if option not in options_of(path)]
            if unknown:
                reason = f"this runsc has no option --{unknown[0]}"
                return Probe(False, version, reason, "a newer release: https://gvisor.dev/docs/user_guide/install")
            if self.platform == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                return Probe(False, version, "/dev/kvm cannot be opened", "see: ls -l /dev/kvm; sudo adduser $USER kvm")
        return replace(super().probe(), platform=self.platform)

    def command(self) -> list[str]:
        """See OciRuntime.command."""
        rootless = () if os.geteuid() == 0 else ("--rootless",)
        return [*super().command(), *rootless]

    def spawn(self, argv: list[str], stdio: tuple[int, int, int], id: str = "") -> tuple[int, int]:
        """See OciRuntime.spawn; the host's null device is kept from it, which it would give to nobody (fchown(2))."""
        # An empty file in memory ends as soon as it is read, and takes what is written.
        given = [os.memfd_create("null", os.MFD_CLOEXEC) if _is_null(number) else number for number in stdio]
        try:
            return super().spawn(argv, (given[0], given[1], given[2]), id)
        finally:
            for number in set(given) - set(stdio):
                os.close(number)

    @property
    def remedy(self) -> str:
        """See OciRuntime.remedy."""
        others = ", ".join(f"runsc-{platform}" for platform in PLATFORMS if platform != self.platform)
        return f"another platform may work: {others}"

    def roles(self) -> dict[str, str]:
        """See OciRuntime.roles; the sentry and the gofer are named by their own first argument."""
        return {"runsc": "runtime", "runsc-sandbox": "sentry", "runsc-gofer": "gofer"}

    def state_path(self, id: str) -> str:
        """See OciRuntime.state_path."""
        return f"{rundir(self.program)}/{id}_sandbox:{id}.state"

    def end_program(self, id: str, pid: int, timeout: float) -> None:
        """See OciRuntime.end_program; no process of the host is the program, and the pid is one inside."""
        self.call([*self.command(), "kill", "--pid", str(pid), id, "KILL"], timeout)

    def remove(self, id: str) -> None:
        """See OciRuntime.remove; a sandbox that hangs while it starts holds a lock, for which `delete` would wait."""
        host_process.end(lambda: [one for one in self.host_processes(id) if one.role in ("sentry", "gofer", "stub")])
        super().remove(id)
        # One that was killed before its state was written leaves the lock that it held.
        for left in (self.state_path(id), f"{rundir(self.program)}/{id}_sandbox:{id}.lock"):
            if os.path.exists(left):
                os.unlink(left)


def platforms(path: str) -> tuple[str, ...]:
    """The platforms that this build of runsc has, as `runsc help platforms` lists them."""
    try:
        answer = subprocess.run([path, "help", "platforms"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabkitError(f"{path} help platforms: {error}", "reinstall runsc") from error
    return tuple(word for word in answer.stdout.split() if word in PLATFORMS)


def options_of(path: str) -> frozenset[str]:
    """The options that this build of runsc has before its verbs, as `runsc flags` lists them."""
    try:
        answer = subprocess.run([path, "flags"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabkitError(f"{path} flags: {error}", "reinstall runsc") from error
    return frozenset(re.findall(r"^\s+-([\w-]+)", answer.stdout + answer.stderr, re.MULTILINE))


def _is_null(descriptor: int) -> bool:
    return os.fstat(descriptor).st_rdev == os.makedev(1, 3)
