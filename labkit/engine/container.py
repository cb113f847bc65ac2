"""`Container`: one container from Python, safe to use from any thread of a notebook's kernel."""

from __future__ import annotations

import os

from labkit.engine import alive, state
from labkit.engine.client import Running, stop_spawner, warn
from labkit.engine.collect import Result, through_pipes
from labkit.engine.configure import configure
from labkit.engine.image_defaults import completed
from labkit.engine.prepare import prepare
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import thaw
from labkit.linux.pidfd import pidfd_send_signal
from labkit.plan.manner import Manner
from labkit.plan.parent import MakeCgroup
from labkit.plan.plan import Plan
from labkit.spec.load import load_bundle
from labkit.spec.model import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _io import FileIO
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, Self

    from labkit.engine.logs import Log
    from labkit.engine.state import State
    from labkit.engine.stepwise import Stepwise
    from labkit.engine.trace import Span

__all__ = ["Container", "Result", "stop_spawner"]

_SIGKILL = 9


class Container:
    """A container that is planned now, and made by `run`, by `start`, or by `create` to be started later.

    `rootfs` is a folder, or an image of `labkit.images`; `args` the command, by default the image's; `limits` and
    everything else are the keywords of `labkit.engine.configure.configure`. `without` names steps of the plan to leave
    out. Used as a context manager it is gone at the end of the block.
    """

    def __init__(
        self,
        rootfs: str | os.PathLike[str],
        args: Iterable[str] | None = None,
        *,
        id: str | None = None,
        without: Iterable[str] = (),
        **options: Any,
    ) -> None:
        args, options = completed(rootfs, args, options)
        self._set_up(configure(os.fspath(rootfs), args, **options), id, without)

    @classmethod
    def from_bundle(cls, folder: str | os.PathLike[str], id: str | None = None, without: Iterable[str] = ()) -> Self:
        """A container from an OCI bundle: a folder with config.json."""
        return cls.from_spec(load_bundle(os.fspath(folder)), id, without)

    @classmethod
    def from_spec(cls, spec: Spec, id: str | None = None, without: Iterable[str] = ()) -> Self:
        """A container from a checked configuration."""
        container = cls.__new__(cls)
        container._set_up(spec, id, without)
        return container

    def _set_up(self, spec: Spec, id: str | None, without: Iterable[str]) -> None:
        self.id = state.check_id(id) if id is not None else state.new_id()
        self.spec = spec
        self._without = tuple(without)
        self.plan: Plan = self._prepared(held=False)
        self._running: Running | None = None
        self._held = False
        self._log: Log | None = None
        self._terminal: FileIO | None = None

    def _prepared(self, held: bool) -> Plan:
        plan = prepare(self.spec, self.id, Manner(held=held, console=self.spec.process.terminal))
        return plan.without(self._without) if self._without else plan

    def __repr__(self) -> str:
        return f"<Container {self.id}: {' '.join(self.spec.process.args)}>"

    def _repr_html_(self) -> str:
        """What it is and how it fares as a table, which a notebook shows in place of the repr."""
        from labkit.engine.display import container_table

        return container_table(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()

    def explain(self) -> str:
        """The plan's steps as text: who does what with which system call, and why."""
        return self.plan.explain()

    @property
    def pid(self) -> int:
        """The host's pid of the container's first process; 0 before it was made."""
        return self._running.pid if self._running else 0

    @property
    def status(self) -> str:
        """`planned`, `created`, `running`, `paused` or `stopped` (runtime.md, State; the first is ours)."""
        if self._running is None:
            return "planned"
        found = self._found()
        return found.status() if found else "stopped"

    @property
    def exit_status(self) -> int | None:
        """The exit status once wait(), run() or delete() has seen the end; None before."""
        return self._running.status if self._running else None

    @property
    def reason(self) -> str | None:
        """Why the kernel killed it, such as "killed: out of memory, limit 64 MiB, peak 64 MiB".

        None when it did not, and before wait(), run() or delete() has seen the end.
        """
        return self._running.reason if self._running else None

    @property
    def cgroups(self) -> list[str]:
        """The folders of its cgroups while it runs, one for each v1 tree and one of v2."""
        return list(self._alive().cgroups)

    def create(
        self,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        log: bool | str | os.PathLike[str] = False,
    ) -> Self:
        """Make the container in all but its program, which start() then runs; stdio and `log` are as of `start`.

        Raises StepError with the step's name when a step fails.
        """
        self._check_not_made()
        plan = self._prepared(held=True)
        self._make(plan, stdin, stdout, stderr, False, log)
        self.plan = plan
        self._held = True
        return self

    def start(
        self,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        trace: bool = False,
        log: bool | str | os.PathLike[str] = False,
    ) -> Self:
        """Make the container and run its program, with descriptors for stdio (None: this process's own).

        `trace` notes when each step began and ended, for the property of that name. With `log` what it writes to
        stdout and stderr is kept for logs(): in memory, or in the file of that path, to which it is added. Returns once
        the program runs. Raises StepError with the step's name when a step fails; one that was created is gone then.
        """
        if self._held:
            if trace or log or not (stdin is stdout is stderr is None):
                raise LabkitError(f"container {self.id} has its stdio since it was created", "give it to create()")
            self._let_go()
        else:
            self._check_not_made()
            self._make(self.plan, stdin, stdout, stderr, trace, log)
        return self

    def stepwise(self) -> Stepwise:
        """The container made one step at a time, to look at what each step changes (see engine.stepwise)."""
        from labkit.engine.stepwise import Stepwise

        self._check_not_made()
        return Stepwise(self.plan)

    def _make(
        self,
        plan: Plan,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        trace: bool,
        log: bool | str | os.PathLike[str],
    ) -> None:
        if log:
            from labkit.engine.logs import open_log

            self._log = open_log(log, self.spec.process.terminal)
            stdout, stderr = (self._log.writing if given is None else given for given in (stdout, stderr))
        stdio = (0 if stdin is None else stdin, 1 if stdout is None else stdout, 2 if stderr is None else stderr)
        if not self.spec.process.terminal:
            self._running = Running(plan, stdio, trace)
            return
        from labkit.engine.console import open_terminal

        def begin(console: int) -> None:
            self._running = Running(plan, (*stdio, console), trace)

        try:
            self._terminal = open_terminal(begin)
        except BaseException:
            self.delete()
            raise

    def _let_go(self) -> None:
        """Let the created container run its program."""
        from labkit.engine import lifecycle

        try:
            with self._locked() as found:
                lifecycle.start(found)
            lifecycle.poststart(found, warn)
            self._held = False
        except BaseException:
            self.delete()
            raise

    @property
    def trace(self) -> list[Span]:
        """Of a container that was started with `trace=True`: (who, step, begin, end) of each step, the times in ns."""
        return self._made().spans

    @property
    def terminal(self) -> FileIO:
        """The master of the terminal (pts(4)) of a container that has one: what is written to it is typed in."""
        if self._terminal is None:
            raise LabkitError(
                f"container {self.id} has no terminal", "it has one with terminal=True, from its start on"
            )
        return self._terminal

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of its terminal in characters."""
        from labkit.linux.terminal import set_window_size

        set_window_size(self.terminal.fileno(), rows, columns)

    def logs(self, follow: bool = False) -> Iterator[str]:
        """The lines that a container with a `log` has written, to stdout and to stderr as they came.

        With `follow` those still to come as well, until its end. A log in memory goes with the container.
        """
        running, log = self._made(), self._log
        if log is None:
            raise LabkitError(f"container {self.id} has no log", "start it with log=True, or with the path of a file")
        return log.lines(running.ended if follow else lambda patience: True)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, 128 + n for a death by signal n; LabkitError when `timeout` seconds pass first."""
        status = self._made().wait(timeout)
        if status is None:
            raise LabkitError(f"container {self.id} still runs after {timeout} s", "kill() ends it")
        return status

    def kill(self, signal: int = _SIGKILL) -> None:
        """Send `signal` to the container's first process; nothing happens when it has ended."""
        running = self._made()
        if running.pidfd >= 0 and running.status is None:
            try:
                pidfd_send_signal(running.pidfd, signal)
                for step in self.plan.before if signal == _SIGKILL else ():
                    if isinstance(step, MakeCgroup):
                        thaw(step.path)
            except ProcessLookupError:
                pass  # Ended since, and not yet waited for.

    def run(self, input: bytes = b"", timeout: float | None = None, trace: bool = False) -> Result:
        """Start, write `input` to its stdin, collect stdout and stderr, wait, delete; `trace` as of `start`.

        With a terminal `input` is typed, and all it shows is its stdout. Raises LabkitError, with the container gone,
        when `timeout` seconds pass first.
        """
        self._check_not_made()
        try:
            if self.spec.process.terminal:
                from labkit.engine.collect import through_terminal

                collected = through_terminal(self.start(trace=trace).terminal, input, timeout)
            else:
                collected = through_pipes(
                    lambda stdin, stdout, stderr: self.start(stdin, stdout, stderr, trace), input, timeout
                )
            if collected is None:
                raise LabkitError(f"container {self.id} was ended after {timeout} s", "give it a longer timeout")
            return Result(self.wait(timeout), *collected, self.reason)
        finally:
            self.delete()

    def exec(
        self,
        args: Iterable[str],
        *,
        user: str | int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        input: bytes = b"",
        timeout: float | None = None,
        terminal: bool = False,
    ) -> Result:
        """Run one more program in the container to its end, as `run` does; it is like the first but for what is given.

        Raises LabkitError when the container does not run, and, with the process killed, when `timeout` seconds pass.
        """
        from labkit.engine.further import execute

        return execute(self._locked, self.spec, args, user, env, cwd, input, timeout, terminal)

    def pause(self) -> None:
        """Stop all its processes where they are; nothing happens when they are."""
        from labkit.cgroups import freeze

        with self._locked() as found:
            freeze.pause(found.cgroups)

    def resume(self) -> None:
        """Let its processes go on; nothing happens when they do."""
        from labkit.cgroups import freeze

        with self._locked() as found:
            freeze.resume(found.cgroups)

    def update(
        self, *, memory: str | int | None = None, cpus: str | float | None = None, pids: str | int | None = None
    ) -> list[str]:
        """Change the limits that are given, in the words of `configure`; all of them, or on an error none.

        Returns notes on what the host leaves out.
        """
        from labkit.cgroups.update import update
        from labkit.engine.configure import set_limits
        from labkit.spec.model import Resources

        wanted = Resources()
        set_limits(wanted, memory, cpus, pids)
        with self._locked() as found:
            notes = update(found.cgroups, wanted)
        set_limits(self.spec.linux.resources, memory, cpus, pids)
        return notes

    def stats(self) -> dict[str, Any]:
        """What it has used and uses, nested as `runc events --stats` has it: nanoseconds and bytes.

        `labkit.stats.usage.frame([(time.time(), container.stats()), …])` makes tidy rows of several: the engine itself
        needs no pandas.
        """
        from labkit.cgroups.statistics import read

        cgroups = self._alive().cgroups
        if not cgroups:
            raise LabkitError(f"container {self.id} has no cgroup that counts", "labkit doctor shows the controllers")
        return read(cgroups)

    def delete(self) -> None:
        """End the container if it still runs and release everything of it; once more does nothing."""
        running = self._running
        try:
            if running is not None and running.pidfd >= 0:
                try:
                    if running.status is None:
                        self.kill()
                        running.wait()
                finally:
                    running.close()
        finally:
            if self._log is not None:
                self._log.close()
            if self._terminal is not None:
                self._terminal.close()

    def _check_not_made(self) -> None:
        if self._running is not None:
            raise LabkitError(f"container {self.id} was already started", "make a new Container for each run")

    def _made(self) -> Running:
        if self._running is None:
            raise LabkitError(f"container {self.id} was not started", "call start() first")
        return self._running

    def _found(self) -> State | None:
        return alive.found(self.id, self._made())

    def _alive(self) -> State:
        return alive.alive(self.id, self._made())

    def _locked(self) -> AbstractContextManager[State]:
        return alive.locked(self.id, self._made())
