"""The host's facts and the doctor's findings, for notebook 00 and the front page."""

from collections.abc import Sequence

import pandas as pd
from IPython.display import HTML

from labkit.bench import facts, store
from labkit.nb import places
from labkit.nb.displays import table
from labkit.plots.style import list_in_words
from labkit.runtimes import doctor
from labkit.runtimes.finding import Finding

_NOUNS = {
    "runtime": "runtimes",
    "hypervisor": "parts of virtual machines",
    "facility": "kernel facilities",
    "program": "programs",
}


def findings() -> list[Finding]:
    """What the doctor finds now; takes a few seconds, since every runtime is tried out."""
    return doctor.examine()


def findings_table(found: Sequence[Finding], kind: str) -> HTML:
    """The findings of one kind: available or not, the version, or the reason and what to type."""
    rows = [
        {
            "name": finding.name,
            "available": "yes" if finding.available else "no",
            "version": finding.version,
            "why not": finding.reason,
            "what to type": finding.remedy,
        }
        for finding in found
        if finding.kind == kind
    ]
    frame = pd.DataFrame(rows, columns=["name", "available", "version", "why not", "what to type"])
    # A column that is empty in every row tells nothing.
    return table(frame.loc[:, [name for name in frame if name in ("name", "available") or frame[name].any()]])


def in_words(found: Sequence[Finding], kind: str) -> str:
    """How many of a kind are available, and the names of the others."""
    mine = [finding for finding in found if finding.kind == kind]
    lacking = [finding.name for finding in mine if not finding.available]
    text = f"{len(mine) - len(lacking)} of {len(mine)} {_NOUNS[kind]} are available"
    return f"{text}; not so {list_in_words(lacking)}." if lacking else f"{text}."


def here() -> dict[str, object]:
    """The facts of this host, now."""
    return facts.gather()


def of_run(name: str) -> dict[str, object]:
    """The facts stored with a run, and what its sessions saw; one line that says so when nothing was measured."""
    folder = places.run_folder(name)
    if not (folder / "run.json").is_file():
        return {f"run {folder.name}": "nothing was measured yet; labkit reproduce measures"}
    run = store.Run(folder)
    return run.facts() | session_facts(run.sessions())


def session_facts(sessions: Sequence[dict[str, object]]) -> dict[str, object]:
    """The share of time that a hypervisor took while measuring: the worst session's, in percent."""
    stolen = [float(str(session["steal_percent"])) for session in sessions if "steal_percent" in session]
    return {"steal_percent": round(max(stolen), 2)} if stolen else {}
