"""A container with its mechanisms switched on and off, and what the process in it can then do: the probe's answer.

In JupyterLab it is a row of switches. Where nobody could press one it is the table of each mechanism left out alone.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display

from labkit import Container
from labkit.errors import LabkitError
from labkit.nb.attended import attended
from labkit.nb.displays import table
from labkit.plots.style import list_in_words
from labkit.spec.model import Spec
from labkit.workloads.probe import look
from labkit.workloads.probe.strength import no_weaker
from labkit.workloads.probe.table import CALLS, read

_NAMESPACES = ("pid", "network", "ipc", "uts", "cgroup")
# As many names of a longer list are shown.
_FEW = 5
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What can be left out, and how: by other options of `Container`, steps without, or a change of the spec."""

    name: str
    options: dict[str, Any]
    without: tuple[str, ...] = ()
    change: Callable[[Spec], None] | None = None


def _no_masks(spec: Spec) -> None:
    spec.linux.masked_paths = ()


def _no_readonly_paths(spec: Spec) -> None:
    spec.linux.readonly_paths = ()


def _no_device_rules(spec: Spec) -> None:
    spec.linux.resources.devices = ()


def _writable_sysfs(spec: Spec) -> None:
    for mount in spec.mounts:
        if mount.kind in ("sysfs", "cgroup"):
            mount.options = tuple(option for option in mount.options if option != "ro")


MECHANISMS = {
    mechanism.name: mechanism
    for mechanism in (
        *(Mechanism(f"{kind} namespace", {"leave": kind}) for kind in _NAMESPACES),
        Mechanism("read-only root", {"readonly": False}),
        Mechanism("masked paths", {}, change=_no_masks),
        Mechanism("read-only paths", {}, change=_no_readonly_paths),
        Mechanism("read-only /sys", {}, change=_writable_sysfs),
        Mechanism("device rules", {}, change=_no_device_rules),
        Mechanism("capabilities dropped", {}, without=("DropBounding", "SetCapabilities")),
        Mechanism("no_new_privs", {"no_new_privileges": False}),
        Mechanism("system-call filter", {"seccomp": "none"}),
    )
}


class Builder:
    """Containers of one root filesystem, which holds the probe alone; each is made once, and its answers kept."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-builder-")
        self._rootfs = f"{self._folder.name}/rootfs"
        look.make_rootfs(self._rootfs)
        self._seen: dict[frozenset[str], pd.DataFrame] = {}

    def container(self, off: Iterable[str] = ()) -> Container:
        """A container that runs the probe, without the mechanisms of these names."""
        chosen = [MECHANISMS[name] for name in MECHANISMS if name in set(off)]
        options: dict[str, Any] = {"readonly": True}
        for mechanism in chosen:
            options |= {name: value for name, value in mechanism.options.items() if name != "leave"}
        left = {mechanism.options.get("leave") for mechanism in chosen}
        kinds = ("mount", *(kind for kind in _NAMESPACES if kind not in left))
        spec = Container(self._rootfs, [look.PATH], namespaces=kinds, **options).spec
        without: list[str] = []
        for mechanism in chosen:
            without += mechanism.without
            if mechanism.change:
                mechanism.change(spec)
        return Container.from_spec(spec, without=without)

    def probe(self, off: Iterable[str] = ()) -> pd.DataFrame:
        """The probe's table (see probe.table.read) in the container without these mechanisms."""
        key = frozenset(off)
        if key not in self._seen:
            result = self.container(key).run(timeout=_PATIENCE)
            if result.exit_status:
                said = result.stderr.decode(errors="replace").strip()
                raise LabkitError(f"the probe ended with status {result.exit_status}", said)
            self._seen[key] = read(result.text)
        return self._seen[key]

    def compare(self, off: Iterable[str]) -> pd.DataFrame:
        """What the process can do and see more, or less, without these mechanisms; see `differences`."""
        return differences(self.probe(), self.probe(off))

    def alone(self) -> pd.DataFrame:
        """A row for each mechanism that is left out by itself: how many answers are weaker, and some of them."""
        rows = []
        for name in MECHANISMS:
            found = weaker(self.probe(), self.probe([name]))
            others = found[found["area"] != CALLS]["question"]
            calls = [f"call {call}" for call in found[found["area"] == CALLS]["question"]]
            rows.append((name, len(found), _few([*others, *calls])))
        return pd.DataFrame(rows, columns=["without", "weaker answers", "such as"])

    def show(self) -> None:
        """The switches, in front of which somebody sits; else the table of `alone`."""
        display(Switches(self).box if attended() else table(self.alone()))


def weaker(whole: pd.DataFrame, less: pd.DataFrame) -> pd.DataFrame:
    """The rows of `less` whose answers keep less than those of `whole`."""
    answers = zip(whole["kind"], less["answer"], whole["answer"], strict=True)
    return less[[not no_weaker(kind, mine, other) for kind, mine, other in answers]]


def differences(whole: pd.DataFrame, less: pd.DataFrame) -> pd.DataFrame:
    """The questions that two containers answer differently: area, question, with all, without.

    Mere facts are left out, system calls are one row, and of a set only what is more is named.
    """
    rows = []
    judged = (whole["verdict"] != "") & (whole["area"] != CALLS) & (whole["answer"] != less["answer"])
    for row, other in zip(whole[judged].to_dict("records"), less[judged]["answer"], strict=True):
        before, after = str(row["answer"]), str(other)
        if row["kind"] == "set":
            before, after = _sets(before.split(), after.split())
        rows.append((row["area"], row["question"], before, after))
    calls = whole["area"] == CALLS
    opened = weaker(whole[calls], less[calls])["question"]
    if len(opened):
        reached = [int((frame["verdict"] == "open").sum()) for frame in (whole[calls], less[calls])]
        rows.append((CALLS, "that reach the kernel", str(reached[0]), f"{reached[1]}, now also {_few(opened)}"))
    return pd.DataFrame(rows, columns=["area", "question", "with all", "without"])


def _sets(before: list[str], after: list[str]) -> tuple[str, str]:
    more = [name for name in after if name not in before]
    less = [name for name in before if name not in after]
    said = [f"also {_few(more)}"] * bool(more) + [f"no longer {_few(less)}"] * bool(less)
    return _few(before) or "none", "; ".join(said)


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_FEW]) + (f" and {len(listed) - _FEW} more" if len(listed) > _FEW else "")


def in_words(off: Iterable[str], whole: pd.DataFrame, less: pd.DataFrame) -> str:
    """How many answers keep less without these mechanisms."""
    named = list(off)
    if not named:
        return "Every mechanism is on."
    return f"Without {list_in_words(named)}, {len(weaker(whole, less))} of {len(whole)} answers are weaker."


class Switches:
    """A checkbox for each mechanism, and under them what is different from a container that has all."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self.boxes = {name: widgets.Checkbox(value=True, description=name, indent=False) for name in MECHANISMS}
        for box in self.boxes.values():
            box.observe(lambda _: self.look(), names="value")
        self.answer = widgets.HTML()
        grid = widgets.GridBox(
            list(self.boxes.values()), layout=widgets.Layout(grid_template_columns="repeat(3, minmax(12em, 1fr))")
        )
        self.box = widgets.VBox([grid, self.answer])
        self.look()

    def look(self) -> None:
        """Make the container that is switched together, and show what is different in it."""
        off = [name for name, box in self.boxes.items() if not box.value]
        try:
            words = in_words(off, self._builder.probe(), self._builder.probe(off))
            rows = str(table(self._builder.compare(off)).data) if off else ""
        except LabkitError as error:
            words, rows = f"Cannot be shown here: {error}", ""
        self.answer.value = f'<p role="status">{escape(words)}</p>{rows}'


def changed_table(builder: Builder, *off: str) -> HTML:
    """What is different without these mechanisms: a sentence, and the rows."""
    words = in_words(off, builder.probe(), builder.probe(off))
    return HTML(f"<p>{escape(words)}</p>{table(builder.compare(off)).data}")
