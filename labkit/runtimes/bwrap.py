"""bubblewrap, the sandbox behind Flatpak: no OCI runtime, so what it can do of a bundle is said in its options.

It makes the same namespaces, mounts and capabilities and loads the same filter, and has neither cgroups nor masked
paths: every figure is flagged `no-cgroup,no-masks`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

from labkit.errors import LabkitError
from labkit.linux.libseccomp import compile_filter
from labkit.linux.proc import read_file
from labkit.runtimes import host_process
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.process import ProcessSandbox, refuse_second, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out
from labkit.spec.load import load_bundle
from labkit.spec.model import Spec

FLAGS = ("no-cgroup", "no-masks")
_INSTALL = "sudo apt-get install bubblewrap"
_NAMESPACES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "user": "user"}


class BwrapSandbox(ProcessSandbox):
    """bwrap's outer process, which waits for the first one of the sandbox, and that for the payload."""

    __slots__ = ("bwrap", "id")

    def __init__(self, asked: int, pid: int, bwrap: Bwrap, id: str) -> None:
        super().__init__(asked, pid, lambda: bwrap.remove(id))
        self.bwrap, self.id = bwrap, id

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill; the payload is the second process of the sandbox's pid namespace."""
        if self.ended():
            return
        for process in self.bwrap.host_processes(self.id):
            if _number_inside(process.pid) == 2:
                os.kill(process.pid, number)
                return
        raise LabkitError(f"the payload of {self.id} does not run yet", "wait for what it says first")


class Bwrap:
    """`bwrap OPTIONS -- COMMAND`; a bundle is translated into options once, before anything is timed."""

    name = "bwrap"
    parameters = "the bundle as options"
    lacks: tuple[str, ...] = ("create", "exec")
    unattributed: tuple[str, ...] = ("what the kernel does for it: it makes no cgroup",)

    def __init__(self) -> None:
        self._living: dict[str, ProcessSandbox] = {}
        self._translated: dict[str, tuple[list[str], int]] = {}

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = shutil.which("bwrap")
        if path is None:
            return Probe(False, reason="not installed", remedy=_INSTALL)
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
        version = re.search(r"\d[\d.]*", answer)
        reason = try_out(self)
        return Probe(not reason, version[0] if version else "", reason, "bwrap --help" if reason else "", FLAGS)

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> BwrapSandbox:
        """See Runtime.start."""
        path = shutil.which("bwrap")
        if path is None:
            raise LabkitError("bwrap is not installed", _INSTALL, 127)
        refuse_second(self._living, id)
        if bundle not in self._translated:
            spec = load_bundle(bundle)
            self._translated[bundle] = (options(spec), _filter(spec))
        translated, program = self._translated[bundle]
        # It reads the filter to its end, so that each start needs a description with an offset of its own.
        descriptor = os.open(f"/proc/self/fd/{program}", os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        try:
            argv = [path, "--seccomp", str(descriptor), *translated]
            asked, pid = spawn(path, argv, os.environ | {VARIABLE: id}, stdio)
        finally:
            os.close(descriptor)
        sandbox = self._living[id] = BwrapSandbox(asked, pid, self, id)
        return sandbox

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> BwrapSandbox:
        """See Runtime.create."""
        raise LabkitError("bwrap makes a sandbox and runs its program in one step", "start() does both")

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; the outer one has the environment, the others are its children."""
        found = host_process.find(id, roles={"bwrap": "runtime"})
        return [HostProcess(one.pid, _role(one), one.found_by) for one in found]

    def cgroups(self, id: str) -> list[str]:
        """None of its own."""
        return []

    def remove(self, id: str) -> None:
        """See Runtime.remove; its sandbox ends with the process that asked for it (--die-with-parent)."""
        host_process.end(lambda: self.host_processes(id))

    def cool(self) -> None:
        """Nothing is kept between two sandboxes that another runtime would not read from its bundle."""


def _role(process: HostProcess) -> str:
    """The outer process and the first of the sandbox are bwrap's own."""
    return "runtime" if _number_inside(process.pid) == 1 else process.role


def _number_inside(pid: int) -> int:
    """The pid that a process of a pid namespace below this one has there; 0 when it is in this one, or gone."""
    try:
        status = read_file(f"/proc/{pid}/status")
    except OSError:
        return 0
    numbers = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
    return int(numbers[-1]) if len(numbers) > 1 else 0


def options(spec: Spec) -> list[str]:
    """The configuration as bwrap(1)'s options, and the command."""
    kinds = {namespace.kind for namespace in spec.linux.namespaces}
    made = [f"--unshare-{flag}" for kind, flag in _NAMESPACES.items() if kind in kinds]
    made += ["--die-with-parent", "--new-session", "--hostname", spec.hostname, "--clearenv"]
    for entry in spec.process.env:
        made += ["--setenv", *entry.split("=", 1)]
    made += ["--ro-bind" if spec.root.readonly else "--bind", spec.root.path, "/", "--proc", "/proc", "--dev", "/dev"]
    made += ["--tmpfs", "/dev/shm", "--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys", "--cap-drop", "ALL"]
    if spec.process.capabilities and "user" not in kinds:
        for name in spec.process.capabilities.bounding:
            made += ["--cap-add", name]
    return [*made, "--chdir", spec.process.cwd, "--", *spec.process.args]


def _filter(spec: Spec) -> int:
    """A descriptor of the compiled filter, for as long as this process lives."""
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    if spec.linux.seccomp:
        os.write(descriptor, compile_filter(*spec.linux.seccomp.profile()))
    return descriptor
