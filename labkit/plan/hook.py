"""Hooks as steps: those of the container's own process, and the point at which it waits for the runtime's.

Source: OCI runtime-spec, config.md (POSIX-platform hooks) and runtime.md (lifecycle).
"""

from __future__ import annotations

import os
from _signal import strsignal

import labkit.linux.program  # noqa: F401  (see kernel)
from labkit.errors import LabkitError
from labkit.plan.step import Scene, Step
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labkit.plan.step import Kernel

    # (path, args, env or None for that of who runs it, timeout in seconds)
    Program = tuple[str, tuple[str, ...], tuple[str, ...] | None, int | None]


def run_hooks(
    kernel: Kernel,
    moment: str,
    hooks: tuple[Program, ...],
    state: dict[str, Any],
    filter: bytes = b"",
    warn: Callable[[str], None] | None = None,
) -> None:
    """Run the hooks of one moment in order, each with `state` as JSON on its stdin and under the seccomp `filter`.

    Raises LabkitError at the first that cannot be run, fails or takes longer than its timeout; with `warn` it is told
    of each such, and the others are run (runtime.md, Lifecycle: poststart and poststop).
    """
    text = encode(state).encode()
    for index, hook in enumerate(hooks):
        try:
            _run_hook(kernel, moment, index, hook, text, filter)
        except LabkitError as error:
            if warn is None:
                raise
            warn(error.message)


def _run_hook(kernel: Kernel, moment: str, index: int, hook: Program, text: bytes, filter: bytes) -> None:
    path, args, env, timeout = hook
    about = f"error running {moment} hook #{index}"
    pointer = f"/hooks/{moment}/{index}"
    try:
        status, output = kernel.run_program(path, args, env, text, timeout, filter)
    except OSError as error:
        hint = "a hook's path is one of the host; startContainer's alone is one inside the container"
        raise LabkitError(f"{about}: {pointer}: {path}: {(error.strerror or '').lower()}", hint) from error
    if status is None:
        message = f"{about}: {pointer}: {path} took longer than its timeout of {timeout} s"
        raise LabkitError(message, "it was killed")
    if status != 0:
        how = f"exit status {status}" if status > 0 else f"signal: {(strsignal(-status) or str(-status)).lower()}"
        wrote = f", output: {' | '.join(output.splitlines())}" if output else ""
        # Both ways in which runc has said it, for those who look for one of them.
        message = f"{about}: {pointer}: {path}: {how}: error running hook{wrote}"
        raise LabkitError(message, "what a hook does is its author's affair")


class AwaitHooks(Step):
    __slots__ = ("programs",)
    programs: tuple[str, ...]
    call = "sendmsg, recvmsg"
    why = "prestart and createRuntime hooks run on the host, when the file tree is made and not yet the root"

    def describe(self) -> str:
        return "let the runtime run " + ", ".join(self.programs)

    def apply(self, scene: Scene) -> None:
        assert scene.tell is not None
        assert scene.wait is not None
        scene.tell("hooks")
        scene.wait()


class RunHooks(Step):
    """Hooks that run in the container's namespaces: createContainer before pivot_root, startContainer after it."""

    __slots__ = ("about", "filter", "hooks", "moment", "status")
    about: tuple[str, str, str, dict[str, str]]
    filter: bytes
    hooks: tuple[Program, ...]
    moment: str
    status: str
    call = "posix_spawn, waitid"
    why = "in the container's namespaces and before its program"

    def describe(self) -> str:
        return f"run the {self.moment} hooks " + ", ".join(path for path, *_ in self.hooks)

    def apply(self, scene: Scene) -> None:
        if scene.root >= 0:
            # Before pivot_root the paths are the host's, and the working folder is the container's root (as runc's).
            os.fchdir(scene.root)
            # What such a hook makes on the host has the mode that the caller's mask gives it.
            mine = os.umask(scene.umask)
        told = hook_state(self.about, self.status, os.getpid())
        run_hooks(scene.kernel, self.moment, self.hooks, told, self.filter)
        if scene.root >= 0:
            os.umask(mine)


def hook_state(about: tuple[str, str, str, dict[str, str]], status: str, pid: int) -> dict[str, Any]:
    """The state that a hook reads (runtime.md, State); `about` is (ociVersion, id, bundle, annotations)."""
    version, id, bundle, annotations = about
    state = {"ociVersion": version, "id": id, "status": status, "pid": pid, "bundle": bundle}
    return state | ({"annotations": annotations} if annotations else {})
