"""Which run is gone on with: a run is of one host and one version of labkit."""

from itertools import count
from pathlib import Path

from labkit import __version__
from labkit.bench import facts, store
from labkit.bench.engine import EXPERIMENT as ENGINE
from labkit.bench.startup import EXPERIMENT as STARTUP
from labkit.errors import LabkitError
from labkit.nb import places


def choose(profile: str, name: str | None, fresh: bool) -> Path:
    """The folder of the run to measure into, which may not exist yet.

    A run that was named is taken, if it is of this host and version. Otherwise the last of PROFILE, PROFILE-2, … is
    gone on with if it is, and the next in line begun if it is not, or if `fresh`.
    """
    if name is not None:
        folder = places.run_folder(name)
        if store.Run(folder).packed():
            raise LabkitError(f"run {name} is packed: it is read, not measured into", "name another one with --run")
        if folder.exists() and not _continuable(folder):
            raise LabkitError(f"run {name} is of another host or version of labkit", "name another one with --run")
        return folder
    last = None
    for number in count(1):
        folder = places.runs() / (profile if number == 1 else f"{profile}-{number}")
        if not folder.exists():
            break
        last = folder
    if last is not None and not fresh and _continuable(last):
        return last
    return folder


def latest() -> Path | None:
    """The run of the start-up experiment that was begun last, or None when there is none."""
    started = {}
    for folder in places.runs().glob("*"):
        if store.Run(folder).holds(ENGINE) and not store.Run(folder).holds(STARTUP):
            continue
        try:
            started[folder] = str(store.Run(folder).facts().get("started", ""))
        except LabkitError:
            continue  # Not a run, or a damaged one, which says so when it is asked for by name.
    return max(started, key=lambda folder: started[folder], default=None)


def shown() -> Path | None:
    """The run that a site is made of when none is named: the latest, else the reference run; None without either."""
    reference = places.reference()
    return latest() or (reference if store.Run(reference).packed() else None)


def _continuable(folder: Path) -> bool:
    """Whether a folder is a run of this host and version; one in which nothing was measured yet can be of any."""
    if not (folder / "run.json").is_file():
        return True
    stored = store.Run(folder).facts()
    return (stored.get("host"), stored.get("labkit")) == (facts.host(), __version__)
