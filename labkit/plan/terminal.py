"""The container's terminal: made inside, by its own process, and sent out as a descriptor.

Source: OCI runtime-spec, config.md (terminal, consoleSize); runc, docs/terminals.md.
"""

from __future__ import annotations

import os

import labkit.linux.terminal  # noqa: F401  (see kernel)
from labkit.errors import SpecError, StepError
from labkit.plan.manner import Manner
from labkit.plan.step import Scene, Step
from labkit.spec.model import Spec


def terminal(spec: Spec, manner: Manner, console: bool) -> Step:
    """The step that opens the terminal of a process, and with `console` has it for /dev/console too.

    Raises SpecError where nobody is there to get it.
    """
    if not manner.console:
        hint = "use --console-socket, or run it in the foreground of a terminal; or set /process/terminal to false"
        raise SpecError("/process/terminal", "needs somebody to hand the terminal to", hint)
    size = spec.process.console_size
    return OpenTerminal(size.width if size else 0, console, size.height if size else 0, spec.process.user.uid)


class OpenTerminal(Step):
    __slots__ = ("columns", "console", "rows", "uid")
    columns: int
    console: bool
    rows: int
    uid: int
    call = "openat2(/dev/ptmx), ioctl(TIOCGPTPEER), sendmsg(SCM_RIGHTS), ioctl(TIOCSCTTY), dup2"
    why = "its own devpts, so that no terminal of the host is within its reach"

    def describe(self) -> str:
        size = f" of {self.columns}x{self.rows}" if self.rows or self.columns else ""
        return f"open a terminal{size}, send its master out, and take it as stdin, stdout and stderr"

    def apply(self, scene: Scene) -> None:
        kernel = scene.kernel
        try:
            master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            hint = "the configuration needs a mount of type devpts on /dev/pts"
            raise StepError("OpenTerminal", error.errno or 0, f"/dev/ptmx: {error.strerror}", hint) from error
        try:
            slave, name = kernel.open_slave(master)
            if self.rows or self.columns:
                kernel.set_window_size(master, self.rows, self.columns)
            if self.uid:
                os.fchown(slave, self.uid, -1)
            if self.console:
                self._show_as_console(scene, slave)
            kernel.send_descriptor(scene.console, name.encode(), master)
        finally:
            os.close(master)
            os.close(scene.console)
        kernel.set_controlling_terminal(slave)
        for number in range(3):
            os.dup2(slave, number)
        if slave > 2:
            os.close(slave)

    def _show_as_console(self, scene: Scene, slave: int) -> None:
        """/dev/console is the terminal (config-linux.md, default devices)."""
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = scene.kernel.open_or_make(root, "/dev/console", False)
            made = scene.kernel.open_tree(slave, False)
            try:
                scene.kernel.move_mount(made, place, "/dev/console")
            finally:
                os.close(made)
                os.close(place)
        finally:
            os.close(root)
