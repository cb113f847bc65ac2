"""A runtime with runc's command line: `PROGRAM [FLAGS] run --bundle DIR ID`, `delete --force ID`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import cgroup
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import Probe
from labkit.runtimes.trial_run import try_out

_COMMAND_DEADLINE = 20.0


class OciRuntime:
    """The driver of one such program; its few differences are parameters or a subclass.

    `package` is what apt calls it; `flags` come before every verb.
    """

    def __init__(
        self, name: str, program: str, package: str, flags: tuple[str, ...] = (), parameters: str = ""
    ) -> None:
        self.name = name
        self.program = program
        self.package = package
        self.flags = flags
        self.parameters = parameters

    def path(self) -> str | None:
        """Where the program is; the folders for administrators' programs count for everybody."""
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = self.path()
        if path is None:
            return Probe(False, reason="not installed", remedy=f"sudo apt-get install {self.package}")
        try:
            version = self.version(path)
            reason = try_out(self)
        except LabkitError as error:
            return Probe(False, reason=error.message, remedy=error.hint)
        return Probe(not reason, version, reason, self.remedy if reason else "", self.facts())

    @property
    def remedy(self) -> str:
        """What to do about a runtime that is installed and does not work."""
        return f"its own words say why; see what it lacks with: {self.program} --debug run …"

    def facts(self) -> tuple[str, ...]:
        """What belongs to every figure measured with it; known once it was tried out."""
        return ()

    def version(self, path: str) -> str:
        """The version as the first line of `--version` has it."""
        hint = f"sudo apt-get install --reinstall {self.package}"
        try:
            answer = self.call([path, "--version"])
        except subprocess.TimeoutExpired:
            raise LabkitError(f"{path} --version hangs", hint) from None
        except OSError as error:
            raise LabkitError(f"{path}: {error.strerror}", hint) from error
        found = re.search(r"\d[\w.+~-]*", answer.stdout.splitlines()[0] if answer.stdout else "")
        if answer.returncode or not found:
            words = (answer.stderr or answer.stdout).strip().splitlines()
            raise LabkitError(f"{path} --version says: {words[-1] if words else 'nothing'}", hint)
        return found[0]

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ProcessSandbox:
        """See Runtime.start."""
        asked, pid = self.spawn([*self.command(), "run", "--bundle", bundle, id], stdio)
        return ProcessSandbox(asked, pid, lambda: self.remove(id))

    def command(self) -> list[str]:
        """The program by its path, with the flags that come before a verb and a state folder of its own."""
        path = self.path()
        if path is None:
            raise LabkitError(f"{self.program} is not installed", f"sudo apt-get install {self.package}", 127)
        return [path, *self.flags, "--root", rundir(self.program)]

    def spawn(self, argv: list[str], stdio: tuple[int, int, int]) -> tuple[int, int]:
        """Start the runtime; a subclass may do it from another namespace."""
        return spawn(argv[0], argv, dict(os.environ), stdio)

    def call(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run one of the runtime's own commands to its end."""
        return subprocess.run(argv, capture_output=True, text=True, timeout=_COMMAND_DEADLINE, check=False)

    def remove(self, id: str) -> None:
        """Remove a sandbox that did not end of itself, with the cgroups that a killed runtime leaves."""
        try:
            self.call([*self.command(), "delete", "--force", id])
        except subprocess.TimeoutExpired:
            pass  # It hangs as its sandbox does; what it holds is removed below.
        cgroup.remove(id)

    def cool(self) -> None:
        """Nothing is kept between two sandboxes but the page cache, which is the experiment's to drop."""
