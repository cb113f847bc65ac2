"""Every error a user can cause: one line that says what is wrong, one that says what to do.

The exit statuses are those of `docker run` and `env(1)`: 125 for a fault of the engine or of what it was asked,
126 for a command that cannot be executed, 127 for one that does not exist, 2 for a malformed command line.
"""


class LabkitError(Exception):
    """A fault that is reported as `labkit: MESSAGE` and `hint: HINT`, never as a traceback.

    `hint` is the next thing to type or to check; `exit_status` is what the command line ends with.
    """

    exit_status = 125

    def __init__(self, message: str, hint: str = "", exit_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_status is not None:
            self.exit_status = exit_status

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback (IPython asks an exception for this method)."""
        return [f"labkit: {self.message}", *([f"hint: {self.hint}"] if self.hint else [])]


class UsageError(LabkitError):
    """The command line itself is malformed."""

    exit_status = 2


class SpecError(LabkitError):
    """A configuration breaks a rule of the OCI runtime specification; `pointer` is the JSON pointer to the place."""

    def __init__(self, pointer: str, rule: str, hint: str = "") -> None:
        super().__init__(
            f"config.json#{pointer}: {rule}", hint or "the OCI runtime specification has the rules: config.md"
        )
        self.pointer = pointer


class StepError(LabkitError):
    """A step of a container's plan failed; `step` is its name and `errno` the kernel's answer."""

    def __init__(self, step: str, errno: int, message: str, hint: str = "", exit_status: int | None = None) -> None:
        hint = hint or "labkit explain, with the same options, shows what each step does"
        super().__init__(f"{step}: {message}", hint, exit_status)
        self.step = step
        self.errno = errno


class MissingError(LabkitError):
    """A program, package or kernel facility that the host lacks."""
