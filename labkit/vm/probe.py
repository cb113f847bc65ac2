"""Whether KVM really boots a guest here: a /dev/kvm that opens can still hang one, or kill it."""

from __future__ import annotations

import os
import sys

from labkit.linux.emulated import emulated
from labkit.linux.proc import read_file
from labkit.linux.rundir import rundir
from labkit.vm import machine
from labkit.vm.failure import MachineError
from labkit.vm.initramfs import Guest
from labkit.vm.kernel import Kernel
from labkit.vm.qemu import MIB, Hardware

DEADLINE = 10.0  # seconds; with a KVM that works a guest is up in one
# The same where the processor, KVM's part of it included, is itself an emulator's.
DEADLINE_EMULATED = 180.0
_DEVICE = "/dev/kvm"


def accelerator(kernel: Kernel) -> str:
    """`kvm` where a guest was seen to boot with it, else `tcg`.

    Tried once in each boot of the host, then read from a file of the run-time folder. Raises LabkitError when what
    any guest needs is missing, since that says nothing about KVM.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    boot = read_file("/proc/sys/kernel/random/boot_id").strip()
    path = f"{rundir('vm')}/accelerator"
    try:
        known, _, answer = read_file(path).strip().partition(" ")
        if known == boot and answer in ("kvm", "tcg"):
            return answer
    except FileNotFoundError:
        pass
    answer = "kvm" if boots(kernel, deadline=DEADLINE_EMULATED if emulated() else DEADLINE) else "tcg"
    _write(path, f"{boot} {answer}\n")
    return answer


def boots(kernel: Kernel, name: str = "kvm", deadline: float = DEADLINE) -> bool:
    """Whether a guest that does nothing comes to its end within `deadline` seconds with accelerator `name`."""
    print("labkit: trying whether KVM boots a guest here", file=sys.stderr, flush=True)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        hardware = Hardware(memory=256 * MIB, accelerator=name, cmdline="quiet")
        stdio = (null, null, null)
        return machine.run(kernel, Guest("exit 0"), hardware, (), stdio, deadline, deadline) == 0
    except MachineError:
        return False
    finally:
        os.close(null)


def _write(path: str, text: str) -> None:
    """As a whole or not at all, whoever else probes at the same time."""
    partial = f"{path}.{os.getpid()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    os.rename(partial, path)
