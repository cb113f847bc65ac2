"""What must be known of a host to read a figure measured on it."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import shutil
import subprocess

import labkit
from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.images.cache import stored

_VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities"


def gather() -> dict[str, object]:
    """The facts as plain JSON values: sizes in bytes, `load` the three load averages, `started` in ISO 8601, UTC."""
    return {
        "host": host(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "distribution": _distribution(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "cgroup_mode": detect().mode,
        "virtualization": _virtualization(),
        "clocksource": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not shown by this host",
        "mitigations": {name: _read(f"{_VULNERABILITIES}/{name}") for name in sorted(_names(_VULNERABILITIES))},
        "lsm": _read("/sys/kernel/security/lsm") or "none shown",
        "privileged": os.geteuid() == 0,
        "images": _images(),
        "load": list(os.getloadavg()),
        "labkit": labkit.__version__,
        "python": platform.python_version(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def host() -> str:
    """A name for this host that tells it from others without giving it away: a hash of its machine-id(5)."""
    identity = _read("/etc/machine-id") or platform.node()
    return hashlib.sha256(f"labkit {identity}".encode()).hexdigest()[:12]


def steal_ticks() -> tuple[int, int]:
    """(ticks that a hypervisor took from this host's CPUs, all ticks), counted from boot (proc_stat(5))."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    # The last two, guest and guest_nice, are counted in user and nice already.
    return ticks[7], sum(ticks[:8])


def _images() -> list[str]:
    """Each cached image's name and digest: its manifest's, where others have made it, else that of what it holds."""
    try:
        found = [facts for _, facts in stored()]
    except LabkitError:
        return []  # A run that needs no image goes on without a cache.
    # Without the folder or the registry, which tell of this host.
    names = [str(facts.get("reference")).rpartition("/")[2] for facts in found]
    return [f"{name} {facts.get('manifest') or facts.get('digest')}" for name, facts in zip(names, found, strict=True)]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _cpu() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "CPU part"):
            return value.strip()
    return "unknown"


def _virtualization() -> str:
    """The hypervisor that systemd-detect-virt(1) finds, else whether the CPU reports one."""
    program = shutil.which("systemd-detect-virt")
    if program:
        answer = subprocess.run(
            [program, "--vm"], capture_output=True, text=True, timeout=10, check=False
        ).stdout.strip()
        if answer not in ("", "none"):
            return answer
    return "a hypervisor" if " hypervisor" in _read("/proc/cpuinfo") else "none found"
