"""Where things are: found from the repository, not from the working folder, so that a notebook runs from anywhere."""

import os
from pathlib import Path

from labkit.errors import LabkitError


def repository() -> Path:
    """The folder of the checkout: the one that labkit is imported from, else the nearest above the working folder."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package, Path.cwd(), *Path.cwd().parents):
        if (folder / "notebooks").is_dir() and (folder / "docs" / "conf.py").is_file():
            return folder
    raise LabkitError(
        "the notebooks are not here: labkit was installed without its repository",
        "clone the repository and type this inside it",
    )


def notebooks() -> list[Path]:
    """The notebooks in their reading order."""
    return sorted((repository() / "notebooks").glob("[0-9]*.ipynb"))


def runs() -> Path:
    """The folder of all runs."""
    return repository() / "data" / "runs"


def reference() -> Path:
    """The folder of the reference run, which the repository brings; it may be missing."""
    return repository() / "data" / "reference"


def run_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a run: of its name below data/runs, or of a path, which has a slash in it.

    Raises LabkitError for a name that is empty or climbs.
    """
    text = os.fspath(name)
    if text.strip("./") == "":
        raise LabkitError(f"{text!r} does not name a run", "a name such as quick, or a path with a slash")
    return Path(text).resolve() if os.sep in text else runs() / text


def published() -> Path:
    """The folder of the figures that others have published."""
    return repository() / "data" / "published"
