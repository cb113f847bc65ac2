"""labkit's own engine, through its command line: what a shell script pays for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import labkit
from labkit.errors import LabkitError
from labkit.runtimes import cgroup, host_process
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.labkit import cgroups_of, first_process, flags, processes_of
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out


class LabkitCliSandbox(ProcessSandbox):
    """The command line in the foreground, which waits for its container."""

    __slots__ = ("id",)

    def __init__(self, asked: int, pid: int, cli: LabkitCli, id: str) -> None:
        super().__init__(asked, pid, lambda: cli.remove(id))
        self.id = id

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill; there is no verb for it, so that the engine's state tells the process."""
        first = first_process(self.id)
        if first:
            os.kill(first, number)
        elif not self.ended(1):
            raise LabkitError(f"the container {self.id} does not run yet", "wait for what it says first")

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        status = super().wait(timeout)
        if self.lost:
            raise LabkitError(f"labkit run was killed by signal {self.lost}, not its container", "labkit gc removes it")
        return status

    def _leaves(self) -> bool:
        """The command line removes all it made, unless it was killed itself."""
        return bool(self.lost)


class LabkitCli:
    """`labkit run --bundle DIR --id ID`, one process for each container."""

    name = "labkit-cli"
    parameters = "command line"
    lacks: tuple[str, ...] = ("create", "exec")
    unattributed: tuple[str, ...] = ()

    def probe(self) -> Probe:
        """See Runtime.probe."""
        reason = try_out(self)
        return Probe(not reason, labkit.__version__, reason, "labkit run --help" if reason else "", flags())

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> LabkitCliSandbox:
        """See Runtime.start."""
        command = program()
        # As in a shell, where Python keeps its bytecode: compiling labkit at each start would cost more than starting.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env[VARIABLE] = id
        asked, pid = spawn(command, [command, "run", "--bundle", bundle, "--id", id], env, stdio)
        return LabkitCliSandbox(asked, pid, self, id)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> LabkitCliSandbox:
        """See Runtime.create."""
        raise LabkitError("labkit run makes a container and runs it in one step", "the runtime labkit has create()")

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; the command line has the environment, its container is in the engine's state."""
        role = {os.path.basename(program()): "runtime"}
        others = [one for one in host_process.find(id, roles=role) if one.found_by == "environment"]
        mine = processes_of(id)
        known = {one.pid for one in mine}
        return mine + [HostProcess(one.pid, "runtime", one.found_by) for one in others if one.pid not in known]

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups."""
        return cgroups_of(id)

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
