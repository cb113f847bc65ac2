"""bubblewrap, the sandbox behind Flatpak: no OCI runtime, so what it can do of a bundle is said in its options.

It makes the same namespaces, mounts and capabilities and loads the same filter, and has neither cgroups nor masked
paths: every figure is flagged `no-cgroup,no-masks`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from labkit.errors import LabkitError
from labkit.linux.libseccomp import compile_filter
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import Probe
from labkit.runtimes.trial_run import try_out
from labkit.spec.load import load_bundle
from labkit.spec.model import Spec

FLAGS = ("no-cgroup", "no-masks")
_INSTALL = "sudo apt-get install bubblewrap"
_NAMESPACES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "user": "user"}


class Bwrap:
    """`bwrap OPTIONS -- COMMAND`; a bundle is translated into options once, before anything is timed."""

    name = "bwrap"
    parameters = "the bundle as options"

    def __init__(self) -> None:
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

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ProcessSandbox:
        """See Runtime.start."""
        path = shutil.which("bwrap")
        if path is None:
            raise LabkitError("bwrap is not installed", _INSTALL, 127)
        if bundle not in self._translated:
            spec = load_bundle(bundle)
            self._translated[bundle] = (options(spec), _filter(spec))
        translated, program = self._translated[bundle]
        # It reads the filter to its end, so that each start needs a description with an offset of its own.
        descriptor = os.open(f"/proc/self/fd/{program}", os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        try:
            argv = [path, "--seccomp", str(descriptor), *translated]
            asked, pid = spawn(path, argv, dict(os.environ), stdio)
        finally:
            os.close(descriptor)
        return ProcessSandbox(asked, pid, lambda: self.remove(id))

    def remove(self, id: str) -> None:
        """Nothing: its sandbox ends with the process that asked for it (--die-with-parent)."""

    def cool(self) -> None:
        """Nothing is kept between two sandboxes that another runtime would not read from its bundle."""


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
