"""What is said of a machine that did not do what it should, and where its kernel's last words are kept."""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.vm.kernel import folder

TIMED_OUT = 124  # as timeout(1) has it
# What kernels say last when they stop has little to say; the reason stands here.
_TELLING = ("Kernel panic", "Out of memory", "BUG:", "not a valid", "error")


class MachineError(LabkitError):
    """A machine was started and did not come to its end; anything else is said before it is started."""


def not_booted(console: bytes, reason: str) -> MachineError:
    """The guest never came to its init script."""
    return MachineError(f"the VM did not boot: {_told(console) or reason}", _kept(console, reason))


def died(console: bytes, reason: str) -> MachineError:
    """The guest ended while its command ran."""
    return MachineError(f"the VM ended before its command: {_told(console) or reason}", _kept(console, reason))


def timed_out(seconds: float) -> MachineError:
    """The command was still running."""
    return MachineError(f"the VM was still running after {seconds:g} s, and was ended", "raise --timeout", TIMED_OUT)


def share_lost(tag: str, words: str) -> MachineError:
    """A virtiofsd ended."""
    return MachineError(f"virtiofsd, which shares '{tag}' with the VM, has ended", words or "it said nothing")


def _told(console: bytes) -> str:
    """The line of the console that tells most, without its time; "" for a silent one."""
    lines = [line.strip() for line in console.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    line = (telling or lines or [""])[-1]
    return line.partition("] ")[2] if line.startswith("[") else line


def _kept(console: bytes, reason: str) -> str:
    """Keep the console's text in a file and return the hint that names it."""
    if not console:
        return f"its kernel said nothing: {reason}"
    path = f"{folder()}/console.log"
    try:
        os.makedirs(folder(), exist_ok=True)
        with open(path, "wb") as file:
            file.write(console)
    except OSError as error:
        return f"its kernel's last lines could not be kept: {path}: {error.strerror}"
    return f"{reason}; its kernel's last lines are in {path}"
