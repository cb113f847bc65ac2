"""runc, the reference runtime (Go); every ratio is to it."""

from __future__ import annotations

from labkit.runtimes.oci import OciRuntime


def runc(name: str = "runc") -> OciRuntime:
    """The driver; under a second name it is the A/A control, the same runtime measured against itself."""
    return OciRuntime(name, "runc", "runc")
