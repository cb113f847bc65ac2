"""One container's life as its parent sees it, from the first cgroup to the last, as one function to be read down.

It is a generator: wherever it must wait it yields the descriptor it waits for, so that one single-threaded loop can
carry many lives (see `spawner`), or a command line just one (see `foreground`).
"""

from __future__ import annotations

import time
from _socket import socket

from labkit.engine import child, sync
from labkit.engine.hint import explain_clone_error, hint
from labkit.engine.hooks import hooks, wait_through
from labkit.engine.trace import now
from labkit.errors import LabkitError, StepError
from labkit.linux import os
from labkit.linux.descriptors import readable
from labkit.linux.timer import timer
from labkit.plan.folder import add_to_state
from labkit.plan.parent import MakeCgroup, MakeStateFolder
from labkit.plan.plan import Plan
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from labkit.engine.trace import Span
    from labkit.plan.step import Kernel

_SIGKILL = 9
# The status of one that was killed, and of a shell whose program was.
_KILLED = 128 + _SIGKILL
# In seconds.
_PATIENCE = 1.0
# In nanoseconds: how often to look again for what tells nobody when it is ready.
_MOMENT = 10**6


def life(
    plan: Plan,
    stdio: tuple[int, ...],
    started: Callable[[int, int], None],
    kernel: Kernel,
    trace: list[Span] | None = None,
    warn: Callable[[str], None] | None = None,
    died: Callable[[str], None] | None = None,
) -> Generator[int, bool | None, int]:
    """Make the container, wait for its end, undo everything; returns the exit status, 128 + n for a signal n.

    `stdio` are the descriptors for stdin, stdout and stderr, and a fourth where the plan opens a terminal: the socket
    that gets its master. `started` is called with (pid, pidfd) once the program runs, or waits to be started; `trace`
    then has a span for each step. A plan whose container is `left` to itself ends there, with status 0 and nothing
    undone. `warn` is told of poststart and poststop hooks that failed, which is an error where it is None. `died` is
    told why, when the kernel has killed it for want of memory.

    Raises StepError or LabkitError when it could not be made. Whenever an exception is thrown into the generator, the
    container is killed and undone, which may take further steps; or it is closed, and waits itself. Once `started` was
    called, it can be sent True instead: the container is killed, and its end waited for as any other.
    """
    scene = Scene(kernel)
    scene.console = stdio[3] if len(stdio) > 3 else -1
    done: list[Step] = []
    pidfd = -1
    channel: socket | None = None
    try:
        for step in plan.before:
            yield from _apply(step, scene, trace)
            done.append(step)
        channel, theirs = _pair()
        scene.release = lambda: _answer(channel)
        began = now()
        try:
            scene.pid, pidfd = _clone(plan, scene)
        except OSError as error:
            theirs.close()
            raise explain_clone_error(error, "user" in plan.clone) from error
        if scene.pid == 0:
            channel.close()
            child.run(plan.child, theirs, stdio[:3], scene, trace is not None)
        theirs.close()
        if trace is not None:
            trace.append(("parent", "Clone", began, now()))
        for step in plan.after:
            try:
                yield from _apply(step, scene, trace)
            except LabkitError:
                # A child that has failed meanwhile is no longer there to be worked on; what it says comes first.
                _raise_report(channel)
                raise
            done.append(step)
        yield from _until_ready(channel, plan, scene, pidfd, trace, warn)
        channel.close()
        started(scene.pid, pidfd)
        while not plan.left and (yield pidfd):
            _kill(pidfd, done, kernel)
        status = 0 if plan.left else int(kernel.wait_exit(pidfd))
        os.close(pidfd)
        pidfd = -1
        if status == _KILLED and died is not None:
            _say_why(done, died)
        if plan.kept or plan.left:
            _let_go(plan, done)
            return status
        yield from _undo(done, scene)
        yield from hooks(plan, "poststop", "stopped", 0, kernel, warn)
        return status
    except GeneratorExit:
        wait_through(_give_up(plan, scene, done, pidfd, warn))
        raise
    except BaseException:
        yield from _undisturbed(_give_up(plan, scene, done, pidfd, warn))
        raise
    finally:
        if channel is not None:
            channel.close()


class Abandoned(Exception):
    """Thrown into a life: nobody wants the container any more."""


def _undisturbed(steps: Generator[int, None, None]) -> Generator[int, None, None]:
    """Go through `steps` even where the container is abandoned meanwhile, and to their end where this is closed."""
    for descriptor in steps:
        try:
            yield descriptor
        except Abandoned:
            pass
        except GeneratorExit:
            wait_through(steps)
            raise


def _give_up(
    plan: Plan, scene: Scene, done: list[Step], pidfd: int, warn: Callable[[str], None] | None
) -> Generator[int, None, None]:
    """Kill the container's process, if it has one, and undo what was done for it."""
    if pidfd >= 0:
        _kill(pidfd, done, scene.kernel)
        # One that was added to a container which is paused dies only when that goes on.
        yield from _moments(_dying(pidfd, None if _entered(plan) is None else _PATIENCE))
        if readable(pidfd, 0):
            scene.kernel.wait_exit(pidfd)
        os.close(pidfd)
    made = bool(done)
    yield from _undo(done, scene)
    if made and scene.pid:
        yield from hooks(plan, "poststop", "stopped", 0, scene.kernel, warn)


def _dying(pidfd: int, patience: float | None) -> Iterator[None]:
    """A moment each until the process is dead, for so many seconds at most."""
    end = None if patience is None else time.monotonic() + patience
    while not readable(pidfd, 0) and (end is None or time.monotonic() < end):
        yield


def _let_go(plan: Plan, done: list[Step]) -> None:
    """From here on the container is nobody's, and what it has stays until it is deleted."""
    done.clear()
    _note(plan, '{"owner": null}')


def _kill(pidfd: int, done: list[Step], kernel: Kernel) -> None:
    kernel.pidfd_send_signal(pidfd, _SIGKILL)
    for step in done:
        if isinstance(step, MakeCgroup):
            kernel.thaw(step.path)


def _say_why(done: list[Step], died: Callable[[str], None]) -> None:
    """Ask the container's cgroups, while they are there, whether the kernel has killed one of its processes."""
    from labkit.cgroups.events import reason_of_death

    try:
        reason = reason_of_death([step.path for step in done if isinstance(step, MakeCgroup)])
    except OSError:
        return  # Somebody else has removed them.
    if reason:
        died(reason)


def _clone(plan: Plan, scene: Scene) -> tuple[int, int]:
    if scene.user_namespace is None:
        pid, pidfd = scene.kernel.clone3(plan.clone_flags(), scene.cgroup)
    else:
        pid, pidfd = scene.kernel.clone_in_user_namespace(
            *(scene.user_namespace, plan.clone_flags(), scene.cgroup, scene.pid_namespace, scene.network_namespace)
        )
    return int(pid), int(pidfd)


def _moments(moments: Iterator[None]) -> Generator[int, None, None]:
    """What to wait for meanwhile: a timer for each moment."""
    for _ in moments:
        moment = timer(_MOMENT)
        try:
            yield moment
        finally:
            os.close(moment)


def _undo(done: list[Step], scene: Scene) -> Generator[int, None, None]:
    """Undo every step, the last first; one that fails does not keep the others from being undone."""
    failures = []
    while done:
        step = done[-1]
        try:
            moments = step.undo(scene)
            if moments is not None:
                yield from _moments(moments)
        except OSError as error:
            failures.append(f"{type(step).__name__}: {error.filename}: {error.strerror}")
        # Only now: who is closed meanwhile undoes it once more.
        done.pop()
    if failures:
        raise LabkitError(f"the container is gone, but something is left: {'; '.join(failures)}", "try: labkit gc")


def _apply(step: Step, scene: Scene, trace: list[Span] | None) -> Generator[int, None, None]:
    try:
        began = now()
        moments = step.apply(scene)
        if moments is not None:
            yield from _moments(moments)
        if trace is not None:
            trace.append(("parent", type(step).__name__, began, now()))
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        name = type(step).__name__
        text = f"{about}{error.strerror}"
        raise StepError(name, error.errno or 0, text, hint(name, error.errno)) from error


def _pair() -> tuple[socket, socket]:
    try:
        return sync.pair()
    except OSError as error:
        raise StepError("Clone", error.errno or 0, error.strerror or "", hint("Clone", error.errno)) from error


def _raise_report(channel: socket) -> None:
    """Raise the error that the child has sent, if it has sent one."""
    if readable(channel.fileno(), 0):
        try:
            _receive(channel)
        except sync.Dead:
            pass


def _receive(channel: socket) -> tuple[Any, ...]:
    message, _ = sync.receive(channel)
    if message[0] == "error":
        _, name, number, text, advice, status = message
        raise StepError(name, number, text, advice, status)
    return message


def _answer(channel: socket, descriptors: tuple[int, ...] = ()) -> None:
    try:
        sync.send(channel, ("go",), descriptors)
    except sync.Dead:
        raise _died() from None


def _lend(channel: socket, scene: Scene, path: str) -> None:
    """Open `path` for the child, to which a folder on the way is closed, as the child finds it: in its own mounts."""
    try:
        root = os.open(f"/proc/{scene.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = scene.kernel.openat2(root, path)
        finally:
            os.close(root)
    except OSError as error:
        number = error.errno or 0
        raise StepError("BindMount", number, f"{path}: {error.strerror}", hint("BindMount", number)) from error
    try:
        _answer(channel, (place,))
    finally:
        os.close(place)


def _until_ready(
    channel: socket,
    plan: Plan,
    scene: Scene,
    pidfd: int,
    trace: list[Span] | None,
    warn: Callable[[str], None] | None,
) -> Generator[int, None, None]:
    """Answer the child until it has nothing more to ask: its program runs, or it waits to be started."""
    ready: tuple[Any, ...] | None = None
    while True:
        yield channel.fileno()
        try:
            message = _receive(channel)
        except sync.Dead:
            # Its execve has closed its end; the last message before tells whether that was reached.
            if ready is None:
                raise _died() from None
            if trace is not None:
                _, spans, since = ready
                trace += [*spans, ("child", "Execute", since, now())]
            _note_ready(plan)
            yield from hooks(plan, "poststart", "running", scene.pid, scene.kernel, warn)
            return
        if message[0] == "hooks":
            for moment in ("prestart", "createRuntime"):
                # runtime.md, State: `creating` is step 2 of the lifecycle, and these are the steps after it.
                yield from hooks(plan, moment, "created", scene.pid, scene.kernel)
            _answer(channel)
        elif message[0] == "listener":
            # Imported here: few filters have one.
            from labkit.engine import listener

            state = _state(plan, scene.pid)
            yield from _moments(listener.pass_on(scene.kernel, pidfd, message, scene.pid, state))
            _answer(channel)
        elif message[0] == "open":
            _lend(channel, scene, message[1])
        elif message[0] == "created":
            _note_ready(plan)
            _answer(channel)
            return
        else:
            ready = message


def _state(plan: Plan, pid: int) -> dict[str, Any]:
    """The container's state (runtime.md, State): it is being made, unless the plan is for one more process in it."""
    from labkit.plan.hook import hook_state

    container = _entered(plan)
    if container is None:
        return hook_state(plan.about, "creating", pid)
    return hook_state(plan.about, "running", container)


def _entered(plan: Plan) -> int | None:
    """The pid of the container in which the plan's process is one more; None where it is the first of its own."""
    from labkit.plan.enter import OpenContainer

    return next((step.pid for step in plan.before if isinstance(step, OpenContainer)), None)


def _note_ready(plan: Plan) -> None:
    _note(plan, '{"ready": true}')


def _note(plan: Plan, line: str) -> None:
    for step in plan.before:
        if isinstance(step, MakeStateFolder):
            add_to_state(step.path, line)


def _died() -> LabkitError:
    return LabkitError("the container's process died before it could run its program", "is its memory limit too low?")
