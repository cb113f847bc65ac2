"""Executed notebooks and stored observations, made into a static site by Sphinx; nothing is measured here."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.nb import batch, front, places, study
from labkit.nb.startup import read

DEFAULT_OUTPUT = Path("docs", "_build", "html")

# What notebooks that are told not to measure still time by themselves, for which they have to be alone.
_TIMED = ("11-cgroups", "12-seccomp", "14-users", "16-network", "29-ablation")
# What shows or makes mounts and sandboxes of this host, one after the other; the rest reads.
_OF_THIS_HOST = ("00-lab-check", "10-namespaces", "15-filesystem", "17-build-a-container", "18-runtimes")

# Pages that a person wrote, with what they need.
PAGES = ("conf.py", "method.md", "oci.md", "network.md", "attacks.md", "glossary.md", "drivers.md", "_static")


def build(run: Path, output: Path, progress: batch.Progress | None = None) -> Path:
    """Make the site of the run in `run` at `output`, replacing what is there; returns its index.html.

    Chapters are the run's executed notebooks; those it lacks are executed now, told not to measure. What
    failed in a chapter is said on the front page. The site at `output` is whole at all times:
    the new one is made beside it and renamed.
    """
    check_replaceable(output)
    observed = read(run)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=output.parent) as scratch:
        source = Path(scratch, "source")
        chapters = source / "chapters"
        chapters.mkdir(parents=True)
        failures = _gather(run, chapters, progress)
        for page in PAGES:
            _copy(places.repository() / "docs" / page, source / page)
        studied = study.read(run)
        front.write(source, observed, sorted(path.stem for path in chapters.glob("*.ipynb")), failures, studied)
        with open(source / "method.md", "a", encoding="utf-8") as method:
            method.write(front.validity(studied))
        made = Path(scratch, "html")
        _sphinx(source, made, Path(scratch, "doctrees"))
        _replace(output, made, Path(scratch, "old"))
    return output / "index.html"


def check_replaceable(output: Path) -> None:
    """Raise LabkitError unless `output` is a site, an empty folder, or not there: nothing else is replaced."""
    if output.is_dir() and any(output.iterdir()) and not (output / ".buildinfo").exists():
        raise LabkitError(f"{output} holds something else than a site", "name another folder with --output")
    if output.exists() and not output.is_dir():
        raise LabkitError(f"{output} is not a folder", "name another one with --output")


def _gather(run: Path, chapters: Path, progress: batch.Progress | None) -> list[LabkitError]:
    """Put the executed notebooks into `chapters`, executing those that the run lacks."""
    lacking = []
    for notebook in places.notebooks():
        executed = run / "notebooks" / notebook.name
        if executed.exists():
            shutil.copyfile(executed, chapters / notebook.name)
        else:
            lacking.append(notebook)
    failures = []
    if lacking:
        # A path, with a slash in it, so that it need not be below data/runs.
        parameters = {"run_name": f"{run}{os.sep}", "measure": False}
        failures += execute(lacking, chapters, parameters, progress)
    for chapter in sorted(chapters.glob("*.ipynb")):
        if chapter.name not in {notebook.name for notebook in lacking}:
            failures += batch.faults(chapter)
        _publish(chapter)
    return failures


def execute(
    notebooks: Sequence[Path], folder: Path, parameters: Mapping[str, object], progress: batch.Progress | None = None
) -> list[LabkitError]:
    """As `batch.execute`: first those that time something, each alone; then what shows this host, beside what reads."""
    alone = [notebook for notebook in notebooks if notebook.stem in _TIMED]
    chain = [notebook for notebook in notebooks if notebook.stem in _OF_THIS_HOST]
    others = [notebook for notebook in notebooks if notebook not in (*alone, *chain)]
    failures = batch.execute(alone, folder, parameters, progress)
    return failures + batch.execute(others, folder, parameters, progress, len(os.sched_getaffinity(0)), chain)


def _publish(chapter: Path) -> None:
    """Make of an executed notebook what a reader expects: one parameters cell, with the values that were used."""
    content = json.loads(chapter.read_text())
    used = content["metadata"].pop("papermill", {}).get("parameters", {})
    cells = [cell for cell in content["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    for cell in cells:
        cell["metadata"].pop("papermill", None)
        words = described(cell)
        if words:
            cell["metadata"]["mystnb"] = {"image": {"alt": words}}
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = with_values("".join(cell["source"]), used)
    content["cells"] = cells
    chapter.write_text(json.dumps(content, indent=1))


def described(cell: Mapping[str, Any]) -> str:
    """What a cell with a figure says of it, for who cannot see it; empty for a cell without figure or words."""
    shown = [output.get("data", {}) for output in cell.get("outputs", [])]
    if not any(kind.startswith("image/") for data in shown for kind in data):
        return ""
    return " ".join(" ".join("".join(data["text/markdown"]).split()) for data in shown if "text/markdown" in data)


def with_values(source: str, values: Mapping[str, object]) -> str:
    """The lines `name = value  # comment` of a parameters cell with other values; a path is shown by its last part."""
    lines = []
    for line in source.splitlines():
        name, equals, rest = line.partition(" = ")
        if equals and name in values:
            value = values[name]
            shown = Path(value).name if isinstance(value, str) and os.sep in value else value
            comment = rest.partition("  #")
            line = f"{name} = {json.dumps(shown) if isinstance(shown, str) else shown}{comment[1]}{comment[2]}"
        lines.append(line)
    return "\n".join(lines)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)
    else:
        raise LabkitError(f"{source} is missing", "restore it: git checkout docs")


def _sphinx(source: Path, output: Path, doctrees: Path) -> None:
    """Build `source`; a warning is an error, since it is a link that leads nowhere or a page that nobody finds."""
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(doctrees)]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().replace(f"{source}{os.sep}", "")
        first, _, rest = said.partition("\n")
        raise LabkitError(f"the site could not be built: {first}", rest.partition("\n")[0])


def _replace(output: Path, made: Path, old: Path) -> None:
    if output.exists():
        output.rename(old)
    made.rename(output)
