"""One line of `labkit doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one runtime, kernel facility or program: `kind` is `runtime`, `hypervisor`, `facility` or `program`.

    `version` is its own word for what it is, `reason` why it is not available, `remedy` what to type to get it.
    """

    kind: str
    name: str
    available: bool
    version: str = ""
    reason: str = ""
    remedy: str = ""
