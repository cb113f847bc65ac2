"""What a container in a VM takes to start, beside what the same kernel takes to reach its first process there."""

from __future__ import annotations

from labkit.runtimes.microvm import Microvm
from labkit.spec.load import load_bundle
from labkit.vm import bare, kernel, probe, sandbox
from labkit.vm.guest_bundle import take_apart
from labkit.vm.qemu import Hardware
from labkit.workloads import first_instruction, startup
from labkit.workloads.measurement import Measurement

METRIC = "boot"


def container(runtime: Microvm, place: str, id: str, log: int) -> list[Measurement]:
    """From asking the runtime for the bundle `place` to its payload's first instruction; raises as startup.trial()."""
    [first] = [one for one in startup.trial(runtime, place, id, log) if one.metric == "first_instruction"]
    return [Measurement(METRIC, "s", first.value)]


def kernel_alone(runtime: Microvm, place: str, log: int) -> list[Measurement]:
    """From asking QEMU for the machine that the runtime would give the bundle to the kernel's first process."""
    parts = take_apart(load_bundle(place), rootless=False)
    chosen = kernel.find()
    hardware = Hardware(parts.memory, parts.cpus, probe.accelerator(chosen), cmdline=sandbox.CMDLINE)
    hardware.machine = runtime.machine
    return [Measurement(METRIC, "s", bare.to_init(chosen, hardware, log, first_instruction.TIMEOUT))]
