"""One more program in a running container, run to its end through the spawner."""

from __future__ import annotations

from labkit.cgroups.events import oom_kills, reason_of_death
from labkit.engine.client import Running
from labkit.engine.collect import Result, through_pipes, through_terminal
from labkit.engine.configure import further
from labkit.engine.console import open_terminal
from labkit.engine.execute import prepare
from labkit.errors import LabkitError
from labkit.plan.manner import Manner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from labkit.engine.state import State
    from labkit.spec.model import Spec

_KILLED = 137


def execute(
    locked: Callable[[], AbstractContextManager[State]],
    spec: Spec,
    args: Iterable[str],
    user: str | int | None,
    env: Mapping[str, str] | None,
    cwd: str | None,
    input: bytes,
    timeout: float | None,
    terminal: bool,
) -> Result:
    """See Container.exec; `spec` is the container's configuration, and `locked()` gives its state, locked."""
    processes: list[Running] = []
    containers: list[State] = []
    killed: list[int | None] = []

    def begin(*stdio: int) -> None:
        # Locked until it runs: a process that is frozen on its way in would never answer.
        with locked() as found:
            if found.status() == "paused":
                raise LabkitError(f"container {found.id} is paused", "resume() it first")
            wanted = further(spec, args, f"/proc/{found.pid}/root", user=user, env=env, cwd=cwd, terminal=terminal)
            containers.append(found)
            killed.append(oom_kills(found.cgroups))
            processes.append(Running(prepare(found, wanted, Manner(console=terminal)), stdio))

    try:
        if terminal:
            with open_terminal(lambda console: begin(0, 1, 2, console)) as master:
                collected = through_terminal(master, input, timeout)
        else:
            collected = through_pipes(begin, input, timeout)
        status = None if collected is None else processes[0].wait(timeout)
        if collected is None or status is None:
            where = f"the program in container {containers[0].id}"
            raise LabkitError(f"{where} was ended after {timeout} s", "give it a longer timeout")
        return Result(status, *collected, _reason(containers[0], killed[0]) if status == _KILLED else None)
    finally:
        for process in processes:
            process.end()


def _reason(container: State, killed: int | None) -> str | None:
    """Why the kernel has killed a process of the container since it had killed `killed` of them; None if it is gone."""
    try:
        return None if oom_kills(container.cgroups) == killed else reason_of_death(container.cgroups)
    except OSError:
        return None
