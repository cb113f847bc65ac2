"""crun, the small runtime in C.

Before version 1.9 it refuses a host that has v1 controllers and the v2 tree mounted beside them. There it is started
from a mount namespace in which the v2 tree is not mounted, and every figure is flagged `unified-hidden`.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from labkit.cgroups.detect import detect
from labkit.runtimes import without_v2
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.protocol import DEADLINE, Probe
from labkit.runtimes.trial_run import try_out

FLAG = "unified-hidden"


class Crun(OciRuntime):
    """The driver; it learns by trying whether the v2 tree must be hidden."""

    def __init__(self) -> None:
        super().__init__("crun", "crun", "crun")
        self._thread: ThreadPoolExecutor | None = None
        self._tried = False

    def probe(self) -> Probe:
        """See Runtime.probe."""
        self.settle()
        return super().probe()

    @property
    def remedy(self) -> str:
        """See OciRuntime.remedy."""
        if detect().mode == "hybrid" and os.geteuid() != 0:
            return "crun 1.9 or newer, or run as root: labkit then hides the v2 tree from it"
        return super().remedy

    def facts(self) -> tuple[str, ...]:
        """See OciRuntime.facts."""
        return (FLAG,) if self._thread else ()

    def spawn(self, argv: list[str], stdio: tuple[int, int, int], id: str = "") -> tuple[int, int]:
        """See OciRuntime.spawn."""
        self.settle()
        if self._thread is None:
            return super().spawn(argv, stdio, id)
        return self._thread.submit(super().spawn, argv, stdio, id).result()

    def call(self, argv: list[str], timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """See OciRuntime.call."""
        if self._thread is None:
            return super().call(argv, timeout)
        return self._thread.submit(super().call, argv, timeout).result()

    @property
    def thread(self) -> ThreadPoolExecutor | None:
        """The thread whose children do not see the v2 tree; None where crun takes the host as it is."""
        self.settle()
        return self._thread

    def settle(self) -> None:
        """Find out, once, whether crun takes the host as it is."""
        if self._tried:
            return
        self._tried = True
        if detect().mode == "hybrid" and os.geteuid() == 0 and self.path() and try_out(self):
            self._thread = without_v2.thread("crun")
