"""Whether this machine's processor is itself emulated, so that everything takes some fifty times as long as on others.

Source: QEMU's x86_cpu_class_init and the model-id of `-cpu max`: "QEMU TCG CPU version 2.5+".
"""

from __future__ import annotations

from labkit.linux.proc import read_file


def emulated() -> bool:
    """Whether /proc/cpuinfo names QEMU's emulator."""
    return "QEMU TCG CPU" in read_file("/proc/cpuinfo")
