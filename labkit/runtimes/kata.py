"""Kata Containers: each sandbox in a virtual machine, by containerd's shim (2.x to 4.x) or the OCI command line (1.x).

A creation that fails can empty the root filesystem it was given: Kata gets a copy that is thrown away, and never the
one that sandboxes share. It mounts below the host's `/`, which must be a shared mount for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import host_process, kata_parts, shared_root
from labkit.runtimes.containerd import Containerd
from labkit.runtimes.engine import EngineSandbox, call
from labkit.runtimes.host_process import HostProcess
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.oci_sandbox import CreatedSandbox, OciSandbox
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.runc import runc

HYPERVISORS = ("qemu", "clh", "fc", "dragonball")
PAGE = "install upstream's release: https://github.com/kata-containers/kata-containers/releases"
_UNATTRIBUTED = (
    "the guest's page cache and the host's, which hold the same file twice",
    "what the host's kernel does for the guest in the threads of KVM and vhost",
)
# Upstream's release has everything below /opt/kata; what is in Rust has a folder of its own.
_FOLDERS = ("/opt/kata/bin", "/opt/kata/runtime-rs/bin", "/usr/local/bin", "/usr/bin")
_DEVICES = ("/dev/kvm", "/dev/vhost-vsock")


class KataSandbox(EngineSandbox):
    """A sandbox that remembers the signal it was ended by, which the status does not always tell."""

    __slots__ = ("sent",)

    def __init__(self, sandbox: EngineSandbox) -> None:
        for name in ("asked", "pid", "pidfd", "remove", "status", "lost", "engine", "id"):
            setattr(self, name, getattr(sandbox, name))
        self.sent = 0

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill."""
        super().kill(number, timeout)
        self.sent = int(number)

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        status = super().wait(timeout)
        return kata_parts.killed(status, self.sent) if self.sent else status


class Kata(Containerd):
    """`ctr run --runtime io.containerd.kata-HYPERVISOR.v2`.

    The name of a runtime is containerd's way to the shim's program: `containerd-shim-kata-qemu-v2` is a script of
    labkit's own, which sets KATA_CONF_FILE and becomes the shim.
    """

    unattributed: tuple[str, ...] = (*_UNATTRIBUTED, *Containerd.unattributed)
    roles = {**Containerd.roles, **kata_parts.ROLES}

    def __init__(self, hypervisor: str, runtime: str | None = None) -> None:
        super().__init__(runc())
        self.name = f"kata-{hypervisor}"
        self.parameters = f"hypervisor={hypervisor}, shim v2"
        self.hypervisor = hypervisor
        # Another one than Kata's takes the same way, for tests where there is no Kata.
        self.runtime = runtime or f"io.containerd.kata-{hypervisor}.v2"
        self._thread: ThreadPoolExecutor | None = None

    def thread(self) -> ThreadPoolExecutor | None:
        """See Containerd.thread."""
        if self._thread is None:
            self._thread = shared_root.thread(self.name)
        return self._thread

    def environment(self) -> dict[str, str]:
        """See Containerd.environment; the shim's script is found before all others."""
        return {"PATH": f"{_shims()}:{os.environ.get('PATH', '')}"}

    def probe(self) -> Probe:
        """See Runtime.probe."""
        shim = self.shim()
        if shim is None:
            return Probe(False, reason="not installed", remedy=PAGE)
        try:
            words = call("kata", [shim, "--version"], dict(os.environ), DEADLINE, None)
            version = kata_parts.version(words.stdout + words.stderr)
        except (LabkitError, OSError) as error:
            return Probe(False, reason=str(error), remedy=PAGE)
        if self.configuration() is None:
            return Probe(False, version, f"no configuration for {self.hypervisor}", PAGE)
        for device in _DEVICES:
            if not os.access(device, os.R_OK | os.W_OK):
                remedy = "sudo modprobe vhost_vsock" if "vsock" in device else "enable virtualisation in the firmware"
                return Probe(False, version, f"{device} cannot be opened", remedy)
        if complaint := self.check():
            return Probe(False, version, complaint, "all that it says: kata-runtime check, or kata-ctl check all")
        return super().probe()

    def check(self) -> str:
        """What Kata's own check of the host complains of; "" when it does not, or there is none."""
        path = ":".join(_FOLDERS)
        for program, *words in (["kata-runtime", "check", "--no-network-checks"], ["kata-ctl", "check", "all"]):
            found = shutil.which(program, path=path)
            if found:
                answer = call(program, [found, *words], dict(os.environ), DEADLINE, None)
                return kata_parts.complaint(answer.stdout + answer.stderr) if answer.returncode else ""
        return ""

    def shim(self) -> str | None:
        """Upstream's shim; dragonball is the one in Rust's alone."""
        folders = [place for place in _FOLDERS if ("runtime-rs" in place) == (self.hypervisor == "dragonball")]
        return shutil.which("containerd-shim-kata-v2", path=":".join(folders or _FOLDERS))

    def configuration(self) -> str | None:
        """The file that chooses the hypervisor."""
        for place in ("/opt/kata/share/defaults/kata-containers", "/usr/share/defaults/kata-containers"):
            for below in ("", "runtime-rs/"):
                path = f"{place}/{below}configuration-{self.hypervisor}.toml"
                if os.path.exists(path):
                    return path
        return None

    def run_words(self, bundle: str, id: str) -> list[str]:
        """See Containerd.run_words; the bundle is a copy, with a root filesystem of its own."""
        self._write_shim()
        return ["--config", f"{self._copy(bundle, id)}/config.json", "--runtime", self.runtime]

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> EngineSandbox:
        """See Runtime.start; the copy is made before the clock starts."""
        return KataSandbox(super().start(bundle, id, stdio))

    def _copy(self, bundle: str, id: str) -> str:
        return copy_bundle(bundle, f"{rundir('kata')}/{id}")

    def _write_shim(self) -> None:
        shim, configuration = self.shim(), self.configuration()
        if shim is None or configuration is None:
            return
        path = f"{_shims()}/containerd-shim-kata-{self.hypervisor}-v2"
        with open(f"{path}.{os.getpid()}", "w") as file:
            file.write(f'#!/bin/sh\nKATA_CONF_FILE={configuration} exec {shim} "$@"\n')
            os.fchmod(file.fileno(), 0o755)
        os.rename(f"{path}.{os.getpid()}", path)

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; hypervisor and virtiofsd are told by their command lines (kata_parts)."""
        found = {process.pid: process for process in super().host_processes(id)}
        for process in host_process.find(id, self.cgroups(id), self.roles, kata_parts.marks(id), "hypervisor"):
            found.setdefault(process.pid, process)
        return [found[pid] for pid in sorted(found)]

    def remove(self, id: str) -> None:
        """See Runtime.remove."""
        super().remove(id)
        for folder in kata_parts.state_folders(id):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(f"{rundir('kata')}/{id}", ignore_errors=True)


class Kata1(OciRuntime):
    """`kata-runtime`, the OCI command line of 1.x; it logs to /dev/log, and must find somebody there."""

    unattributed: tuple[str, ...] = _UNATTRIBUTED
    member = "hypervisor"

    def __init__(self) -> None:
        super().__init__("kata-1", "kata-runtime", PAGE, parameters="OCI command line")

    def probe(self) -> Probe:
        """See Runtime.probe; later versions have a program of that name, which is no OCI runtime."""
        path = self.path()
        if path is not None:
            try:
                version = kata_parts.version(self.call([path, "--version"]).stdout)
            except OSError as error:
                return Probe(False, reason=f"{path}: {error.strerror}", remedy=PAGE)
            if not version.startswith("1."):
                return Probe(False, version, "only the version 1 is an OCI command line", "the runtime is kata-qemu")
            if not os.path.exists("/dev/log"):
                return Probe(False, version, "nobody listens at /dev/log", "sudo apt-get install rsyslog")
        return super().probe()

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> OciSandbox:
        """See Runtime.start."""
        return super().start(copy_bundle(bundle, f"{rundir('kata')}/{id}"), id, stdio)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> CreatedSandbox:
        """See Runtime.create."""
        return super().create(copy_bundle(bundle, f"{rundir('kata')}/{id}"), id, stdio, timeout)

    def roles(self) -> dict[str, str]:
        """See OciRuntime.roles."""
        return kata_parts.ROLES

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes."""
        return host_process.find(id, self.cgroups(id), self.roles(), kata_parts.marks(id), self.member)

    def remove(self, id: str) -> None:
        """See OciRuntime.remove."""
        super().remove(id)
        for folder in kata_parts.state_folders(id):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(f"{rundir('kata')}/{id}", ignore_errors=True)


def copy_bundle(bundle: str, folder: str) -> str:
    """A copy of the bundle and of its root filesystem in `folder`, which Kata may ruin; returns the folder.

    Files share their blocks where the filesystem can (`cp --reflink=auto`). Raises LabkitError when it is there.
    """
    try:
        os.mkdir(folder)
    except FileExistsError:
        raise LabkitError(f"there is a sandbox {os.path.basename(folder)!r} of Kata", "choose another id") from None
    try:
        with open(f"{bundle}/config.json", encoding="utf-8") as file:
            configuration = json.load(file)
        original = os.path.join(bundle, configuration["root"]["path"])
        configuration["root"]["path"] = f"{folder}/rootfs"
        words = ["cp", "-a", "--reflink=auto", original, f"{folder}/rootfs"]
        answer = call("cp", words, dict(os.environ), 600, None)
        if answer.returncode:
            raise LabkitError(f"the root filesystem cannot be copied: {answer.stderr.strip()}", "make room")
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(configuration, file)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _shims() -> str:
    """The folder of labkit's own scripts that choose a hypervisor."""
    return rundir("kata-shims")
