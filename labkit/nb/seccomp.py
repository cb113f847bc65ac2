"""System-call filters as a notebook shows them: profiles, what they make of calls, compiled filters, their price."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import HTML

from labkit import Container
from labkit.errors import LabkitError
from labkit.linux.classic_bpf import ARCHITECTURES, action_name, call, disassemble, evaluate
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import compile_filter, syscall_name
from labkit.nb.displays import interval, table
from labkit.plots import filter_price, style
from labkit.spec import default
from labkit.spec.model import Seccomp
from labkit.spec.seccomp_profiles import profile
from labkit.spec.seccomp_table import NO_FILTER, difference, rows

if TYPE_CHECKING:
    from labkit.spec.seccomp_profiles import Wanted

NATIVE = {name: number for number, name in ARCHITECTURES.items()}
_MOST_NAMES = 12


def profiles(names: Sequence[str] = ("default", "strict", "none")) -> HTML:
    """A line for each profile: how many calls it allows always and under a condition, and what all others get."""
    lines = []
    for name in names:
        chosen = profile(name, default.CAPABILITIES) or NO_FILTER
        found = rows(chosen)
        allowed = [len(calls) for what, when, calls in found if what == "ALLOW" and not when]
        conditional = {one for what, when, calls in found if when for one in calls}
        lines.append(
            {
                "profile": name,
                "allowed": sum(allowed) if name != "none" else "all",
                "allowed for some arguments": len(conditional),
                "every other call": found[-1][0],
                "instructions": len(compile_filter(*chosen.profile())) // 8 if name != "none" else 0,
            }
        )
    return table(pd.DataFrame(lines))


def differences(one: Wanted, other: Wanted, names: tuple[str, str], capabilities: Sequence[str] = ()) -> HTML:
    """What two profiles do differently; `other` for a container that has `capabilities` besides the default ones."""
    left = profile(one, default.CAPABILITIES) or NO_FILTER
    right = profile(other, (*default.CAPABILITIES, *capabilities)) or NO_FILTER
    found = difference(left, right)
    lines = [
        {names[0]: mine, names[1]: theirs, "calls": len(calls), "which": _some(calls)} for mine, theirs, calls in found
    ]
    return table(pd.DataFrame(lines)) if lines else HTML("<p>They do the same.</p>")


def _some(calls: Sequence[str]) -> str:
    more = len(calls) - _MOST_NAMES
    return " ".join(calls[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def attempts(rootfs: str | os.PathLike[str], scripts: Sequence[str], seccomp: Sequence[str]) -> HTML:
    """Shell commands, each in a container under each of the profiles: what it printed, or how it ended."""
    lines = []
    for script in scripts:
        line = {"command": script}
        for name in seccomp:
            line[name] = _outcome(rootfs, script, name)
        lines.append(line)
    return table(pd.DataFrame(lines))


def _outcome(rootfs: str | os.PathLike[str], script: str, wanted: Wanted) -> str:
    try:
        result = Container(rootfs, ["sh", "-c", script], seccomp=wanted).run(timeout=30)
    except LabkitError as error:
        return f"cannot be shown here: {error.message}"
    said = (result.stdout + result.stderr).decode(errors="replace").strip().splitlines()
    last = said[-1] if said else ""
    if result.exit_status > 128:
        return f"killed by signal {result.exit_status - 128}"
    return last or ("done" if result.exit_status == 0 else f"exit status {result.exit_status}")


def compiled(chosen: Seccomp) -> None:
    """Print the compiled filter, a line for each instruction."""
    print("\n".join(disassemble(compile_filter(*chosen.profile()), syscall_name)))


def answers(chosen: Seccomp, calls: Sequence[tuple[int, tuple[int, ...]]]) -> HTML:
    """What the compiled filter gives for calls of the native architecture, and after how many instructions."""
    program = compile_filter(*chosen.profile())
    architecture = NATIVE[MACHINE]
    lines = []
    for number, arguments in calls:
        value, steps = evaluate(program, call(number, architecture, arguments))
        shown = ", ".join(f"{one:#x}" for one in arguments)
        name = syscall_name(architecture, number) or f"call {number}"
        lines.append({"call": f"{name}({shown})", "answer": action_name(value), "instructions": steps})
    return table(pd.DataFrame(lines))


def calls_table(counts: dict[str, int], most: int = 15) -> HTML:
    """The most frequent of the calls that were seen."""
    shown = list(counts.items())[:most]
    rest = list(counts.items())[most:]
    lines = [{"call": name, "times": count} for name, count in shown]
    if rest:
        lines.append({"call": f"{len(rest)} others", "times": sum(count for _, count in rest)})
    return table(pd.DataFrame(lines))


def price_table(frame: pd.DataFrame) -> HTML:
    """The time of a call under each filter, and the ratio to the same call without."""
    lines = [
        {
            "filter": row["runtime"],
            "instructions on the way": row["executed"],
            "ns a call": f"{row['median']:.0f}",
            "÷ no filter": style.number(row["ratio"]),
            "95 % interval": interval(row["low"], row["high"]),
        }
        for row in filter_price.ratios(frame).to_dict("records")
    ]
    return table(pd.DataFrame(lines))
