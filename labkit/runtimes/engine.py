"""What the drivers of engines share: a client in the foreground, and a sandbox that other processes keep alive.

An engine runs an OCI runtime on its own behalf, so that its sandbox goes on without the client, and has an environment
of its own making.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from labkit.errors import LabkitError
from labkit.runtimes.crun import Crun
from labkit.runtimes.host_process import HostProcess
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.process import ProcessSandbox
from labkit.runtimes.protocol import DEADLINE
from labkit.runtimes.trial_run import last_words

T = TypeVar("T")


class Engine(Protocol):
    """What a sandbox asks of its engine's driver."""

    name: str

    def remove(self, id: str) -> None:
        """See Runtime.remove."""
        ...

    def signal(self, id: str, number: int, timeout: float) -> None:
        """Send a signal to the first process of a sandbox."""
        ...

    def execute(self, id: str, args: Sequence[str], stdio: tuple[int, int, int], timeout: float) -> int:
        """See Sandbox.exec."""
        ...

    def host_processes(self, id: str) -> list[HostProcess]:
        """See Runtime.host_processes."""
        ...


class EngineSandbox(ProcessSandbox):
    """The engine's client in the foreground, which ends with the payload's status."""

    __slots__ = ("engine", "id")

    def __init__(self, asked: int, pid: int, engine: Engine, id: str) -> None:
        super().__init__(asked, pid, lambda: engine.remove(id))
        self.engine = engine
        self.id = id

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        status = super().wait(timeout)
        if self.lost:
            raise LabkitError(
                f"the client of {self.engine.name} was killed by signal {self.lost}, not its payload", "run it again"
            )
        return status

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill."""
        if self.ended():
            return
        try:
            self.engine.signal(self.id, number, timeout)
        except LabkitError:
            # It may have ended meanwhile, and the client is about to say so.
            if not self.ended(1):
                raise

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec."""
        if self.ended():
            raise LabkitError(f"the sandbox {self.id} has ended", "start another")
        return self.engine.execute(self.id, args, stdio, timeout)

    def _leaves(self) -> bool:
        """An engine goes on cleaning up when its client has ended: what is left is looked for, and waited for."""
        return True


def in_thread(thread: ThreadPoolExecutor | None, call: Callable[[], T]) -> T:
    """What `call` gives, in the thread whose namespaces the engine needs."""
    return thread.submit(call).result() if thread else call()


def call(
    name: str, argv: list[str], env: dict[str, str], timeout: float, thread: ThreadPoolExecutor | None
) -> subprocess.CompletedProcess[str]:
    """Run one of an engine's commands to its end. Raises LabkitError when it takes longer than `timeout` seconds."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    try:
        return in_thread(thread, run)
    except subprocess.TimeoutExpired:
        raise LabkitError(f"{name} hangs: {' '.join(argv[-3:])} was ended after {timeout:g} s", "see: ps axl") from None


def check(name: str, answer: subprocess.CompletedProcess[str]) -> None:
    """Raise LabkitError in the engine's own words when a command has failed."""
    if answer.returncode:
        words = last_words(answer.stderr or answer.stdout) or f"exit status {answer.returncode}"
        raise LabkitError(f"{name}: {words}", "its own words say why")


def thread_of(inner: OciRuntime) -> ThreadPoolExecutor | None:
    """The thread in which the engine must be started for this runtime's sake."""
    return inner.thread if isinstance(inner, Crun) else None


def parameters_of(inner: OciRuntime) -> str:
    """What a table says of an engine in front of a runtime."""
    return f"in front of {inner.name}" + (f" ({inner.parameters})" if inner.parameters else "")


def open_files() -> tuple[int, int]:
    """Limits that this process may hand on: (open files, processes), where an engine would ask for more."""
    import resource

    def at_most(kind: int, wanted: int) -> int:
        hard = resource.getrlimit(kind)[1]
        return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)

    return at_most(resource.RLIMIT_NOFILE, 20000), at_most(resource.RLIMIT_NPROC, 30000)
