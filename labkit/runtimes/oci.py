"""A runtime with runc's command line: `PROGRAM [FLAGS] run --bundle DIR ID`, `delete --force ID`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from typing import Any

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import cgroup, host_process
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.oci_sandbox import CreatedSandbox, OciSandbox
from labkit.runtimes.process import adopting, ended_within, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import last_words, try_out

# What apt does not have names its page instead.
_APT = "sudo apt-get install"


class OciRuntime:
    """The driver of one such program; its few differences are parameters or a subclass.

    `package` is what apt calls it, or what else to do to get it; `flags` come before every verb.
    """

    lacks: tuple[str, ...] = ()
    unattributed: tuple[str, ...] = ()
    # The part of a process in the sandbox's cgroups of which nothing else is known.
    member = "payload"
    # Where `exec` writes by which its program can be killed.
    pid_option = "--pid-file"

    def __init__(
        self, name: str, program: str, package: str, flags: tuple[str, ...] = (), parameters: str = ""
    ) -> None:
        self.name = name
        self.program = program
        self.install = package if " " in package else f"{_APT} {package}"
        self.flags = flags
        self.parameters = parameters
        self._seen: tuple[str, tuple[int, ...]] | None = None

    def path(self) -> str | None:
        """Where the program is; the folders for administrators' programs count for everybody."""
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = self.path()
        if path is None:
            return Probe(False, reason="not installed", remedy=self.install)
        self._seen = None
        try:
            version = self.version(path)
            reason = try_out(self)
        except LabkitError as error:
            return Probe(False, reason=error.message, remedy=error.hint)
        self._seen = path, _identity(path)
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
        hint = f"{_APT} --reinstall {self.install.removeprefix(_APT).strip()}" if _APT in self.install else self.install
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

    def features(self) -> dict[str, Any]:
        """What it says it can do (features.md of the runtime specification); {} for one too old to be asked."""
        path = self.path()
        try:
            answer = self.call([path or self.program, "features"])
            found = json.loads(answer.stdout) if answer.returncode == 0 else {}
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> OciSandbox:
        """See Runtime.start."""
        command = self.command()
        self.refuse_second(id)
        asked, pid = self.spawn([*command, "run", "--bundle", bundle, id], stdio, id)
        return OciSandbox(asked, pid, self, id)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> CreatedSandbox:
        """See Runtime.create; the payload becomes this process's child, so that its end is seen without a monitor."""
        command = self.command()
        self.refuse_second(id)
        with tempfile.TemporaryDirectory(prefix="labkit-create-") as folder, adopting():
            log, pid_file = f"{folder}/log", f"{folder}/pid"
            argv = [*command, "--log", log, "create", "--bundle", bundle, "--pid-file", pid_file, id]
            asked, pid = self.spawn(argv, stdio, id)
            done = ended_within(pid, timeout)
            try:
                if done is None:
                    raise LabkitError(f"{self.name} create hangs: ended after {timeout:g} s", self.remedy)
                if done.lost:
                    raise LabkitError(f"{self.name} create was killed by signal {done.lost}", self.remedy)
                if done.status:
                    raise LabkitError(f"{self.name} create: {_words(log, stdio[2], done.status)}", self.remedy)
                return CreatedSandbox(asked, _number(pid_file, self.name), self, id)
            except BaseException:
                self.remove(id)
                raise

    def refuse_second(self, id: str) -> None:
        """Raise LabkitError when there is a sandbox `id` already: to remove what failed must not end the other."""
        if os.path.lexists(self.state_path(id)):
            raise LabkitError(f"{self.name} has a sandbox with the id {id!r}", "choose another, or remove that one")

    def state_path(self, id: str) -> str:
        """The file or folder that is there as long as the runtime knows the sandbox."""
        return f"{rundir(self.program)}/{id}"

    def command(self) -> list[str]:
        """The program by its path, with the flags that come before a verb and a state folder of its own.

        Raises LabkitError when it is gone, or is another than the one that was probed.
        """
        if self._seen is None:
            path = self.path()
        else:
            path, before = self._seen
            if _identity(path) != before:
                raise LabkitError(f"{path} was replaced since it was probed", "probe it again: labkit doctor")
        if path is None:
            raise LabkitError(f"{self.program} is not installed", self.install, 127)
        return [path, *self.flags, "--root", rundir(self.program)]

    def spawn(self, argv: list[str], stdio: tuple[int, int, int], id: str = "") -> tuple[int, int]:
        """Start the runtime, marked with the sandbox's id; a subclass may do it from another namespace."""
        return spawn(argv[0], argv, self.environment() | ({VARIABLE: id} if id else {}), stdio)

    def environment(self) -> dict[str, str]:
        """What the runtime itself gets; the payload's is in the bundle."""
        return dict(os.environ)

    def call(self, argv: list[str], timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """Run one of the runtime's own commands to its end."""
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def verb(self, verb: str, id: str, *words: str, timeout: float = DEADLINE) -> None:
        """One command about a sandbox. Raises LabkitError in the runtime's own words."""
        try:
            answer = self.call([*self.command(), verb, id, *words], timeout)
        except subprocess.TimeoutExpired:
            raise LabkitError(f"{self.name} {verb} hangs: ended after {timeout:g} s", self.remedy) from None
        if answer.returncode:
            words_of_it = last_words(answer.stderr or answer.stdout) or f"exit status {answer.returncode}"
            raise LabkitError(f"{self.name} {verb}: {words_of_it}", self.remedy)

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; the runtime itself is known by its command line, the payload by its cgroup."""
        return host_process.find(id, self.cgroups(id), self.roles(), member=self.member)

    def roles(self) -> dict[str, str]:
        """The part of each program that may have a sandbox's id on its command line."""
        return {self.program: "runtime"}

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups."""
        return cgroup.of(id)

    def remove(self, id: str) -> None:
        """Remove a sandbox that did not end of itself, with the cgroups that a killed runtime leaves."""
        try:
            self.call([*self.command(), "delete", "--force", id])
        except subprocess.TimeoutExpired:
            pass  # It hangs as its sandbox does; what it holds is removed below.
        cgroup.remove(id)
        host_process.end(lambda: self.host_processes(id))
        left = self.state_path(id)
        if os.path.isdir(left):
            shutil.rmtree(left, ignore_errors=True)

    def end_program(self, id: str, pid: int, timeout: float) -> None:
        """Kill a program that `exec` has started, by what the runtime wrote for its `pid_option`."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It has ended with the runtime's own process.

    def cool(self) -> None:
        """Nothing is kept between two sandboxes but the page cache, which is the experiment's to drop."""


def _identity(path: str) -> tuple[int, ...]:
    """What changes when a program is replaced; () when it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _words(log: str, stderr: int, status: int) -> str:
    """The runtime's last words; all of them go to the caller's log."""
    try:
        with open(log, errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    os.write(stderr, text.encode())
    return last_words(text) or f"exit status {status}, and no word why"


def _number(path: str, name: str) -> int:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        raise LabkitError(f"{name} create ended well and wrote no pid", "it is no OCI runtime, or broken") from None
