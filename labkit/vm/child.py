"""Starting a guest's processes so that none of them outlives this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from labkit.linux.pidfd import pidfd_open

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from labkit.vm.launch import main;"
    "main(int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])"
)
_ERRORS_KEPT = 4000  # bytes


class Child:
    """A running process, in a process group of its own: a terminal's Ctrl-C comes to labkit alone.

    With `shared` the program finds that folder at launch.PLACE, read-only unless `writable`.
    `pidfd` is readable once it has ended, `errors` once it has said something on stderr; `silent` when it
    will not again.
    """

    __slots__ = ("_said", "errors", "pidfd", "process", "silent")

    def __init__(self, argv: list[str], pass_fds: tuple[int, ...], shared: str = "", writable: bool = False) -> None:
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        launch = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _PROGRAM,
            package,
            str(os.getpid()),
            shared,
            "rw" if writable else "ro",
        ]
        self.process = subprocess.Popen(
            [*launch, *argv],
            pass_fds=pass_fds,
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.pidfd = pidfd_open(self.process.pid)
        assert self.process.stderr is not None
        self.errors = self.process.stderr.fileno()
        os.set_blocking(self.errors, False)
        self._said = b""
        self.silent = False

    def read_errors(self) -> None:
        """Take in what it said on stderr."""
        try:
            data = os.read(self.errors, 65536)
        except BlockingIOError:
            return
        self._said = (self._said + data)[-_ERRORS_KEPT:]
        self.silent = not data

    def last_words(self) -> str:
        """The last line it said, "" if none."""
        self.read_errors()
        lines = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def close(self) -> None:
        """Kill it, with all of its process group, and wait until it is gone."""
        if self.process.returncode is None:
            # Not yet waited for, so that the number is still this group's.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.pidfd)
        if self.process.stderr is not None:
            self.process.stderr.close()
