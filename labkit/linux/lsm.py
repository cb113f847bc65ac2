"""Which security modules this kernel has at work: proc_pid_attr(5), and what each says of itself."""

from __future__ import annotations

from labkit.linux import os
from labkit.linux.proc import read_file, write_file

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def active() -> tuple[str, ...]:
    """The names among AppArmor and SELinux of those that are at work."""
    found = []
    if os.path.exists(_APPARMOR) and read_file(_APPARMOR).startswith("Y"):
        found.append("AppArmor")
    if os.path.exists(_SELINUX):
        found.append("SELinux")
    return tuple(found)


def label_on_exec(module: str, label: str) -> None:
    """Let the next execve of this process be under the profile, or with the context, `label` (apparmor(7))."""
    if module == "SELinux":
        write_file("/proc/self/attr/exec", label)
        return
    try:
        # Of its own since Linux 5.8, so that it does not depend on which module is the first.
        write_file("/proc/self/attr/apparmor/exec", f"exec {label}")
    except FileNotFoundError:
        write_file("/proc/self/attr/exec", f"exec {label}")
