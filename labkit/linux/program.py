"""Running another program to its end: posix_spawn(3), and pidfd_open(2) to wait with a limit."""

from __future__ import annotations

import os

from labkit.linux.descriptors import readable
from labkit.linux.pidfd import pidfd_open
from labkit.linux.seccomp import load_filter

_SIGKILL = 9
_MOST_OUTPUT = 4096


def run_program(
    path: str,
    args: tuple[str, ...],
    env: tuple[str, ...] | None,
    input: bytes,
    timeout: float | None,
    filter: bytes = b"",
) -> tuple[int | None, str]:
    """Run the program `path` with `input` on stdin; returns its exit status and the end of what it wrote.

    Where `env` is None it has this process's environment. `filter` is a BPF program of seccomp for it and not for the
    caller, who must have set no_new_privs for it. The status is -n for a death by signal n, and None where `timeout`
    seconds passed: it was killed then. Raises OSError with the path when it cannot be started.
    """
    # Files in memory and not pipes: a program that reads nothing, or writes much, blocks nobody.
    stdin = os.memfd_create("stdin", os.MFD_CLOEXEC)
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        os.write(stdin, input)
        os.lseek(stdin, 0, os.SEEK_SET)
        environment = dict(os.environ) if env is None else dict(entry.split("=", 1) for entry in env)
        try:
            pid = _spawn(path, args, environment, (stdin, output, output), filter)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        status = _wait(pid, timeout)
        size = os.fstat(output).st_size
        written = os.pread(output, _MOST_OUTPUT, max(0, size - _MOST_OUTPUT))
        return status, written.decode(errors="replace").strip()
    finally:
        os.close(stdin)
        os.close(output)


def _spawn(
    path: str, args: tuple[str, ...], environment: dict[str, str], stdio: tuple[int, int, int], filter: bytes
) -> int:
    if not filter:
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(stdio)]
        return os.posix_spawn(path, args, environment, file_actions=actions, setsigmask=())
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            for number, descriptor in enumerate(stdio):
                os.dup2(descriptor, number)
            load_filter(filter)
            os.execve(path, args, environment)
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writing)
    try:
        # Closed by its execve; or else the number of the error.
        refused = os.read(reading, 16)
    finally:
        os.close(reading)
    if refused:
        os.waitpid(pid, 0)
        raise OSError(int(refused), os.strerror(int(refused)))
    return pid


def _wait(pid: int, timeout: float | None) -> int | None:
    pidfd = pidfd_open(pid)
    try:
        in_time = readable(pidfd, None if timeout is None else int(timeout * 1000))
        if not in_time:
            os.kill(pid, _SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status if in_time else None
    finally:
        os.close(pidfd)
