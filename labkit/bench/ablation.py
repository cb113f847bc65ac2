"""The ablation: labkit's engine with each mechanism left out alone, and with each added alone to none.

All that tells one treatment from another is the bundle. The full one is the study's own; the bare one has the mount
namespace that gives a program its files, and nothing else. Between them a mechanism is there or not (see MECHANISMS),
so that its price is found twice: by what is saved where it alone is left out, and by what is added where it is alone.
Where the two differ, mechanisms act on each other.

Two more are no part of the study's bundle, and are added to the full one and to the bare one: a user namespace, and a
root filesystem on an overlay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from labkit.bench.declaration import check
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment
from labkit.bench.work import Progress, work
from labkit.errors import LabkitError
from labkit.linux.capabilities import NUMBERS
from labkit.runtimes.labkit import Labkit
from labkit.spec import default
from labkit.spec.model import IdMapping, Namespace, Resources, Spec

EXPERIMENT = "ablation"
FULL, BARE = "full", "bare"
WITHOUT, ALONE, AND = "without ", "only ", "full and "
# What the start of a container is called where workloads have names.
START = "start-up"
# The first of the host's ids that a user namespace is given, and how many: what nobody has here, as in subuid(5).
_FIRST_ID, _IDS = 100_000, 65_536


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One thing that isolates: `change` takes it out of the study's bundle, or puts it into one that `lacks` it.

    `running` says that it may cost something while a program runs, not at its start alone. `needs` says why it cannot
    be alone.
    """

    name: str
    change: Callable[[Spec], None]
    running: bool = False
    lacks: bool = False
    needs: str = ""


def _filter(spec: Spec) -> None:
    spec.linux.seccomp = None


def _capabilities(spec: Spec) -> None:
    # All of them: a bundle that names none has none.
    spec.process.capabilities = default.capabilities(tuple(NUMBERS))


def _no_new_privs(spec: Spec) -> None:
    spec.process.no_new_privileges = False


def _namespace(kind: str) -> Callable[[Spec], None]:
    def leave(spec: Spec) -> None:
        spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != kind)
        if kind == "uts":
            # The name would be the host's.
            spec.hostname = spec.domainname = ""

    return leave


def _limits(spec: Spec) -> None:
    spec.linux.resources = Resources(devices=spec.linux.resources.devices)


def _device_rules(spec: Spec) -> None:
    spec.linux.resources.devices = ()


def _masked(spec: Spec) -> None:
    spec.linux.masked_paths = ()


def _readonly(spec: Spec) -> None:
    spec.linux.readonly_paths = ()


def _readonly_root(spec: Spec) -> None:
    spec.root.readonly = False


def _mounts(spec: Spec) -> None:
    spec.mounts = tuple(one for one in spec.mounts if one.kind not in ("cgroup", "mqueue"))


def _user(spec: Spec) -> None:
    spec.linux.namespaces += (Namespace(kind="user"),)
    spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=_FIRST_ID, size=_IDS),)


OVERLAY = "overlay"
MECHANISMS = {
    mechanism.name: mechanism
    for mechanism in (
        Mechanism("network namespace", _namespace("network"), running=True),
        Mechanism("pid namespace", _namespace("pid")),
        Mechanism("ipc namespace", _namespace("ipc")),
        Mechanism("uts namespace", _namespace("uts")),
        Mechanism("cgroup namespace", _namespace("cgroup")),
        Mechanism("limits", _limits, running=True),
        Mechanism("device rules", _device_rules),
        Mechanism("mounts of cgroup and mqueue", _mounts),
        Mechanism("masked paths", _masked),
        Mechanism("read-only paths", _readonly),
        Mechanism("read-only root", _readonly_root),
        Mechanism("capabilities dropped", _capabilities),
        Mechanism("no_new_privs", _no_new_privs),
        Mechanism("system-call filter", _filter, running=True),
        Mechanism(
            "user namespace",
            _user,
            running=True,
            lacks=True,
            needs="its root may mount proc and sysfs only with a pid and a network namespace of its own",
        ),
        # Which path it has is for the worker to say.
        Mechanism(OVERLAY, lambda spec: None, running=True, lacks=True),
    )
}
PARTS = tuple(name for name, mechanism in MECHANISMS.items() if not mechanism.lacks)
MORE = tuple(name for name, mechanism in MECHANISMS.items() if mechanism.lacks)
RUNNING = tuple(name for name, mechanism in MECHANISMS.items() if mechanism.running)


def labels(mechanisms: Iterable[str] = tuple(MECHANISMS)) -> tuple[str, ...]:
    """The labels of the treatments that these mechanisms take: both ends, and each mechanism out of and into them.

    Every contribution is a difference to one of the ends, whose error all share: a block has these as often as the root
    of the number of mechanisms, which makes the most of its trials (Dunnett, A Multiple Comparison Procedure for
    Comparing Several Treatments with a Control, 1955), and the first two of them are the A/A control.
    """
    names = tuple(mechanisms)
    copies = max(2, round(len(names) ** 0.5))
    found = [f"{end} {copy}" for end in (FULL, BARE) for copy in range(1, copies + 1)]
    for name in names:
        mechanism = MECHANISMS[name]
        found.append(f"{AND if mechanism.lacks else WITHOUT}{name}")
        if not mechanism.needs:
            found.append(f"{ALONE}{name}")
    return tuple(found)


def treatment(label: str, overlay: str = "") -> Treatment:
    """The treatment of one of `labels`; `overlay` is where an overlay of the root filesystem is mounted.

    Raises LabkitError for a label that is none.
    """
    kept = held(label)

    def alter(spec: Spec) -> None:
        for name, mechanism in MECHANISMS.items():
            if (name in kept) == mechanism.lacks:
                mechanism.change(spec)
        if OVERLAY in kept:
            spec.root.path = overlay

    return Treatment(label, Labkit(), alter=alter)


def held(label: str) -> frozenset[str]:
    """The mechanisms that the treatment of this label has. Raises LabkitError for a label that is none."""
    if (end := without_copy(label)) in (FULL, BARE):
        return frozenset(PARTS if end == FULL else ())
    for prefix, rest in ((WITHOUT, PARTS), (AND, PARTS), (ALONE, ())):
        name = label.removeprefix(prefix)
        if name != label and name in MECHANISMS:
            return frozenset(rest) - {name} if prefix == WITHOUT else frozenset(rest) | {name}
    raise LabkitError(f"no treatment {label!r}", f"the mechanisms are {', '.join(MECHANISMS)}", 2)


def without_copy(label: str) -> str:
    """The name of an end without the number that tells its copies in a block apart; other labels as they are."""
    end, _, copy = label.partition(" ")
    return end if end in (FULL, BARE) and copy.isdigit() else label


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """`blocks` of the start-up with all mechanisms, and `workload_blocks` of each of the `workloads`.

    `mechanisms` are those of the workloads' blocks, `scale` is the size of each workload. No block of a workload is
    begun after `budget` s (0: no end).
    """

    blocks: int
    workload_blocks: int = 0
    workloads: Sequence[str] = ()
    mechanisms: Sequence[str] = RUNNING
    scale: float = 1.0
    budget: float = 0.0
    seed: int = 1


def measure(run: Run, declared: Ablation, progress: Progress | None = None) -> None:
    """Run what `run` lacks of what is declared.

    Raises LabkitError when nothing can be measured; a trial that fails is recorded, and the run goes on.
    """
    check(declared.workloads, declared.blocks, declared.workload_blocks)
    for name in declared.mechanisms:
        if name not in MECHANISMS:
            raise LabkitError(f"no mechanism {name!r}", f"the mechanisms are {', '.join(MECHANISMS)}", 2)
    work("labkit.bench.ablation_worker", run, asdict(declared), progress)
