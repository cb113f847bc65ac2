"""The site's front page: the headline figure, what it says, the host, the chapters and the data."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from labkit.bench import facts
from labkit.errors import LabkitError
from labkit.nb import synthesis
from labkit.nb.displays import facts_table, table
from labkit.nb.startup import BASELINES, Observed, control_in_words, flags_in_words, ratios
from labkit.nb.study import LOADS, Studied
from labkit.plots import heatmap, ratio, style
from labkit.stats import AAControl, Decision, Missing, Validity

HEADLINE = "first_instruction"

# Chapters by the first digit of their notebooks.
PARTS = {"0": "Start", "1": "Mechanisms", "2": "Experiments", "3": "Synthesis"}


def write(
    folder: Path,
    observed: Observed,
    chapters: Sequence[str],
    failures: Sequence[LabkitError],
    studied: Studied | None = None,
) -> None:
    """Write index.md into `folder`, with its figures and the data to download beside it.

    `chapters` are the names of the notebooks in folder/chapters, without suffix; `studied` is what the run has of the
    study, which may be nothing.
    """
    data = folder / "data"
    data.mkdir()
    compared = ratios(observed.observations)
    frames = [observed.observations] + ([studied.observations] if studied and len(studied.observations) else [])
    observations = pd.concat(frames, ignore_index=True)
    observations.to_parquet(data / "observations.parquet", index=False)
    observations.to_csv(data / "observations.csv", index=False)
    compared.to_csv(data / "ratios.csv", index=False)
    parts = [
        "# What does a container cost to start?\n",
        *_headline(folder, observed, compared),
        *_study(folder, studied),
        *_host(observed),
        *_failures(failures),
        *_contents(chapters),
        *_downloads(data),
    ]
    (folder / "index.md").write_text("\n".join(parts) + "\n")


def _headline(folder: Path, observed: Observed, compared: pd.DataFrame) -> list[str]:
    missing = Missing()(observed.observations)
    try:
        figure = ratio.ratio(compared, missing, HEADLINE)
    except LabkitError as error:
        return [f"{error}\n"]
    (folder / "data/startup.svg").write_text(style.svg(figure))
    figure.savefig(folder / "data/startup.pdf", bbox_inches="tight")
    lines = [
        "Measured on the host described below: the time from asking a runtime for a container to the first "
        "instruction of the program in it, as a ratio to runc and to the same program with no isolation.\n",
        "```{image} data/startup.svg\n:class: figure\n:alt: start-up time of each runtime, as a ratio\n```\n",
    ]
    lines += [f"{ratio.sentence(compared, HEADLINE, baseline)}\n" for baseline in BASELINES]
    control = AAControl()(observed.observations)
    lines += ["runc against itself:\n", control_in_words(control[control["metric"] == HEADLINE])]
    lines += ["\nNot quite alike:\n", flags_in_words(observed.observations)]
    if not missing.empty:
        lines += ["\nNot measured:\n", _raw(str(table(missing).data))]
    return lines


def _study(folder: Path, studied: Studied | None) -> list[str]:
    """The heat map of every workload in every runtime, and what it says; nothing where none was measured."""
    if studied is None:
        return []
    loads = studied.of(*LOADS)
    costs, missing = loads.costs(), loads.missing()
    try:
        figure = heatmap.heatmap(costs, missing, "runc")
    except LabkitError:
        return []
    costs.to_csv(folder / "data/costs.csv", index=False)
    (folder / "data/study.svg").write_text(style.svg(figure))
    figure.savefig(folder / "data/study.pdf", bbox_inches="tight")
    return [
        "\n## And what does it cost to run in?\n",
        "```{image} data/study.svg\n:class: figure",
        ":alt: cost of each workload in each runtime, relative to runc\n```\n",
        f"{heatmap.sentence(costs, missing, 'runc')}\n",
        synthesis.decisions_in_words(Decision()(costs)),
        "",
    ]


def validity(studied: Studied) -> str:
    """The section of the method page on the validity of the run that the site shows."""
    if studied.observations.empty:
        return "\n## The validity of this run\n\nThe study was not measured in the run that this site shows.\n"
    threats = Validity()(studied.observations, studied.facts, studied.sessions)
    parts = [
        "\n## The validity of this run",
        "Reckoned from the run that this site shows.",
        _raw(str(table(threats).data)),
        synthesis.validity_in_words(threats),
        synthesis.harness_in_words(studied.observations),
    ]
    return "\n\n".join(parts) + "\n"


def _host(observed: Observed) -> list[str]:
    return ["## The host\n", *_elsewhere(observed.facts), _raw(str(facts_table(observed.facts).data))]


def _elsewhere(known: Mapping[str, object]) -> list[str]:
    """Which chapters are of this host, where the experiments are of another."""
    if known.get("host") == facts.host():
        return []
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    return [
        "The experiments (chapters 2x and 3x) were measured on the host below. The chapters on mechanisms, 0x and 1x, "
        f"were executed on another one when this site was made, by {who}: kernel {platform.release()}. What cannot be "
        "shown there says so.\n"
    ]


def _failures(failures: Sequence[LabkitError]) -> list[str]:
    if not failures:
        return []
    lines = [f"- `{failure.message}` {failure.hint}" for failure in failures]
    return ["## What could not be shown\n", *lines, ""]


def _contents(chapters: Sequence[str]) -> list[str]:
    lines = ["## Chapters\n"]
    for digit, title in PARTS.items():
        here = [name for name in chapters if name.startswith(digit)]
        if here:
            entries = "\n".join(f"chapters/{name}" for name in here)
            lines.append(f"```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n\n{entries}\n```\n")
    about = "\n".join(("method", "oci", "network", "attacks", "glossary", "drivers"))
    lines.append(f"```{{toctree}}\n:caption: About\n:maxdepth: 1\n\n{about}\n```\n")
    return lines


def _downloads(data: Path) -> list[str]:
    told = {
        "observations.parquet": "every observation, one row per trial and metric",
        "observations.csv": "the same as text",
        "ratios.csv": "the ratios with their intervals",
        "startup.svg": "the figure above",
        "startup.pdf": "the same for print",
        "costs.csv": "the study's costs as ratios, with their intervals",
        "study.svg": "the figure of the study",
        "study.pdf": "the same for print",
    }
    lines = [f"- {{download}}`{name} <data/{name}>`: {what}" for name, what in told.items() if (data / name).exists()]
    return ["## The data\n", *lines]


def _raw(html: str) -> str:
    return f'```{{raw}} html\n<div class="table-scroll">\n{html}\n</div>\n```\n'
