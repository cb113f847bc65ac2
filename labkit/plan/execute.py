"""The last steps: find the container's program, and become it (execve(2))."""

from __future__ import annotations

import _stat as stat
import errno

from labkit.errors import StepError
from labkit.linux import os
from labkit.plan.step import Scene, Step

_EXECVE_HINTS = {
    errno.EACCES: "check the file's permissions, and that its filesystem is not mounted noexec",
    errno.E2BIG: "arguments and environment are together too large (execve(2), Limits); pass them by a file or stdin",
    errno.ELOOP: "it is a symbolic link to itself",
    errno.ENOEXEC: "a script needs a #! line as its first",
    errno.ENOMEM: "give it a higher memory limit",
}
# include/linux/binfmts.h: BINPRM_BUF_SIZE; and fs/exec.c, which follows so many interpreters of interpreters.
_LONGEST_LINE = 256
_MOST_INTERPRETERS = 5
# Where execvp(3) looks without PATH.
DEFAULT_PATH = "/bin:/usr/bin"


class FindProgram(Step):
    __slots__ = ("command", "search")
    command: str
    search: str
    call = "faccessat2"
    why = "a program that is not there is an error of create, before anybody waits for start"

    def describe(self) -> str:
        return f"look for {self.command}"

    def apply(self, scene: Scene) -> None:
        refused: OSError | None = None
        candidates = _candidates(self.command, self.search)
        for path in candidates:
            if os.path.isfile(path) and os.access(path, os.X_OK, effective_ids=True):
                return
            if os.path.exists(path):
                refused = OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        raise _execve_failure("FindProgram", self.command, candidates, refused)


class GuardInterpreter(Step):
    """The engine's process is a Python interpreter of the host, and /proc/self/exe leads to it from anywhere.

    Run as the container's program, it would load the image's libraries and then stand open for writing. What is looked
    at can be exchanged until the execve by who runs in the container already; an image cannot. Against those the engine
    enters from a program that cannot be written to (see linux.interpreter).
    """

    __slots__ = ("command", "search")
    command: str
    search: str
    call = "stat, readlink, read"
    why = "no image may run the engine's own program as its own (CVE-2019-5736)"

    def describe(self) -> str:
        return f"see that {self.command} is not the engine's own program by a link of procfs"

    def apply(self, scene: Scene) -> None:
        for path in _candidates(self.command, self.search):
            self._check(path, scene.engine, _MOST_INTERPRETERS)

    def _check(self, path: str, engine: tuple[int, int], scripts: int) -> None:
        try:
            about = os.stat(path)
        except OSError:
            return  # Execute says what is wrong with it.
        if (about.st_dev, about.st_ino) == engine and not _is(os.path.realpath(path), engine):
            hint = "name a program of the image"
            raise StepError("GuardInterpreter", errno.EPERM, f"{path}: is the engine's own program", hint, 126)
        if not stat.S_ISREG(about.st_mode) or not scripts:
            return
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            if os.geteuid() == 0:
                raise
            return  # Who may not even read it may not write to what is root's either.
        try:
            line = os.read(descriptor, _LONGEST_LINE).split(b"\n")[0]
        finally:
            os.close(descriptor)
        words = line.removeprefix(b"#!").split()
        if line.startswith(b"#!") and words:
            self._check(os.fsdecode(words[0]), engine, scripts - 1)


def _is(path: str, file: tuple[int, int]) -> bool:
    try:
        about = os.stat(path)
    except OSError:
        return False
    return (about.st_dev, about.st_ino) == file


class Execute(Step):
    __slots__ = ("args", "env")
    args: tuple[str, ...]
    env: tuple[str, ...]
    call = "execve"
    why = "the last step: from here on the program runs"

    def describe(self) -> str:
        return "become " + " ".join(self.args)

    def apply(self, scene: Scene) -> None:
        environment = scene.surroundings | dict(entry.split("=", 1) for entry in self.env)
        candidates = _candidates(self.args[0], environment.get("PATH", DEFAULT_PATH))
        refused: OSError | None = None
        for path in candidates:
            try:
                os.execve(path, self.args, environment)
            except OSError as error:
                # As execvp(3): go on over what is not there, remember what is there and may not run.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    refused = error
        raise _execve_failure("Execute", self.args[0], candidates, refused)


def _candidates(command: str, search: str) -> list[str]:
    return [command] if "/" in command else [f"{folder or '.'}/{command}" for folder in search.split(":")]


def _execve_failure(step: str, command: str, candidates: list[str], refused: OSError | None) -> StepError:
    if refused is None:
        if any(os.path.lexists(path) for path in candidates):
            hint = "the file is there: its interpreter (#! line or dynamic loader) is not in the container"
        else:
            hint = "check the name, the image and PATH"
        return StepError(step, errno.ENOENT, f"{command}: command not found in the container", hint, 127)
    reason, hint = refused.strerror or "", _EXECVE_HINTS.get(refused.errno or 0, "see execve(2)")
    if refused.errno == errno.ENOEXEC:
        reason = "not a program of this machine"
    elif any(os.path.isdir(path) for path in candidates):
        reason, hint = "is a folder", "name a program in it"
    return StepError(step, refused.errno or 0, f"{command}: {reason}", hint, 126)
