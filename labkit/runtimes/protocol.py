"""What a runtime's driver offers: whether it can be used here, and sandboxes made from OCI bundles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a runtime works on this host, found by running a program in it.

    `version` is the runtime's own word ("" when it is not installed); `reason` says why it is not available and
    `remedy` what to type to get it; `flags` are facts that belong to every figure measured with it.
    """

    available: bool
    version: str = ""
    reason: str = ""
    remedy: str = ""
    flags: tuple[str, ...] = ()


class Sandbox(Protocol):
    """One sandbox from the moment the runtime was asked for it; `asked` is that moment on CLOCK_MONOTONIC, in ns."""

    asked: int

    def wait(self, timeout: float | None) -> int:
        """The payload's exit status (128 + n for a death by signal n) once the sandbox has ended.

        Raises LabkitError when `timeout` seconds pass first (None: never); the sandbox then still runs.
        """
        ...

    def kill(self) -> None:
        """End the sandbox at once; nothing happens when it has ended."""
        ...

    def delete(self) -> None:
        """End the sandbox if it still runs and remove all that the runtime made for it; once more does nothing."""
        ...


class Runtime(Protocol):
    """One way to run an OCI bundle. `name` is its label in every table, `parameters` what distinguishes its variant."""

    name: str
    parameters: str

    def probe(self) -> Probe:
        """Whether it works here. Never raises for a runtime that is missing or broken."""
        ...

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> Sandbox:
        """Ask for a sandbox of the bundle's folder, with descriptors for stdin, stdout and stderr.

        Raises LabkitError when the runtime cannot even be asked; a refusal may also show in the exit status.
        """
        ...

    def remove(self, id: str) -> None:
        """Remove what is left of the sandbox `id`, whoever made it; nothing happens when there is nothing."""
        ...

    def cool(self) -> None:
        """Forget what is kept between two sandboxes, so that the next start is as the first one."""
        ...
