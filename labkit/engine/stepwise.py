"""A container that is made one step at a time, while somebody looks at what each step has changed."""

from __future__ import annotations

import os

from labkit.engine import sync
from labkit.engine.collect import Result
from labkit.errors import LabkitError, StepError
from labkit.linux.descriptors import readable
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from labkit.engine.stepper import main; main(int(sys.argv[1]))"
# In milliseconds: no step takes long, but some wait for the kernel.
_PATIENCE = 30_000


class Stepwise:
    """Used as a context manager the container is gone at the end of the block, wherever it stands.

    `number` is the step that was done last, of the numbers in `plan.explain()`, 0 at first; `pid` the process that is
    made, 0 before there is one, and `maker` its parent. The program's stdin is a pipe that stays open until finish().
    """

    def __init__(self, plan: Plan) -> None:
        import subprocess
        import sys

        self.rows = plan.rows()
        self.number = self.pid = 0
        self._channel, theirs = sync.pair()
        self._output = os.memfd_create("output", os.MFD_CLOEXEC)
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        arguments = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(theirs.fileno()), package]
        self._process = subprocess.Popen(
            arguments,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        theirs.close()
        self.maker = self._process.pid
        sync.send(self._channel, ("make", plan.encode()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[int]:
        """Do one step after the other; gives the number of each that is done, and stops when the program runs."""
        while self.number < len(self.rows):
            yield self.step()

    def step(self) -> int:
        """Do the next step; returns its number. Raises StepError when it fails: the container is gone then."""
        if self.number >= len(self.rows):
            raise LabkitError("every step is done: the program runs", "finish() waits for its end")
        if self.number:
            self._proceed()
        message = self._next()
        if message[0] == "reached":
            self.number, self.pid = message[1], message[2] or self.pid
        else:
            self.number, self.pid = len(self.rows), message[1]
        return self.number

    def until(self, name: str) -> int:
        """Do all steps up to the first with this name that is still to be done; returns its number."""
        wanted = [number for number, row in enumerate(self.rows, 1) if row[1] == name and number > self.number]
        if not wanted:
            names = ", ".join(dict.fromkeys(row[1] for row in self.rows[self.number :]))
            raise LabkitError(f"no step {name!r} is still to be done", f"the steps are: {names}" if names else "")
        while self.step() < wanted[0]:
            pass
        return self.number

    def finish(self) -> Result:
        """Do the remaining steps, close the program's stdin, and wait for its end; stdout has stderr in it."""
        for _ in self:
            pass
        assert self._process.stdin is not None
        self._process.stdin.close()
        _, status = self._next()
        return Result(status, self.output(), b"", None)

    def output(self) -> bytes:
        """What the program has written so far."""
        return os.pread(self._output, os.fstat(self._output).st_size, 0)

    def close(self) -> None:
        """End the container and release everything of it; once more does nothing."""
        if self._output < 0:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._channel.close()
        self._process.wait()
        os.close(self._output)
        self._output = -1

    def _proceed(self) -> None:
        try:
            os.write(self._channel.fileno(), b".")
        except OSError:
            raise _gone() from None

    def _next(self) -> tuple[Any, ...]:
        if not readable(self._channel.fileno(), _PATIENCE):
            raise LabkitError(f"nothing has happened for {_PATIENCE // 1000} s", "close() ends the container")
        try:
            message, _ = sync.receive(self._channel)
        except sync.Dead:
            raise _gone() from None
        if message[0] == "failed":
            _, step, number, text, advice, status = message
            if step:
                raise StepError(step, number, text.removeprefix(f"{step}: "), advice, status)
            raise LabkitError(text, advice, status)
        return message


def _gone() -> LabkitError:
    return LabkitError("the process that makes the container was killed", "remove what it left with: labkit gc")
