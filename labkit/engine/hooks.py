"""The runtime's own hooks, run by a process of their own so that a slow one keeps nobody else waiting."""

from __future__ import annotations

from labkit.engine import sync
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.descriptors import readable
from labkit.linux.proc import start_time
from labkit.plan.folder import add_to_state
from labkit.plan.parent import MakeStateFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from labkit.plan.plan import Plan
    from labkit.plan.step import Kernel

_SIGKILL = 9


def hooks(
    plan: Plan, moment: str, status: str, pid: int, kernel: Kernel, warn: Callable[[str], None] | None = None
) -> Generator[int, None, None]:
    """Run the plan's hooks of `moment`, telling them `status` and `pid`; yields what to wait for.

    Raises LabkitError when one fails; with `warn` it is told, and the others are run. Closed meanwhile, it kills them.
    """
    if moment not in plan.hooks:
        return
    # Imported here: few containers have any.
    from labkit.plan.hook import hook_state

    ours, theirs = sync.pair()
    runner, pidfd = kernel.clone3(0)
    if runner == 0:
        ours.close()
        _serve(theirs, plan, moment, hook_state(plan.about, status, pid), kernel, warn is not None)
    theirs.close()
    try:
        # By both: whoever comes first, the group is there for either.
        os.setpgid(runner, runner)
    except OSError:
        pass  # It has ended.
    over = False
    try:
        _note(plan, moment, runner, kernel)
        sync.send(ours, ("go",))
        # Whoever goes through this may be woken by something else.
        while not readable(pidfd, 0):
            yield pidfd
        message, _ = sync.receive(ours)
        # What a hook that has succeeded left running is its own affair.
        over = message[0] == "done"
        if message[0] == "error":
            raise LabkitError(*message[1:])
        for failure in message[1]:
            assert warn is not None
            warn(failure)
    except sync.Dead:
        raise LabkitError(f"the {moment} hooks were killed", "see who did it") from None
    finally:
        if not over:
            _kill_group(runner)
        kernel.wait_exit(pidfd)
        os.close(pidfd)
        ours.close()


def _kill_group(runner: int) -> None:
    """Kill the hook that runs, and what that has started."""
    try:
        os.killpg(runner, _SIGKILL)
    except ProcessLookupError:
        pass


def _note(plan: Plan, moment: str, runner: int, kernel: Kernel) -> None:
    """Note in the container's state who runs its hooks, for whoever finds it with its maker killed."""
    if moment == "poststop":
        return  # It is gone already.
    for step in plan.before:
        if isinstance(step, MakeStateFolder):
            start = start_time(kernel.read_file(f"/proc/{runner}/stat"))
            add_to_state(step.path, f'{{"runner": [{runner}, {start}]}}')


def wait_through(steps: Generator[int, None, Any]) -> None:
    """Go through a generator as that of `hooks`, waiting here for what it waits for."""
    for descriptor in steps:
        readable(descriptor)


def _serve(channel: Any, plan: Plan, moment: str, state: dict[str, Any], kernel: Kernel, going_on: bool) -> None:
    from labkit.plan.hook import run_hooks

    failures: list[str] = []
    try:
        kernel.reset_signals()
        os.setpgid(0, 0)
        # It begins when it can be found, and not at all when its maker was killed before that.
        sync.receive(channel)
        run_hooks(kernel, moment, plan.hooks[moment], state, warn=failures.append if going_on else None)
        sync.send(channel, ("done", failures))
    except LabkitError as error:
        sync.send(channel, ("error", error.message, error.hint))
    except sync.Dead:
        pass
    finally:
        os._exit(0)
