"""One sandbox of a runtime with runc's command line, and what can be done with it by the runtime's verbs."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.runtimes.process import ProcessSandbox, ended_within
from labkit.runtimes.protocol import DEADLINE

if TYPE_CHECKING:
    from labkit.runtimes.oci import OciRuntime

_REAP_DEADLINE = 10.0


class OciSandbox(ProcessSandbox):
    """A sandbox whose process is the runtime's `run`, which waits for the payload and ends with its status."""

    __slots__ = ("id", "runtime")

    def __init__(self, asked: int, pid: int, runtime: OciRuntime, id: str) -> None:
        super().__init__(asked, pid, lambda: runtime.remove(id))
        self.runtime = runtime
        self.id = id

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        status = super().wait(timeout)
        if self.lost:
            raise LabkitError(
                f"{self.runtime.name} itself was killed by signal {self.lost}, not its payload", self.runtime.remedy
            )
        return status

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill."""
        if self.ended():
            return
        try:
            self.runtime.verb("kill", self.id, str(int(number)), timeout=timeout)
        except LabkitError:
            # It may have ended meanwhile, and the runtime is about to say so.
            if not self.ended(1):
                raise

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec."""
        runtime = self.runtime
        with tempfile.TemporaryDirectory(prefix="labkit-exec-") as folder:
            pid_file = f"{folder}/pid"
            argv = [*runtime.command(), "exec", runtime.pid_option, pid_file, self.id, *args]
            done = ended_within(runtime.spawn(argv, stdio)[1], timeout)
            if done is None:
                if os.path.exists(pid_file):
                    with open(pid_file) as file:
                        runtime.end_program(self.id, int(file.read()), timeout)
                raise LabkitError(f"{args[0]} still ran after {timeout:g} s and was ended", "give it more time")
        if done.lost:
            raise LabkitError(f"{runtime.name} exec was killed by signal {done.lost}", runtime.remedy)
        assert done.status is not None
        return done.status

    def _leaves(self) -> bool:
        """After any end but a good one all traces are looked for, which takes a moment."""
        return bool(self.lost or self.status or os.path.lexists(self.runtime.state_path(self.id)))


class CreatedSandbox(OciSandbox):
    """A sandbox whose process is the payload itself, which the runtime has left to this process."""

    __slots__ = ("adopted", "started")

    def __init__(self, asked: int, pid: int, runtime: OciRuntime, id: str) -> None:
        super().__init__(asked, pid, runtime, id)
        self.started = False
        mine = (process.pid for process in runtime.host_processes(id) if _is_child(process.pid))
        self.adopted = [other for other in mine if other != pid]

    def start(self, timeout: float = DEADLINE) -> None:
        """See Sandbox.start."""
        if self.started:
            raise LabkitError(f"the sandbox {self.id} was started already", "make a new one for each run")
        self.runtime.verb("start", self.id, timeout=timeout)
        self.started = True

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait: a signal that ends the process has ended the payload."""
        return ProcessSandbox.wait(self, timeout)

    def _end(self) -> None:
        """The payload is no group of this process's making, so that it alone is killed."""
        self.remove()
        if not self.ended(_REAP_DEADLINE):
            raise LabkitError(f"process {self.pid} does not end", f"see: cat /proc/{self.pid}/stack")
        self._reap()

    def _leaves(self) -> bool:
        return True

    def delete(self) -> None:
        """See Sandbox.delete; whatever else was left to this process is waited for.

        Meanwhile, not afterwards: runsc waits 5 s for its gofer to be gone, which it is once its end was waited for.
        """
        waiting = [Thread(target=_wait_for, args=(pid,), daemon=True) for pid in self.adopted]
        self.adopted = []
        for each in waiting:
            each.start()
        super().delete()
        for each in waiting:
            each.join()


def _wait_for(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # Another's by now, or waited for.


def _is_child(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1]) == os.getpid()
    except FileNotFoundError:
        return False
