"""labkit's own engine, through the OCI command line that other people's software drives."""

from __future__ import annotations

import os
import shutil
import sys

from labkit.runtimes.labkit import flags
from labkit.runtimes.oci import OciRuntime


class LabkitOci(OciRuntime):
    """`labkit-oci`, by its launcher, in the environment that a shell gives it."""

    def __init__(self) -> None:
        super().__init__("labkit-oci", "labkit-oci", "labkit-oci", parameters="OCI command line")

    def path(self) -> str | None:
        """The launcher that belongs to this interpreter, else the checkout's, else the one on PATH."""
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        for folder in (os.path.dirname(sys.executable), f"{os.path.dirname(package)}/bin"):
            if os.access(f"{folder}/labkit-oci", os.X_OK):
                return f"{folder}/labkit-oci"
        return shutil.which("labkit-oci")

    def facts(self) -> tuple[str, ...]:
        """See OciRuntime.facts."""
        return flags()

    def environment(self) -> dict[str, str]:
        """See OciRuntime.environment; Python may keep its bytecode, as it does for whoever types the command."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def roles(self) -> dict[str, str]:
        """See OciRuntime.roles; the launcher's process is the interpreter's, under the name in its first line."""
        names = ("python3", os.path.basename(sys.executable), os.path.basename(os.path.realpath(sys.executable)))
        return super().roles() | dict.fromkeys(names, "runtime")
