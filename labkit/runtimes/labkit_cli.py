"""labkit's own engine, through its command line: what a shell script pays for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import labkit
from labkit.errors import LabkitError
from labkit.runtimes import cgroup
from labkit.runtimes.labkit import flags
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import Probe
from labkit.runtimes.trial_run import try_out


class LabkitCli:
    """`labkit run --bundle DIR --id ID`, one process for each container."""

    name = "labkit-cli"
    parameters = "command line"

    def probe(self) -> Probe:
        """See Runtime.probe."""
        reason = try_out(self)
        return Probe(not reason, labkit.__version__, reason, "labkit run --help" if reason else "", flags())

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ProcessSandbox:
        """See Runtime.start."""
        command = program()
        # As in a shell, where Python keeps its bytecode: compiling labkit at each start would cost more than starting.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        asked, pid = spawn(command, [command, "run", "--bundle", bundle, "--id", id], env, stdio)
        return ProcessSandbox(asked, pid, lambda: self.remove(id))

    def remove(self, id: str) -> None:
        """Remove what a killed command line has left."""
        subprocess.run([program(), "gc"], capture_output=True, timeout=20, check=False)
        cgroup.remove(id)

    def cool(self) -> None:
        """Nothing is kept between two containers."""


def program() -> str:
    """The `labkit` command that belongs to this interpreter, else the one on PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), "labkit")
    found = beside if os.access(beside, os.X_OK) else shutil.which("labkit")
    if found is None:
        raise LabkitError("the labkit command is not installed", "pip install . in the checkout", 127)
    return found
