"""youki, a runtime in Rust, which Debian does not have."""

from __future__ import annotations

from labkit.runtimes.oci import OciRuntime


def youki() -> OciRuntime:
    """The driver; it looks for the program that upstream releases."""
    return OciRuntime("youki", "youki", "install a release: https://github.com/youki-dev/youki/releases")
