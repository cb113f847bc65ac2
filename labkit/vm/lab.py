"""The lab VM: the host's own files under another kernel, with the version of cgroups that is wanted.

The host's tree is the lower, read-only layer of an overlay whose upper layer is the guest's memory: everything that
is installed here is there, everything can be changed, and nothing of it comes back. An ordinary user's has such layers
for /tmp and the current folder only; the rest cannot be written to, and belongs to `nobody` as the VM sees it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from labkit.vm import cpio, machine
from labkit.vm.initramfs import Guest
from labkit.vm.kernel import Kernel
from labkit.vm.qemu import Hardware
from labkit.vm.share import Share

MAIN = Path(__file__).with_name("lab.sh")
# The kernel's command line by what /sys/fs/cgroup shall hold: v1's trees, v2's, or v1's with an empty v2's beside them.
CGROUPS = {"v1": "", "v2": "cgroup_no_v1=all", "hybrid": ""}
_PASSED = ("LANG", "LC_ALL", "TERM")
_ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER": "root",
}


def guest(kernel: Kernel, command: list[str], net: bool = False, cgroups: str = "v2") -> Guest:
    """The lab VM's guest for a command, which is run as root in the folder where we are."""
    words = [f"cwd={shlex.quote(os.getcwd())}", f"net={'yes' if net else ''}"]
    words.append(f"cgroups={cgroups}")
    words.append(f"whole={'yes' if os.geteuid() == 0 else ''}")
    words.append(f"modules={shlex.quote(kernel.modules)}")
    environment = _ENVIRONMENT | {name: os.environ[name] for name in _PASSED if name in os.environ}
    words += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    words.append(f"set -- {shlex.join(command)}")
    text = "".join(f"{word}\n" for word in words).encode("utf-8", "surrogateescape")
    modules = ("virtiofs", "overlay", *(("virtio_net",) if net else ()))
    return Guest(MAIN.read_text(), modules, (cpio.file("labkit/command", text),))


def run(
    kernel: Kernel, command: list[str], hardware: Hardware, timeout: float | None = None, cgroups: str = "v2"
) -> int:
    """Run `command` in a lab VM with our own stdio, and return its exit status.  Raises as machine.run().

    `cgroups` is one of CGROUPS.
    """
    hardware.cmdline = f"{CGROUPS[cgroups]} {hardware.cmdline}".strip()
    shares = (Share("host", "/"),)
    return machine.run(kernel, guest(kernel, command, hardware.net, cgroups), hardware, shares, timeout=timeout)
