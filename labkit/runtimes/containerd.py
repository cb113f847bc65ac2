"""containerd, an engine with a daemon, in front of an OCI runtime; a shim keeps each sandbox.

`ctr run --config` hands the bundle's own configuration to the runtime, so that nothing is translated. The daemon is a
private one (see private_daemon), shared by the sandboxes of one driver.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import cgroup, engine, host_process, owner
from labkit.runtimes.engine import EngineSandbox
from labkit.runtimes.held_input import HeldInput, is_read, is_written
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.private_daemon import INSTALL, PrivateDaemon
from labkit.runtimes.process import ended_within, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out

_NAMESPACE = "default"
_SHIM_SOCKETS = "/run/containerd/s/"


class Containerd:
    """`ctr run` with containerd's runc shim, which runs a runtime of choice."""

    lacks: tuple[str, ...] = ("create",)
    unattributed: tuple[str, ...] = ("the daemon's memory and time, which all its sandboxes share",)
    # What the shim is called, and what else has a part of its own.
    roles = {"ctr": "client", "containerd-shim-runc-v2": "shim"}

    def __init__(self, inner: OciRuntime) -> None:
        self.name = f"containerd:{inner.name}"
        self.parameters = engine.parameters_of(inner)
        self.inner = inner
        self._daemon: PrivateDaemon | None = None

    @property
    def daemon(self) -> PrivateDaemon:
        """The driver's own."""
        if self._daemon is None:
            self._daemon = PrivateDaemon(self.thread(), self.environment())
        return self._daemon

    def thread(self) -> ThreadPoolExecutor | None:
        """The thread whose namespaces the daemon, and so every shim, must have."""
        return engine.thread_of(self.inner)

    def environment(self) -> dict[str, str]:
        """What the daemon, and so every shim, gets besides this process's own environment."""
        return {}

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = shutil.which("containerd")
        if path is None or shutil.which("ctr") is None:
            return Probe(False, reason="not installed", remedy=INSTALL)
        try:
            version = self.version(path)
            if self.inner.path() is None:
                return Probe(False, version, f"{self.inner.name} is not installed", self.inner.install)
            reason = try_out(self, DEADLINE)
        except LabkitError as error:
            return Probe(False, reason=error.message, remedy=error.hint)
        remedy = f"labkit doctor tells of {self.inner.name}" if reason else ""
        return Probe(not reason, version, reason, remedy, self.inner.facts())

    def version(self, path: str) -> str:
        """The version of the daemon."""
        answer = engine.call("containerd", [path, "--version"], dict(os.environ), DEADLINE, None)
        found = re.search(r"\s(v?\d[\w.+~-]*)", answer.stdout)
        if answer.returncode or not found:
            raise LabkitError(f"containerd --version says: {(answer.stderr or answer.stdout).strip()}", INSTALL)
        return found[1]

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> EngineSandbox:
        """See Runtime.start; the daemon runs before anything is timed."""
        self.daemon.start()
        self._claim(id)
        try:
            pid_file = f"{self.fifos(id)}/pid"
            words = ["run", "--rm", "--fifo-dir", self.fifos(id), "--pid-file", pid_file]
            words += [*self.run_words(bundle, id), id]
            asked, pid = self._client(words, id, stdio, lambda: is_written(pid_file))
        except BaseException:
            self.remove(id)
            raise
        return EngineSandbox(asked, pid, self, id)

    def run_words(self, bundle: str, id: str) -> list[str]:
        """What `ctr run` is told of the configuration and of the runtime."""
        path = self.inner.path()
        if path is None:
            raise LabkitError(f"{self.inner.name} is not installed", self.inner.install, 127)
        words = ["--config", f"{bundle}/config.json", "--runc-binary", path]
        return [*words, "--runc-root", f"{self.daemon.place}/runtime"]

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> EngineSandbox:
        """See Runtime.create."""
        raise LabkitError("ctr creates a task and starts it in one step", "start() does both")

    def fifos(self, id: str) -> str:
        """The folder of the sandbox's fifos, which is there as long as its id is taken."""
        return f"{rundir('containerd')}/ids.{id}"

    def _claim(self, id: str) -> None:
        owner.take(self.name, id)
        os.mkdir(self.fifos(id))

    def command(self) -> list[str]:
        """The client, and where it finds the daemon."""
        return [shutil.which("ctr") or "ctr", "--address", self.daemon.socket, "--namespace", _NAMESPACE]

    def _client(
        self, words: list[str], id: str, stdio: tuple[int, int, int], ready: Callable[[], bool]
    ) -> tuple[int, int]:
        """Start a client whose input does not end too early."""
        argv = [*self.command(), *words]
        held = HeldInput(stdio[0])
        try:
            asked, pid = spawn(argv[0], argv, os.environ | {VARIABLE: id}, (held.reading, stdio[1], stdio[2]))
        except BaseException:
            held.abandon()
            raise
        held.feed(ready, pid)
        return asked, pid

    def call(self, words: list[str], timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """Run one of the client's commands to its end."""
        return engine.call(self.name, [*self.command(), *words], dict(os.environ), timeout, None)

    def signal(self, id: str, number: int, timeout: float) -> None:
        """See Engine.signal."""
        engine.check(self.name, self.call(["task", "kill", "--signal", str(int(number)), id], timeout))

    def execute(self, id: str, args: Sequence[str], stdio: tuple[int, int, int], timeout: float) -> int:
        """See Engine.execute."""
        name = f"exec-{os.urandom(4).hex()}"
        with tempfile.TemporaryDirectory(prefix="exec-", dir=self.fifos(id)) as fifos:
            words = ["task", "exec", "--exec-id", name, "--fifo-dir", fifos, id, *args]
            done = ended_within(self._client(words, id, stdio, lambda: is_read(fifos))[1], timeout)
            if done is None:
                self.call(["task", "kill", "--signal", "KILL", "--exec-id", name, id])
                raise LabkitError(f"{args[0]} still ran after {timeout:g} s and was ended", "give it more time")
        if done.lost:
            raise LabkitError(f"ctr task exec was killed by signal {done.lost}", "run it again")
        assert done.status is not None
        return done.status

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; shim and client have the id on their command lines."""
        found = host_process.find(id, self.cgroups(id), {**self.inner.roles(), **self.roles}, member=self.inner.member)
        daemon = self._daemon.pid() if self._daemon else 0
        return found + ([HostProcess(daemon, "daemon", "state file", shared=True)] if found and daemon else [])

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups."""
        return cgroup.of(id)

    def remove(self, id: str) -> None:
        """See Runtime.remove; the daemon is asked first, if there is one, and then nothing of it is left to chance."""
        if not owner.known(self.name, id):
            return
        sockets = [path for one in self.host_processes(id) if one.role == "shim" for path in _sockets(one.pid)]
        if self._daemon and self._daemon.pid() and self._knows(id):
            for words in (["task", "rm", "--force", id], ["container", "rm", id]):
                try:
                    self.call(words, 5)
                except LabkitError:
                    break  # It hangs as its sandbox does; what it holds is removed below.
        host_process.end(lambda: self.host_processes(id))
        cgroup.remove(id)
        for path in sockets:
            if os.path.exists(path):
                os.unlink(path)
        # A daemon that was killed leaves them; one that lives may be removing them now.
        place = self._daemon.place if self._daemon else ""
        task = f"io.containerd.runtime.v2.task/{_NAMESPACE}/{id}"
        for folder in (f"{place}/state/{task}", f"{place}/root/{task}", f"{place}/runtime/{_NAMESPACE}/{id}"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.fifos(id), ignore_errors=True)
        owner.release(self.name, id)

    def _knows(self, id: str) -> bool:
        """Whether the daemon has a task or a container of that id."""
        return id in self.call(["container", "ls", "--quiet"]).stdout.split()

    def cool(self) -> None:
        """Stop the daemon: the next start begins with it."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None


def _sockets(pid: int) -> list[str]:
    """The paths of the sockets on which a shim listens, which one that is killed leaves behind (proc_pid_net(5))."""
    held = set()
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            held.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        with open("/proc/net/unix") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    named = {f"socket:[{words[6]}]": words[7] for words in lines if len(words) > 7}
    return [path for link, path in named.items() if link in held and path.startswith(_SHIM_SOCKETS)]
