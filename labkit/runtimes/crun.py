"""crun, the small runtime in C.

Before version 1.9 it refuses a host that has v1 controllers and the v2 tree mounted beside them. There it is started
from a mount namespace in which the v2 tree is not mounted, and every figure is flagged `unified-hidden`. The namespace
belongs to one thread of the driver: a child is born in the namespaces of the thread that makes it, so that nothing is
added to what is measured.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from labkit.cgroups.detect import detect
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount, umount2
from labkit.linux.namespaces import CLONE_NEWNS, unshare
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.protocol import Probe
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
        self._settle()
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

    def spawn(self, argv: list[str], stdio: tuple[int, int, int]) -> tuple[int, int]:
        """See OciRuntime.spawn."""
        self._settle()
        return self._thread.submit(super().spawn, argv, stdio).result() if self._thread else super().spawn(argv, stdio)

    def call(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """See OciRuntime.call."""
        return self._thread.submit(super().call, argv).result() if self._thread else super().call(argv)

    def _settle(self) -> None:
        """Find out, once, whether crun takes the host as it is."""
        if self._tried:
            return
        self._tried = True
        if detect().mode == "hybrid" and os.geteuid() == 0 and self.path() and try_out(self):
            self._thread = ThreadPoolExecutor(1, "crun", initializer=_hide_unified)


def _hide_unified() -> None:
    """Give the calling thread a mount namespace of its own, without the v2 tree."""
    unified = detect().v2()
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    if unified is not None:
        umount2(unified.mount)
