"""A container made one step at a time, and a table of what each step has changed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import groupby
from typing import Any

import pandas as pd
from IPython.display import HTML

from labkit import Container
from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.nb.displays import table
from labkit.nb.observe import Look, changes, filled, inside, outside, parse_mounts

NOTHING = "nothing that /proc shows"
_NEW = ": new "
UNSEEN = "not for this user to see"
FACTS = ("program", "user ids", "effective capabilities", "no_new_privs", "seccomp mode")
# As many files of a folder are named.
_SHOWN = 6
# Else a long path makes the table wider than the page.
_WRAPPED = ' style="overflow-wrap: anywhere"'
COLUMNS = ("number", "who", "step", "what", "changed")


def watch(container: Container) -> pd.DataFrame:
    """Make the container step by step, up to the end of its program; a row for each step.

    The program is there to be looked at if it waits for the end of its stdin, as cat does.

    `number` is the step's in the plan, `changed` a tuple of lines (see observe.changes). The new process is first
    compared with the one that has made it.
    """
    rows = []
    with container.stepwise() as making:
        host, process = outside(container.id), Look()
        for number in making:
            lines = changes(host, host := outside(container.id))
            if making.pid:
                if not process.values:
                    process = inside(making.maker)
                now = filled(inside(making.pid), process)
                lines += changes(process, now)
                process = now
            who, step, what, _, _ = making.rows[number - 1]
            rows.append((number, who, step, what, tuple(_shortened(line, container.id) for line in lines)))
        making.finish()
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _shortened(line: str, id: str) -> str:
    """A line without the place where the root is until it is the root, and with ID for the container's."""
    return line.replace(f"{rundir('containers')}/{id}", "…").replace(id, "ID")


def steps_table(frame: pd.DataFrame) -> HTML:
    """The rows of `watch`, steps of the same name that follow each other in one."""
    lines = []
    for (who, step), group in groupby(frame.to_dict("records"), key=lambda row: (row["who"], row["step"])):
        rows = list(group)
        first, last = rows[0]["number"], rows[-1]["number"]
        numbers = str(first) if first == last else f"{first}–{last}"
        changed = [line for row in rows for line in row["changed"]]
        cells = "<br>".join(escape(line) for line in _together(changed)) or f"{NOTHING}: {escape(rows[0]['what'])}"
        lines.append(f'<tr><td>{numbers}</td><td>{who}</td><th scope="row">{step}</th><td{_WRAPPED}>{cells}</td></tr>')
    heading = "".join(f'<th scope="col">{name}</th>' for name in ("number", "who", "step", "what changed"))
    return HTML(
        '<div role="region" aria-label="The steps and what each has changed" tabindex="0" style="overflow-x: auto">'
        f'<table class="dataframe"><thead><tr>{heading}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _together(lines: list[str]) -> list[str]:
    """Lines that name more and more members of one set as one line, where the first of them stood."""
    members: dict[str, list[str]] = {}
    for line in lines:
        name, new, rest = line.partition(_NEW)
        members.setdefault(name + new if new else line, []).append(rest)
    return [name + ", ".join(filter(None, found)) for name, found in members.items()]


def in_words(frame: pd.DataFrame) -> str:
    """How many steps changed something that is seen from outside, and which changed most."""
    counts = frame["changed"].map(len)
    most = frame.iloc[int(counts.argmax())]
    return (
        f"{int((counts > 0).sum())} of {len(frame)} steps changed something that /proc or the cgroup trees show; "
        f"{most['step']} changed most at once: {counts.max()} lines."
    )


def limits_here(rootfs: str | os.PathLike[str], **limits: Any) -> tuple[dict[str, Any], str]:
    """The limits if this user can have them kept on this host, else none; and a sentence that says which, or why."""
    try:
        Container(rootfs, ["true"], **limits)
    except LabkitError as error:
        return {}, f"The container has no limits: {error}"
    return dict(limits), f"The container has limits: {', '.join(f'{name} {value}' for name, value in limits.items())}."


@contextmanager
def stopped_after(step: str, container: Container) -> Iterator[int]:
    """The pid of the container's process, which stands still after the first step of this name within the block."""
    with container.stepwise() as making:
        making.until(step)
        yield making.pid


def stops(container: Container, *steps: str, facts: Sequence[str] = FACTS) -> pd.DataFrame:
    """What is seen of the container's process after each of these steps: a row for each fact, a column for each step.

    `facts` are names of `observe.inside`; how many mounts there are, and what is in its root folder, comes with them.
    """
    columns: dict[str, list[str]] = {"": [*facts, "mounts", "in its root folder"]}
    with container.stepwise() as making:
        for step in steps:
            making.until(step)
            seen = inside(making.pid)
            values = [seen.values.get(name, UNSEEN) for name in facts]
            columns[f"after {step}"] = [*values, str(len(seen.mounts)), _listing(f"/proc/{making.pid}/root")]
    return pd.DataFrame(columns)


def mount_table(mountinfo: str) -> HTML:
    """The mounts in the text of /proc/PID/mountinfo: a row each, in the order in which they were made."""
    found = parse_mounts(mountinfo).values()
    rows = [(mount.place, mount.filesystem, mount.options.replace(",", ", ")) for mount in found]
    return table(pd.DataFrame(rows, columns=["place", "filesystem", "options"]))


def mounts_by_step(container: Container) -> pd.DataFrame:
    """How many mounts the container's process sees after each step: number, step, mounts."""
    rows = []
    with container.stepwise() as making:
        for number in making:
            if making.pid:
                rows.append((number, making.rows[number - 1][1], lines_of(making.pid, "mountinfo").count("\n")))
        making.finish()
    return pd.DataFrame(rows, columns=["number", "step", "mounts"])


def _listing(folder: str) -> str:
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return UNSEEN
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def lines_of(pid: int, file: str, *words: str) -> str:
    """The lines of /proc/PID/FILE in which one of the words occurs, all where none is given."""
    with open(os.path.join("/proc", str(pid), file), encoding="utf-8", errors="replace") as text:
        return "".join(line for line in text if not words or any(word in line for word in words))
