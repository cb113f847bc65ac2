"""gVisor's runsc: a kernel in Go between the program and the host, on a platform that catches its system calls."""

from __future__ import annotations

import os
import signal
import subprocess

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.protocol import Probe

PLATFORMS = ("systrap", "ptrace", "kvm")


class Runsc(OciRuntime):
    """The driver for one platform; the sandbox has no network, as the other runtimes' has none but loopback."""

    def __init__(self, platform: str) -> None:
        flags = (f"--platform={platform}", "--network=none")
        super().__init__(f"runsc-{platform}", "runsc", "runsc", flags, f"platform={platform}, network=none")
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
            if self.platform == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                return Probe(False, version, "/dev/kvm cannot be opened", "see: ls -l /dev/kvm; sudo adduser $USER kvm")
        return super().probe()

    def command(self) -> list[str]:
        """See OciRuntime.command."""
        rootless = () if os.geteuid() == 0 else ("--rootless",)
        return [*super().command(), *rootless]

    @property
    def remedy(self) -> str:
        """See OciRuntime.remedy."""
        others = ", ".join(f"runsc-{platform}" for platform in PLATFORMS if platform != self.platform)
        return f"another platform may work: {others}"

    def remove(self, id: str) -> None:
        """See OciRuntime.remove; a sandbox that hangs while it starts holds a lock, for which `delete` would wait."""
        _kill_sentry_and_gofer(id)
        super().remove(id)
        # One that was killed before its state was written leaves the lock that it held.
        lock = f"{rundir(self.program)}/{id}_sandbox:{id}.lock"
        if os.path.exists(lock):
            os.unlink(lock)


def platforms(path: str) -> tuple[str, ...]:
    """The platforms that this build of runsc has, as `runsc help platforms` lists them."""
    try:
        answer = subprocess.run([path, "help", "platforms"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabkitError(f"{path} help platforms: {error}", "reinstall runsc") from error
    return tuple(word for word in answer.stdout.split() if word in PLATFORMS)


def _kill_sentry_and_gofer(id: str) -> None:
    """Kill every process that has the sandbox's id as an argument of its own."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
            if id.encode() in arguments and b"runsc" in arguments[0]:
                os.kill(int(pid), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # It has ended meanwhile.
