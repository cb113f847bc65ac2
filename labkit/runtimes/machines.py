"""What virtual machines need, each part asked for its state on this host: platforms, hypervisors and their helpers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

from labkit.errors import LabkitError
from labkit.runtimes.finding import Finding
from labkit.runtimes.kata import PAGE
from labkit.vm import kernel, qemu, share

# Program -> what brings it, and the runtimes that use it.
_HYPERVISORS = {
    "cloud-hypervisor": (PAGE, "kata-clh"),
    "firecracker": (PAGE, "kata-fc"),
}
_DEADLINE = 20.0


def examine() -> Iterator[Finding]:
    """QEMU, the other hypervisors, virtiofsd, the guest kernel, and the devices for host and guest to talk by."""
    yield _qemu()
    for name, (remedy, user) in _HYPERVISORS.items():
        yield _hypervisor(name, remedy, user)
    yield _asked("virtiofsd", lambda: _version(share.virtiofsd()))
    yield _asked("guest kernel", lambda: kernel.find().release)
    yield _device("/dev/vhost-vsock", "vhost_vsock", "Kata 2 and later talks to its guests by it")
    yield _device("/dev/net/tun", "tun", "guests get their network by it")


def _qemu() -> Finding:
    return _asked("QEMU", lambda: qemu.version().removeprefix("QEMU "))


def _asked(name: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding("hypervisor", name, True, ask())
    except LabkitError as error:
        return Finding("hypervisor", name, False, "", error.message, error.hint)


def _hypervisor(name: str, remedy: str, user: str) -> Finding:
    path = shutil.which(name, path=f"/opt/kata/bin:{os.environ.get('PATH', '')}")
    if path is None:
        return Finding("hypervisor", name, False, "", f"not installed; {user} uses it", remedy)
    return _asked(name, lambda: _version(path))


def _version(path: str) -> str:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_DEADLINE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabkitError(f"{path} --version: {error}", "install it again") from error
    found = re.search(r"\d+\.\d[\w.+~-]*", answer.stdout + answer.stderr)
    return found[0] if found else "of unknown version"


def _device(path: str, module: str, why: str) -> Finding:
    if os.access(path, os.R_OK | os.W_OK):
        return Finding("hypervisor", path, True, "opens")
    reason = "not accessible to this user" if os.path.exists(path) else f"there is none; {why}"
    return Finding("hypervisor", path, False, "", reason, f"sudo modprobe {module}")
