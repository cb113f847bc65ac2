"""podman, an engine without a daemon, in front of an OCI runtime; a monitor, conmon, keeps each sandbox.

podman writes its own configuration and takes none, so that the bundle is translated into its options: the same
program, limits, capabilities, filter and root filesystem, with podman's own mounts; every figure is flagged
`own-configuration`. Its storage is labkit's alone, and each sandbox is below a cgroup that is named by its id.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import cgroup, engine, host_process, owner
from labkit.runtimes.engine import EngineSandbox
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.process import ended_within, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out
from labkit.spec.load import load_bundle
from labkit.spec.model import Spec

FLAG = "own-configuration"
_INSTALL = "sudo apt-get install podman"
_ROLES = {"podman": "engine", "conmon": "monitor"}
# How long podman may go on cleaning up by itself before it is ended.
_PATIENCE = 5.0
_EXEC = "LABKIT_EXEC"


class CreatedSandbox(EngineSandbox):
    """One that waits to be started, by a client of its own then."""

    __slots__ = ("podman", "stdio")

    def __init__(self, podman: Podman, id: str, asked: int, stdio: tuple[int, int, int]) -> None:
        # Nobody is waited for until it is started.
        self.podman, self.engine, self.id, self.asked = podman, podman, id, asked
        self.remove = lambda: podman.remove(id)
        self.stdio = (os.dup(stdio[0]), os.dup(stdio[1]), os.dup(stdio[2]))
        self.pid, self.pidfd, self.status, self.lost = 0, -1, None, 0

    def start(self, timeout: float = DEADLINE) -> None:
        """See Sandbox.start."""
        if self.pid:
            raise LabkitError(f"the sandbox {self.id} was started already", "make a new one for each run")
        _, self.pid = self.podman.spawn(["start", "--attach", "--interactive", self.id], self.id, self.stdio)
        self.pidfd = os.pidfd_open(self.pid)
        self._let_go()

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        if not self.pid:
            raise LabkitError(f"the sandbox {self.id} was not started", "start() starts it")
        return super().wait(timeout)

    def delete(self) -> None:
        """See Sandbox.delete."""
        self._let_go()
        if self.pid:
            super().delete()
        else:
            self.remove()

    def _let_go(self) -> None:
        for descriptor in self.stdio:
            os.close(descriptor)
        self.stdio = ()  # type: ignore[assignment]


class Podman:
    """`podman run --rootfs DIR` with a runtime of its choice."""

    lacks: tuple[str, ...] = ()
    unattributed: tuple[str, ...] = ("podman's storage and locks, which all its sandboxes share",)

    def __init__(self, inner: OciRuntime) -> None:
        self.name = f"podman:{inner.name}"
        self.inner = inner
        self.parameters = engine.parameters_of(inner)
        self._options: dict[str, tuple[list[str], list[str]]] = {}

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = shutil.which("podman")
        if path is None:
            return Probe(False, reason="not installed", remedy=_INSTALL)
        try:
            version = self._version(path)
            if self.inner.path() is None:
                return Probe(False, version, f"{self.inner.name} is not installed", self.inner.install)
            reason = try_out(self, DEADLINE)
        except LabkitError as error:
            return Probe(False, reason=error.message, remedy=error.hint)
        flags = (FLAG, *self.inner.facts())
        return Probe(not reason, version, reason, f"labkit doctor tells of {self.inner.name}" if reason else "", flags)

    def _version(self, path: str) -> str:
        answer = engine.call("podman", [path, "--version"], dict(os.environ), DEADLINE, None)
        found = re.search(r"\d[\w.+~-]*", answer.stdout)
        if answer.returncode or not found:
            raise LabkitError(f"podman --version says: {(answer.stderr or answer.stdout).strip()}", _INSTALL)
        return found[0]

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> EngineSandbox:
        """See Runtime.start."""
        options, command = self._translated(bundle)
        self._claim(id)
        asked, pid = self.spawn(["run", "--rm", *_place(id), *options, "--rootfs", *command], id, stdio)
        return EngineSandbox(asked, pid, self, id)

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> CreatedSandbox:
        """See Runtime.create: `podman create` writes the configuration, `podman init` has the runtime create it."""
        options, command = self._translated(bundle)
        self._claim(id)
        asked = time.monotonic_ns()
        try:
            for words in (["create", *_place(id), *options, "--rootfs", *command], ["init", id]):
                engine.check(self.name, self._call(words, id, timeout))
        except BaseException:
            self.remove(id)
            raise
        return CreatedSandbox(self, id, asked, stdio)

    def _claim(self, id: str) -> None:
        """Take the id for this sandbox. Raises LabkitError when there is one."""
        owner.take(self.name, id)
        os.mkdir(_claim_folder(id))

    def command(self) -> list[str]:
        """podman with its storage, and the runtime with its flags."""
        path, inner = shutil.which("podman"), self.inner.path()
        if path is None or inner is None:
            missing, hint = ("podman", _INSTALL) if path is None else (self.inner.name, self.inner.install)
            raise LabkitError(f"{missing} is not installed", hint, 127)
        place = rundir("podman")
        words = [path, "--root", f"{place}/root", "--runroot", f"{place}/run", "--tmpdir", f"{place}/tmp"]
        words += ["--cgroup-manager=cgroupfs", "--events-backend=none", "--runtime", inner]
        for flag in self.inner.flags:
            words += ["--runtime-flag", flag.removeprefix("--")]
        return words

    def spawn(self, words: list[str], id: str, stdio: tuple[int, int, int]) -> tuple[int, int]:
        """Start a client."""
        argv, env = [*self.command(), *words], self.inner.environment() | {VARIABLE: id}
        return engine.in_thread(engine.thread_of(self.inner), lambda: spawn(argv[0], argv, env, stdio))

    def _call(self, words: list[str], id: str, timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        argv, env = [*self.command(), *words], self.inner.environment() | {VARIABLE: id}
        return engine.call(self.name, argv, env, timeout, engine.thread_of(self.inner))

    def signal(self, id: str, number: int, timeout: float) -> None:
        """See Engine.signal."""
        engine.check(self.name, self._call(["kill", "--signal", str(int(number)), id], id, timeout))

    def execute(self, id: str, args: Sequence[str], stdio: tuple[int, int, int], timeout: float) -> int:
        """See Engine.execute; what is to be killed is known by its environment."""
        mark = os.urandom(8).hex()
        words = ["exec", "--interactive", "--env", f"{_EXEC}={mark}", id, *args]
        done = ended_within(self.spawn(words, id, stdio)[1], timeout)
        if done is None:
            host_process.end(lambda: host_process.find(mark, variable=_EXEC))
            raise LabkitError(f"{args[0]} still ran after {timeout:g} s and was ended", "give it more time")
        if done.lost:
            raise LabkitError(f"podman exec was killed by signal {done.lost}", "run it again")
        assert done.status is not None
        return done.status

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes; the monitor and the client have the id as the sandbox's name."""
        return host_process.find(id, self.cgroups(id), {**self.inner.roles(), **_ROLES}, member=self.inner.member)

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups."""
        return cgroup.of(id)

    def remove(self, id: str) -> None:
        """See Runtime.remove; what podman does by itself at the end of a sandbox is given a moment."""
        if not owner.known(self.name, id):
            return
        claim = _claim_folder(id)
        if self._knows(claim):
            self._call(["rm", "--force", "--time", "0", "--ignore", id], id)
        deadline = time.monotonic() + _PATIENCE
        while self.host_processes(id) and time.monotonic() < deadline:
            time.sleep(0.002)
        host_process.end(lambda: self.host_processes(id))
        self._forget(claim)
        cgroup.remove(id)
        shutil.rmtree(claim, ignore_errors=True)
        owner.release(self.name, id)

    def _knows(self, claim: str) -> bool:
        """Whether the container is in podman's storage; without a number of its own it never came so far."""
        number = _number(claim)
        return bool(number) and os.path.exists(f"{rundir('podman')}/root/overlay-containers/{number}")

    def _forget(self, claim: str) -> None:
        """Let the runtime forget the container: where its monitor was killed, podman does not tell it to."""
        number, path = _number(claim), self.inner.path()
        states = rundir("containers") if self.inner.name == "labkit-oci" else f"/run/{self.inner.name}"
        if path and number and os.path.exists(f"{states}/{number}"):
            argv = [path, *self.inner.flags, "delete", "--force", number]
            engine.call(self.name, argv, self.inner.environment(), DEADLINE, engine.thread_of(self.inner))

    def _translated(self, bundle: str) -> tuple[list[str], list[str]]:
        """The options of a bundle, and what comes behind them; written once, before anything is timed."""
        if bundle not in self._options:
            spec = load_bundle(bundle)
            self._options[bundle] = options(spec, f"{bundle}/podman-seccomp.json"), [spec.root.path, *spec.process.args]
        return self._options[bundle]

    def cool(self) -> None:
        """Nothing runs between two sandboxes; its storage is files."""


def options(spec: Spec, seccomp: str) -> list[str]:
    """The configuration as options of podman-run(1); its filter is written to the file `seccomp`."""
    files, processes = engine.open_files()
    made = ["--interactive", "--no-hosts", "--log-driver=none", "--systemd=false", "--read-only-tmpfs=false"]
    made += ["--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={processes}:{processes}"]
    made += ["--network", "none" if any(one.kind == "network" for one in spec.linux.namespaces) else "host"]
    made += ["--workdir", spec.process.cwd, "--cap-drop", "all"]
    if spec.hostname:
        made += ["--hostname", spec.hostname]
    if spec.root.readonly:
        made += ["--read-only"]
    for entry in spec.process.env:
        made += ["--env", entry]
    for name in spec.process.capabilities.bounding if spec.process.capabilities else ():
        made += ["--cap-add", name]
    if spec.process.no_new_privileges:
        made += ["--security-opt", "no-new-privileges"]
    if spec.process.user.uid or spec.process.user.gid:
        made += ["--user", f"{spec.process.user.uid}:{spec.process.user.gid}"]
    return made + _limits(spec) + ["--security-opt", f"seccomp={_filter(spec, seccomp)}"]


def _limits(spec: Spec) -> list[str]:
    resources, made = spec.linux.resources, []
    if resources.memory and resources.memory.limit:
        made += ["--memory", str(resources.memory.limit)]
        if resources.memory.swap:
            made += ["--memory-swap", str(resources.memory.swap)]
    if resources.cpu and resources.cpu.quota and resources.cpu.period:
        made += ["--cpu-quota", str(resources.cpu.quota), "--cpu-period", str(resources.cpu.period)]
    if resources.pids and resources.pids.limit:
        made += ["--pids-limit", str(resources.pids.limit)]
    return made


def _filter(spec: Spec, path: str) -> str:
    if spec.linux.seccomp is None:
        return "unconfined"
    with open(path, "w", encoding="ascii") as file:
        json.dump(spec.dump()["linux"]["seccomp"], file)
    return path


def _number(claim: str) -> str:
    """The container's number in podman and its runtime; empty where it never got one."""
    try:
        with open(f"{claim}/cid") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _claim_folder(id: str) -> str:
    return f"{rundir('podman')}/ids.{id}"


def _place(id: str) -> list[str]:
    """How the sandbox is found again: by its name, its number in a file, and a cgroup named by its id."""
    return ["--name", id, "--cidfile", f"{_claim_folder(id)}/cid", "--cgroup-parent", f"/{id}"]
