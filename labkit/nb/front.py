"""The site's front page: the headline figure, what it says, the host, the chapters and the data."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labkit.errors import LabkitError
from labkit.nb.displays import facts_table, table
from labkit.nb.startup import BASELINES, Observed, control_in_words, flags_in_words, ratios
from labkit.plots import ratio, style
from labkit.stats import AAControl, Missing

HEADLINE = "first_instruction"

# Chapters by the first digit of their notebooks.
PARTS = {"0": "Start", "1": "Mechanisms", "2": "Experiments", "3": "Synthesis"}


def write(folder: Path, observed: Observed, chapters: Sequence[str], failures: Sequence[LabkitError]) -> None:
    """Write index.md into `folder`, with its figure and the data to download beside it.

    `chapters` are the names of the notebooks in folder/chapters, without suffix.
    """
    data = folder / "data"
    data.mkdir()
    compared = ratios(observed.observations)
    observed.observations.to_parquet(data / "observations.parquet", index=False)
    observed.observations.to_csv(data / "observations.csv", index=False)
    compared.to_csv(data / "ratios.csv", index=False)
    parts = [
        "# What does a container cost to start?\n",
        *_headline(folder, observed, compared),
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


def _host(observed: Observed) -> list[str]:
    return ["## The host\n", _raw(str(facts_table(observed.facts).data))]


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
    lines.append("```{toctree}\n:caption: About\n:maxdepth: 1\n\nmethod\nglossary\ndrivers\n```\n")
    return lines


def _downloads(data: Path) -> list[str]:
    told = {
        "observations.parquet": "every observation, one row per trial and metric",
        "observations.csv": "the same as text",
        "ratios.csv": "the ratios with their intervals",
        "startup.svg": "the figure above",
        "startup.pdf": "the same for print",
    }
    lines = [f"- {{download}}`{name} <data/{name}>`: {what}" for name, what in told.items() if (data / name).exists()]
    return ["## The data\n", *lines]


def _raw(html: str) -> str:
    return f'```{{raw}} html\n<div class="table-scroll">\n{html}\n</div>\n```\n'
