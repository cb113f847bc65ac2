"""A containerd of labkit's own: its root, state and socket in one folder, no plug-ins for Kubernetes, and no images.

It lives as long as the process that started it: a shell holds it, and waits for the end of a pipe of which that
process has the other end, so that not even SIGKILL leaves a daemon behind. Its sandboxes are their shims', and outlive
it: they are removed by their ids.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from labkit.errors import LabkitError
from labkit.linux.pidfd import wait_exit
from labkit.linux.rundir import rundir
from labkit.runtimes import engine
from labkit.runtimes.process import spawn
from labkit.runtimes.trial_run import last_words

_CONFIG = """version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{place}/socket"
"""
# $1 is the program, $2 the folder. The pid is written for those who count its memory.
_HOLD = """
"$1" --config "$2/config.toml" >"$2/log" 2>&1 </dev/null &
echo $! >"$2/pid"
read -r end
kill $! 2>/dev/null
wait $!
rm -rf "$2"
"""
_DEADLINE = 20.0
INSTALL = "sudo apt-get install containerd"


class PrivateDaemon:
    """One containerd, started when it is first needed, in `thread`'s namespaces where one is given."""

    def __init__(self, thread: ThreadPoolExecutor | None = None, env: dict[str, str] | None = None) -> None:
        self.thread = thread
        self.env = env or {}
        self.place = ""
        self._pipe = -1
        self._pidfd = -1

    @property
    def socket(self) -> str:
        """Where it listens."""
        return f"{self.place}/socket"

    def pid(self) -> int:
        """The daemon's pid; 0 when it does not run."""
        try:
            with open(f"{self.place}/pid") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return 0

    def start(self) -> None:
        """Make sure that it answers. Raises LabkitError, in its own last words, when it does not."""
        if self._pidfd >= 0:
            if self._answers():
                return
            self.stop()
        program = shutil.which("containerd")
        if program is None:
            raise LabkitError("containerd is not installed", INSTALL, 127)
        self.place = f"{rundir('containerd')}/{os.getpid()}-{os.urandom(3).hex()}"
        os.mkdir(self.place, 0o711)
        with open(f"{self.place}/config.toml", "w") as file:
            file.write(_CONFIG.format(place=self.place))
        reading, self._pipe = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        argv = ["sh", "-c", _HOLD, "labkit-hold", program, self.place]
        env = {**os.environ, **self.env}
        try:
            stdio = (reading, null, null)
            _, pid = engine.in_thread(self.thread, lambda: spawn("/bin/sh", argv, env, stdio))
        finally:
            os.close(reading)
            os.close(null)
        self._pidfd = os.pidfd_open(pid)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + _DEADLINE
        while not self._answers():
            if time.monotonic() > deadline:
                words = self.last_words()
                self.stop()
                raise LabkitError(f"containerd does not answer: {words or 'and no word why'}", INSTALL)
            time.sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(self.socket)
            except OSError:
                return False
        return True

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            with open(f"{self.place}/log", errors="replace") as file:
                return last_words(file.read())
        except FileNotFoundError:
            return ""

    def stop(self) -> None:
        """End it, with its folder; once more does nothing."""
        if self._pidfd < 0:
            return
        os.close(self._pipe)
        select.select([self._pidfd], [], [], _DEADLINE)
        wait_exit(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = self._pipe = -1
