"""The processes that Kata Containers has on the host for one sandbox, told by their command lines.

    version  part            its command line
    1.x      qemu            `-name sandbox-ID,debug-threads=on`
             proxy           kata-proxy -listen-socket unix:///run/vc/sbs/ID/proxy.sock …
             shim            kata-shim … -container ID
    2.x, 3.x shim            containerd-shim-kata-v2 … -id ID
             qemu            `-name sandbox-ID,debug-threads=on`
             virtiofsd       two processes with source=/run/kata-containers/shared/sandboxes/ID/shared
             cloud-hypervisor, firecracker   sockets below /run/vc/vm/ID
    dragonball               runs inside the shim, and has no process

With the default configuration the hypervisor and its helpers sit in `/vc`, `/kata_overhead/ID` or the caller's cgroup,
so that a cgroup alone finds neither. State is in /run/vc/{vm,sbs}/ID,
/run/kata-containers/shared/sandboxes/ID and, with the runtime in Rust, /run/kata/ID.
"""

from __future__ import annotations

import os
import re

ROLES = {
    "ctr": "client",
    "kata-runtime": "runtime",
    "kata-proxy": "proxy",
    "kata-shim": "shim",
    "containerd-shim-kata-v2": "shim",
    "virtiofsd": "virtiofsd",
    "cloud-hypervisor": "hypervisor",
    "firecracker": "hypervisor",
    "qemu-system-x86_64": "hypervisor",
    "qemu-system-aarch64": "hypervisor",
    "qemu-lite-system-x86_64": "hypervisor",
    "qemu-vanilla-system-x86_64": "hypervisor",
}
_STATE = ("/run/vc/vm", "/run/vc/sbs", "/run/kata-containers/shared/sandboxes", "/run/kata")


def marks(id: str) -> tuple[str, ...]:
    """The words besides the id by which a part's command line names its sandbox."""
    return (f"sandbox-{id}",)


def part(command: bytes, id: str) -> str:
    """The part that a process has in the sandbox `id`, from the text of its /proc/PID/cmdline; "" when it has none."""
    arguments = command.decode(errors="replace").split("\0")
    words = {word for argument in arguments[1:] for word in re.split(r"[=/,:]", argument)} | set(arguments[1:])
    if not words & {id, *marks(id)}:
        return ""
    return ROLES.get(os.path.basename(arguments[0]), "")


def state_folders(id: str) -> list[str]:
    """What Kata keeps of the sandbox on the host, and leaves when it is killed."""
    return [f"{place}/{id}" for place in _STATE if os.path.isdir(f"{place}/{id}")]


def version(text: str) -> str:
    """The version from the first lines of `kata-runtime --version` or `containerd-shim-kata-v2 --version`."""
    found = re.search(r"(?:kata-runtime|containerd-shim)\S*\s*:?\s+(?:\S+:\s+)?v?(\d+\.\d+\.\d+\S*)", text)
    found = found or re.search(r"version:?\s+v?(\d+\.\d+\.\d+[^,\s]*)", text)
    return found[1] if found else ""


def complaint(text: str) -> str:
    """Why a host cannot run Kata, from what `kata-runtime check` or `kata-ctl check all` says; "" when it can."""
    errors = re.findall(r'level=error msg="((?:[^"\\]|\\.)*)"', text)
    errors += re.findall(r"^ERRO\[\d+\] (.+?)(?: {2,}|$)", text, re.MULTILINE)
    errors += re.findall(r"^ERROR: (.+)$", text, re.MULTILINE)
    # The last line only sums up what the ones before have found.
    return errors[0].strip() if errors else ""


def killed(status: int, number: int) -> int:
    """The status of a payload that was sent signal `number`, which Kata 3 gives as the number alone."""
    return 128 + number if status == number else status
