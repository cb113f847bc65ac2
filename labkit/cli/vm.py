"""Run a command on this machine's files under another kernel, with another version of cgroups: a lab VM."""

from __future__ import annotations

from labkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.vm.qemu import Hardware

USAGE = """usage: labkit vm run [OPTIONS] [--] COMMAND [ARGUMENTS]

Boots Debian's cloud kernel in QEMU with this machine's files, brings up cgroup v2 or another version, and runs COMMAND
as root in the current folder. Its stdin, stdout, stderr and exit status are those of labkit vm run. What it writes
goes to the VM's memory and is gone afterwards; an ordinary user's VM can write to /tmp and the current folder alone.
Of /run, /proc, /sys and /dev it has its own; emulated, it has a processor on which KVM works. Leave the files it uses
alone meanwhile: it may see those that change as they were, or cut short.

--memory SIZE    the VM's memory, such as 2G; 1G by default
--cpus N         its processors; 1 by default
--timeout S      end it after S seconds, with exit status 124
--cgroups NAME   v2, by default; v1; or hybrid: the controllers on v1, and beside them a tree of v2 without any
--net            with a network to the outside, by QEMU's user-mode stack
--kernel FILE    another kernel, such as /boot/vmlinuz-6.1.0-9-amd64, whose modules are beside it or in /lib/modules
--accel NAME     kvm or tcg (emulation); by default KVM where a guest is seen to boot with it

Without an installed cloud kernel one is downloaded and unpacked in $XDG_CACHE_HOME/labkit/vm, by default
~/.cache/labkit/vm. QEMU comes with: apt-get install --no-install-recommends qemu-system-x86
"""
_VALUES = ("accel", "cgroups", "cpus", "kernel", "memory", "timeout")
_SMALLEST = 128 << 20


def main(argv: list[str]) -> int:
    """`labkit vm run [OPTIONS] -- COMMAND …`; the exit status is the command's."""
    if not argv:
        raise UsageError("labkit vm needs a command", "for example: labkit vm run -- uname -r")
    if argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if argv[0] != "run":
        raise UsageError(f"{argv[0]!r} is not a command of labkit vm", "there is one: labkit vm run -- COMMAND")
    parsed = _parse(argv[1:])
    if parsed is None:
        print(USAGE, end="")
        return 0
    values, command = parsed
    from labkit.vm import kernel, lab, probe, qemu

    if values.get("cgroups", "v2") not in lab.CGROUPS:
        raise UsageError(f"--cgroups {values['cgroups']!r} is none of {', '.join(lab.CGROUPS)}", "v2 is the default")
    hardware = _hardware(values)
    timeout = _seconds(values["timeout"]) if "timeout" in values else None
    qemu.program()
    chosen = kernel.find(values.get("kernel", ""))
    hardware.accelerator = values.get("accel") or probe.accelerator(chosen)
    return lab.run(chosen, command, hardware, timeout, values.get("cgroups", "v2"))


def _parse(argv: list[str]) -> tuple[dict[str, str], list[str]] | None:
    """Options by name, and the command; None when help was asked for."""
    from getopt import GetoptError, getopt

    try:
        pairs, command = getopt(argv, "h", ["help", "net", *(f"{name}=" for name in _VALUES)])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit vm --help lists the options; a command follows --") from error
    values = {name.lstrip("-"): value for name, value in pairs}
    if "h" in values or "help" in values:
        return None
    if not command:
        raise UsageError("no command was given", "put it at the end: labkit vm run -- COMMAND ARGUMENTS")
    return values, command


def _hardware(values: dict[str, str]) -> Hardware:
    from labkit.spec.units import parse_bytes, parse_count
    from labkit.vm.qemu import MIB, Hardware

    hardware = Hardware(net="net" in values)
    if "cpus" in values:
        hardware.cpus = parse_count(values["cpus"], "--cpus")
    if "memory" in values:
        # In whole MiB, as QEMU has it.
        hardware.memory = parse_bytes(values["memory"], "--memory") // MIB * MIB
        if hardware.memory < _SMALLEST:
            raise UsageError(f"--memory {values['memory']}: a VM needs 128M at least", "1G is the default")
    if values.get("accel", "tcg") not in ("kvm", "tcg"):
        raise UsageError(f"--accel {values['accel']!r} is neither kvm nor tcg", "leave it out to have it chosen")
    return hardware


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise UsageError(f"--timeout {text!r} is not a number of seconds above 0", "for example: --timeout 60")
    return seconds
