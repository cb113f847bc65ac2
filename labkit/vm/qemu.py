"""QEMU's command line for a guest.  Source: qemu-system-x86_64(1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from labkit.errors import MissingError
from labkit.vm import tsc

PROGRAMS = {"x86_64": ("qemu-system-x86_64", "qemu-system-x86")}
# Nothing of the kernel's own start is hidden: it is all there is to see of a guest that does not get to its init.
CMDLINE = "console=ttyS0 panic=-1"
# Emulated code is translated anew wherever it stands in memory, which at random places takes twice the time; and an
# emulator has none of the faults that the kernel's mitigations work around. Its processor's randomness is the host's.
CMDLINE_EMULATED = "norandmaps mitigations=off random.trust_cpu=on"
MIB = 1 << 20
# QEMU's machine types by what the names of their virtio devices end in, and the guest's module for the bus of those.
MACHINES = {"q35": ("pci", "virtio_pci"), "microvm": ("device", "virtio_mmio")}


class Hardware:
    """What the guest finds: `memory` in bytes, `cpus` whole ones, `net` QEMU's user-mode network.

    Where `tap` is a tap's descriptor (-1: none) its network is there instead, and `mac` its own address.
    `accelerator` is `kvm` or `tcg`; `cmdline` is added to the kernel's command line; `machine` is one of MACHINES.
    """

    __slots__ = ("accelerator", "cmdline", "cpus", "mac", "machine", "memory", "net", "tap")

    def __init__(
        self, memory: int = 1024 * MIB, cpus: int = 1, accelerator: str = "tcg", net: bool = False, cmdline: str = ""
    ) -> None:
        self.memory = memory
        self.cpus = cpus
        self.accelerator = accelerator
        self.net = net
        self.cmdline = cmdline
        self.tap = -1
        self.mac = ""
        self.machine = "q35"


def program() -> str:
    """The path of QEMU for guests of this machine's kind.  Raises MissingError."""
    machine = os.uname().machine
    if machine not in PROGRAMS:
        raise MissingError(f"no VM on {machine}", f"guests are written for {' and '.join(PROGRAMS)}")
    name, package = PROGRAMS[machine]
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"{name} is not installed", f"sudo apt-get install --no-install-recommends {package}")
    return path


def version() -> str:
    """`QEMU 7.2.22`, from its own first line."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d[\w.]*)", said)
    return f"QEMU {found[1] if found else 'of unknown version'}"


def command(
    hardware: Hardware,
    image: str,
    initramfs: int,
    console: int,
    ports: tuple[int, ...],
    shares: dict[str, int],
    servers: tuple[int, ...] = (),
) -> list[str]:
    """The words that start the guest; all numbers are descriptors that QEMU inherits.

    `initramfs` is a file's, the others connected sockets': the kernel's `console`, the virtio-serial `ports` in the
    order of their numbers from 1, and for each tag of `shares` the one to its virtiofsd. `servers` are listening ones,
    for further ports, to which one after the other may connect.
    """
    bus = MACHINES[hardware.machine][0]
    words = [program(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    # A fault of QEMU's gives the guest no new program and no new rights on the host.
    words += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    words += ["-machine", f"{hardware.machine},memory-backend=memory", *_processor(hardware)]
    if bus == "device":
        # By default QEMU gives virtio-mmio the form of before virtio 1.0, with which virtiofsd does not work.
        words += ["-global", "virtio-mmio.force-legacy=false"]
    # virtiofsd reads and writes the guest's memory, so it is shared.
    words += ["-object", f"memory-backend-memfd,id=memory,size={hardware.memory},share=on"]
    words += ["-m", f"{hardware.memory // MIB}M", "-smp", _processors(hardware)]
    words += ["-kernel", image, "-initrd", f"/proc/self/fd/{initramfs}"]
    cmdline = (CMDLINE, _emulated(hardware) if hardware.accelerator == "tcg" else "", hardware.cmdline)
    words += ["-append", " ".join(part for part in cmdline if part)]
    words += ["-chardev", f"socket,id=console,fd={console}", "-serial", "chardev:console"]
    most = len(ports) + len(servers) + 1
    if hardware.accelerator == "kvm":
        words += ["-device", f"virtio-rng-{bus}"]
    words += ["-device", f"virtio-serial-{bus},max_ports={most}"]
    listening = [f"{port},server=on,wait=off" for port in servers]
    for number, port in enumerate((*ports, *listening), 1):
        words += ["-chardev", f"socket,id=port{number},fd={port}"]
        words += ["-device", f"virtserialport,chardev=port{number},nr={number}"]
    for tag, descriptor in shares.items():
        words += ["-chardev", f"socket,id=share-{tag},fd={descriptor}"]
        words += ["-device", f"vhost-user-fs-{bus},chardev=share-{tag},tag={tag}"]
    # romfile: no boot over the network, whose program is a package of its own.
    rom = ",romfile=" if bus == "pci" else ""
    if hardware.tap >= 0:
        words += ["-netdev", f"tap,id=net,fd={hardware.tap}"]
        words += ["-device", f"virtio-net-{bus},netdev=net,mac={hardware.mac}{rom}"]
    elif hardware.net:
        words += ["-netdev", "user,id=net", "-device", f"virtio-net-{bus},netdev=net{rom}"]
    return words


def modules(hardware: Hardware) -> tuple[str, ...]:
    """The guest's modules for the bus of its devices and for what it has its randomness from.

    Without the latter it would wait; an emulated processor has an instruction for it (RDRAND), by which QEMU asks the
    host, and does without the device.
    """
    bus = MACHINES[hardware.machine][1]
    return (bus, "virtio_rng") if hardware.accelerator == "kvm" else (bus,)


def _emulated(hardware: Hardware) -> str:
    """What the kernel of an emulated machine is told.

    That of the machine `microvm` has nothing to measure its time stamp counter by, neither PIT nor HPET nor ACPI's
    timer, and would wait for the first tick for ever: it is told how fast the counter runs, which is the host's.
    """
    if hardware.machine != "microvm":
        return CMDLINE_EMULATED
    return f"{CMDLINE_EMULATED} tsc=reliable tsc_early_khz={tsc.kilohertz()}"


def _processors(hardware: Hardware) -> str:
    """For -smp; emulated, a machine of one processor has room for another, which it is not given.

    Where there can be but one, QEMU before 8.1 leaves out the guest's memory barriers. virtiofsd, which runs beside it
    on the same memory, then misses that a request was made, or the guest that it was answered, and waits for ever.
    Source: QEMU's commit c914d46d0a64.
    """
    return "1,maxcpus=2" if hardware.accelerator == "tcg" and hardware.cpus == 1 else str(hardware.cpus)


def _processor(hardware: Hardware) -> list[str]:
    if hardware.accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # max: all that QEMU emulates, AMD's SVM among it, so that guests of the guest have KVM. QEMU would set aside a
    # gigabyte for translated code. A processor that says it copies fast by single bytes (ERMS, FSRM) is made to do so,
    # and emulated that is one turn of a loop for each.
    return ["-accel", "tcg,tb-size=256", "-cpu", "max,-erms,-fsrm"]
