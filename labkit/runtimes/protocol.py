"""What a runtime's driver offers: whether it can be used here, and sandboxes made from OCI bundles.

A figure is measured through `start`, which asks and returns at once. All else (create, kill, exec, host_processes …) is
there to look at a sandbox and to end it, and may take its time, up to a deadline: no call waits for ever.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from labkit.runtimes.host_process import HostProcess

# How long one call of a runtime may take, in seconds, where nobody says otherwise.
DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a runtime works on this host, found by running a program in it.

    `version` is the runtime's own word ("" when it is not installed); `platform` is what it runs sandboxes on where it
    has a choice; `reason` says why it is not available and `remedy` what to type to get it; `flags` are facts that
    belong to every figure measured with it.
    """

    available: bool
    version: str = ""
    reason: str = ""
    remedy: str = ""
    flags: tuple[str, ...] = ()
    platform: str = ""


class Sandbox(Protocol):
    """One sandbox from the moment the runtime was asked for it; `asked` is that moment on CLOCK_MONOTONIC, in ns."""

    asked: int

    def start(self, timeout: float = DEADLINE) -> None:
        """Let a sandbox that was created run its program. Raises LabkitError when it does not, or runs already."""
        ...

    def wait(self, timeout: float | None) -> int:
        """The payload's exit status (128 + n for a death by signal n) once the sandbox has ended.

        Raises LabkitError when `timeout` seconds pass first (None: never), and the sandbox then still runs; and when
        the runtime's own process was killed, so that nobody knows the status.
        """
        ...

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """Send a signal to the sandbox's first process; nothing happens when it has ended."""
        ...

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """Run one more program in the sandbox to its end; returns its exit status.

        Raises LabkitError, with the program killed, when `timeout` seconds pass first.
        """
        ...

    def delete(self) -> None:
        """End the sandbox if it still runs and remove all that the runtime made for it; once more does nothing."""
        ...


class Runtime(Protocol):
    """One way to run an OCI bundle. `name` is its label in every table, `parameters` what distinguishes its variant.

    `lacks` names the calls (`create`, `exec`, `kill` for all signals but SIGKILL) that this runtime has no way to carry
    out: they raise LabkitError.
    `unattributed` says in words which costs of a sandbox cannot be told from other things on the host.
    """

    name: str
    parameters: str
    lacks: tuple[str, ...]
    unattributed: tuple[str, ...]

    def probe(self) -> Probe:
        """Whether it works here. Never raises for a runtime that is missing or broken."""
        ...

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> Sandbox:
        """Ask for a sandbox of the bundle's folder, with descriptors for stdin, stdout and stderr.

        Raises LabkitError when the runtime cannot even be asked, or has a sandbox of that id; a refusal may also show
        in the exit status, with the runtime's own words on stderr.
        """
        ...

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> Sandbox:
        """A sandbox with everything but its program running, which Sandbox.start does.

        Raises LabkitError in the runtime's own words, with nothing left of the sandbox, when it refuses, breaks, or
        takes longer than `timeout` seconds.
        """
        ...

    def host_processes(self, id: str) -> list[HostProcess]:
        """Every process on the host that the sandbox `id` causes, whoever started it; none when there is no such."""
        ...

    def cgroups(self, id: str) -> list[str]:
        """The folders of the sandbox's own cgroups, the deepest first."""
        ...

    def remove(self, id: str) -> None:
        """Remove what is left of the sandbox `id`, whoever made it; nothing happens when there is nothing."""
        ...

    def cool(self) -> None:
        """Forget what is kept between two sandboxes, so that the next start is as the first one."""
        ...
