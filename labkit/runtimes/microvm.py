"""A virtual machine per container from the distribution's parts, in Kata's architecture: QEMU, its kernel, crun.

Where KVM does not boot a guest QEMU emulates the processor: then every figure carries the flag `emulated`, and start-up
and isolation mean something, speed does not.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence

from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import host_process, owner
from labkit.runtimes.host_process import VARIABLE, HostProcess
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out
from labkit.vm import kernel, machine, probe, qemu, sandbox, share, talk

FLAG = "emulated"
# A machine that does not boot says so itself, and has a word for why; this is for all that comes after.
_DEADLINE = machine.BOOT_DEADLINE + 60.0
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.vm.sandbox import main; main()"
# The part of each program that bears the mark; the one that holds them is an interpreter.
_ROLES = {"virtiofsd": "virtiofsd", **{name: "hypervisor" for name, _ in qemu.PROGRAMS.values()}}


class Microvm:
    """The driver for one of QEMU's machine types (qemu.MACHINES).

    What it starts is one process for each sandbox, which holds QEMU and its daemons.
    """

    lacks: tuple[str, ...] = ()
    unattributed: tuple[str, ...] = (
        "what the host's kernel does for the guest: it is in the cgroup of whoever starts it",
        "the guest's page cache and the host's, which hold the same file twice",
    )

    def __init__(self, machine: str = "q35") -> None:
        if machine not in qemu.MACHINES:
            raise LabkitError(f"the microvm has no machine {machine!r}", f"it has {' and '.join(qemu.MACHINES)}", 2)
        self.machine = machine
        self.name = "microvm" if machine == "q35" else f"microvm+machine={machine}"
        self.parameters = f"machine={machine}, share=virtiofs, guest runtime=crun"

    def probe(self) -> Probe:
        """See Runtime.probe; the version is the guest kernel's and QEMU's."""
        try:
            qemu.program()
            share.virtiofsd()
            sandbox.crun()
            chosen = kernel.find()
            accelerator = probe.accelerator(chosen)
            reason = try_out(self, _DEADLINE)
        except LabkitError as error:
            return Probe(False, reason=error.message, remedy=error.hint)
        version = f"{qemu.version()}, Linux {chosen.release}"
        remedy = "boot the same kernel by hand: labkit vm run -- uname -r" if reason else ""
        flags = (FLAG,) if accelerator == "tcg" else ()
        return Probe(not reason, version, reason, remedy, flags, accelerator)

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> MicrovmSandbox:
        """See Runtime.start."""
        return MicrovmSandbox(self, id, *self._spawn(bundle, id, stdio))

    def create(self, bundle: str, id: str, stdio: tuple[int, int, int], timeout: float = DEADLINE) -> MicrovmSandbox:
        """See Runtime.create; the container is held in the guest by a hook."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.bind("")
            name = told.getsockname()[1:].decode()
            made = MicrovmSandbox(self, id, *self._spawn(bundle, id, stdio, name), held=True)
            try:
                # A boot takes its time under emulation, which a deadline meant for a container does not know.
                ready = select.select([told.fileno(), made.pidfd], [], [], max(timeout, _DEADLINE))[0]
                said = told.recv(65536).decode() if told.fileno() in ready else ""
                if said != "created":
                    reason = said.removeprefix("failed ") or ("it has ended" if ready else "it did not come up in time")
                    raise LabkitError(f"microvm create: {reason}", "see the log: the guest's words are there")
            except BaseException:
                made.delete()
                raise
            return made

    def _spawn(self, bundle: str, id: str, stdio: tuple[int, int, int], *held: str) -> tuple[int, int]:
        owner.take(self.name, id)
        folder = _folder(id)
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, package, bundle, id, folder, self.machine, *held]
        try:
            os.mkdir(folder, 0o700)
            return spawn(argv[0], argv, os.environ | {VARIABLE: id}, stdio)
        except BaseException:
            self.remove(id)
            raise

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes: what this driver starts, and what that starts, has the id in its environment."""
        return host_process.find(id, roles=_ROLES, member="holder")

    def cgroups(self, id: str) -> list[str]:
        """See Runtime.cgroups: none on the host; the limits are the machine's size, and cgroups of the guest's."""
        return []

    def remove(self, id: str) -> None:
        """See Runtime.remove: there are only processes, and a folder of sockets."""
        host_process.end(lambda: self.host_processes(id))
        shutil.rmtree(_folder(id), ignore_errors=True)
        owner.release(self.name, id)

    def cool(self) -> None:
        """Nothing is kept between two sandboxes but the page cache, which is the experiment's to drop."""


class MicrovmSandbox(ProcessSandbox):
    """A sandbox whose process stands for the machine and ends as the container does."""

    __slots__ = ("held", "id", "runtime")

    def __init__(self, runtime: Microvm, id: str, asked: int, pid: int, held: bool = False) -> None:
        super().__init__(asked, pid, lambda: runtime.remove(id))
        self.runtime = runtime
        self.id = id
        self.held = held

    def start(self, timeout: float = DEADLINE) -> None:
        """See Sandbox.start."""
        if not self.held:
            raise LabkitError(f"the sandbox {self.id} was started already", "make a new one for each run")
        talk.ask(_folder(self.id), "start")
        self.held = False

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        status = super().wait(timeout)
        if self.lost:
            raise LabkitError(f"microvm itself was killed by signal {self.lost}, not its payload", "make another")
        return status

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill; a machine that is still booting passes the signal on when the container is there."""
        if self._reachable(timeout):
            talk.ask(_folder(self.id), f"signal {int(number)}")

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec."""
        if not self._reachable(timeout):
            raise LabkitError(f"the sandbox {self.id} has ended", "make another")
        return talk.execute(_folder(self.id), args, stdio, timeout)

    def _reachable(self, timeout: float) -> bool:
        """Whether it runs and can be talked with: a process that has just been started has no sockets yet."""
        deadline = time.monotonic() + timeout
        while not self.ended(0.01):
            if os.path.exists(f"{_folder(self.id)}/{sandbox.READY}"):
                return True
            if time.monotonic() > deadline:
                raise LabkitError(f"the sandbox {self.id} was not there within {timeout:g} s", "see its log")
        return False

    def _leaves(self) -> bool:
        """The folder, at least."""
        return True


def _folder(id: str) -> str:
    return f"{rundir('microvm')}/{id}"
