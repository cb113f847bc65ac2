"""What the study compares: a runtime, and how the bundle that it is given differs from everybody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labkit.bench.startup import AGAIN
from labkit.linux.capabilities import names, read_sets
from labkit.runtimes import Runtime, driver
from labkit.runtimes.labkit import Labkit
from labkit.runtimes.microvm import Microvm
from labkit.runtimes.runc import runc
from labkit.runtimes.runsc import Runsc
from labkit.spec import default
from labkit.spec.model import Resources, Spec

HOST = "host"


def _same(spec: Spec) -> None:
    """Everybody's bundle."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One column of the study.

    `served` runs servers, where that takes another option of the runtime; `plugged` says that its sandboxes are
    plugged into a bridge (see vm.wire). `alter` changes the bundle.
    """

    label: str
    runtime: Runtime
    served: Runtime | None = None
    plugged: bool = False
    alter: Callable[[Spec], None] = _same

    @property
    def parameters(self) -> str:
        """What distinguishes its variant of the runtime, or its two."""
        own = self.runtime.parameters
        return own if self.served is None else f"{own}; for servers {self.served.parameters}"


def treatment(label: str) -> Treatment:
    """The treatment of a runtime's name, of `host`, or of the control. Raises LabkitError for a name that is none."""
    if label == HOST:
        return Treatment(label, Labkit(), alter=bare)
    if label == AGAIN:
        return Treatment(label, runc(AGAIN))
    runtime = driver(label)
    if isinstance(runtime, Runsc):
        return Treatment(label, runtime, Runsc(runtime.platform, {"network": "sandbox"}))
    return Treatment(label, runtime, plugged=isinstance(runtime, Microvm))


def bare(spec: Spec) -> None:
    """The image's programs with no isolation: only the mount namespace in which they find their files.

    Another root directory is all that it takes to run them with the image's own libraries; it costs nothing once they
    run. All privileges, the host's other namespaces, no filter, no limit and no mask.
    """
    spec.hostname = spec.domainname = ""
    spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind == "mount")
    spec.linux.seccomp = None
    spec.linux.resources = Resources()
    spec.linux.masked_paths = spec.linux.readonly_paths = ()
    spec.linux.sysctl = {}
    # No list of them would mean none.
    spec.process.capabilities = default.capabilities(tuple(names(read_sets()["permitted"])))
    spec.process.no_new_privileges = False
    spec.process.rlimits = ()
    spec.mounts = tuple(one for one in spec.mounts if one.kind not in ("cgroup", "mqueue"))
