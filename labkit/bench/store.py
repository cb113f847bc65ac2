"""A run's observations on disk: appended trial by trial, each whole or not at all.

    FOLDER/run.json             schema version, the host's facts, each session of measuring
    FOLDER/trials/KEY.parquet   the rows of one trial (see COLUMNS)
    FOLDER/trials/KEY.log       what the runtime said, for a trial that failed
    FOLDER/scratch-*/           what the trials run, while they run

A trial is measured when its file exists, so that an interrupted run goes on where it stopped and loses nothing.

A packed run, which is read and not measured into, has the rows of all trials in one file:

    FOLDER/observations.parquet     ordered by experiment, condition, block and position
    FOLDER/run.json                 as above
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labkit.bench import facts
from labkit.errors import LabkitError

SCHEMA = 1
PACKED = "observations.parquet"
COLUMNS = pa.schema(
    [
        ("run", pa.string()),
        ("experiment", pa.string()),
        ("host", pa.string()),
        ("runtime", pa.string()),
        ("version", pa.string()),
        ("parameters", pa.string()),
        ("workload", pa.string()),
        ("condition", pa.string()),
        ("block", pa.int64()),  # -1 for a runtime that was not available
        ("position", pa.int64()),
        ("metric", pa.string()),
        ("unit", pa.string()),
        ("value", pa.float64()),  # NaN unless status is ok
        ("status", pa.string()),  # ok, failed or unavailable
        ("reason", pa.string()),
        ("flags", pa.string()),  # separated by commas
        ("started", pa.timestamp("us", tz="UTC")),
    ]
)


class Run:
    """The observations of one host in one folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Open the run in `folder`; a new one gets this host's facts when something is first written to it.

        Raises LabkitError for a folder that is something else, or a run with another schema.
        """
        self.folder = Path(folder).absolute()
        self.name = self.folder.name
        if self.folder.exists() and not self.folder.is_dir():
            raise LabkitError(f"{self.folder} is not a folder", "a run is a folder; choose another --run")

    def facts(self) -> dict[str, Any]:
        """The facts of the host that the run was measured on. Raises LabkitError when nothing was measured yet."""
        facts: dict[str, Any] = self._read()["facts"]
        return facts

    def sessions(self) -> list[dict[str, Any]]:
        """Each time the run was measured or continued: experiment, seed, times, load and share of time stolen."""
        sessions: list[dict[str, Any]] = self._read()["sessions"]
        return sessions

    def begin(self) -> None:
        """Make the folder with this host's facts, or check that the run that is there was measured on this host.

        Raises LabkitError for a run of another host, and for one that is packed.
        """
        if self.packed():
            raise LabkitError(f"run {self.name} is packed: it is read, not measured into", "choose another --run")
        if not (self.folder / "run.json").exists():
            (self.folder / "trials").mkdir(parents=True, exist_ok=True)
            self._write({"schema": SCHEMA, "facts": facts.gather(), "sessions": []})
            return
        if self.facts()["host"] != facts.host():
            raise LabkitError(
                f"run {self.name} was measured on another host",
                "choose another --run: one run holds one host's figures",
            )
        for left in (self.folder / "trials").glob("*.partial"):
            left.unlink()
        for abandoned in self.folder.glob("scratch-*"):
            shutil.rmtree(abandoned)

    def scratch(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for what the trials run, gone with its context; what a killed process left goes at the next begin.

        Only one process may measure into a run at a time (see worker).
        """
        return tempfile.TemporaryDirectory(prefix="scratch-", dir=self.folder)

    def add_session(self, session: dict[str, Any]) -> None:
        """Record a session of measuring."""
        whole = self._read()
        whole["sessions"].append(session)
        self._write(whole)

    def measured(self) -> set[str]:
        """The keys of the trials that are there."""
        return {path.stem for path in (self.folder / "trials").glob("*.parquet")}

    def add(self, key: str, rows: Sequence[dict[str, Any]], log: str = "") -> None:
        """Write the rows of one trial; they are on the disk, under their name, when this returns."""
        if log:
            (self.folder / "trials" / f"{key}.log").write_text(log, encoding="utf-8")
        common = {"run": self.name, "host": self.facts()["host"]}
        table = pa.Table.from_pylist([common | row for row in rows], schema=COLUMNS)
        partial = self.folder / "trials" / f"{key}.partial"
        pq.write_table(table, partial, compression="none")
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        partial.rename(partial.with_suffix(".parquet"))

    def remove(self, key: str) -> None:
        """Take back what was said of a runtime that was not available."""
        (self.folder / "trials" / f"{key}.parquet").unlink(missing_ok=True)

    def packed(self) -> bool:
        """Whether all its rows are in one file, to which no more are added."""
        return (self.folder / PACKED).is_file()

    def holds(self, experiment: str) -> bool:
        """Whether anything of that experiment was recorded."""
        if self.packed():
            return not self.observations(experiment).empty
        return any((self.folder / "trials").glob(f"{experiment}-*.parquet"))

    def observations(self, experiment: str = "") -> pd.DataFrame:
        """All rows, or those of one experiment, ordered by experiment, condition, block and position.

        An empty frame for a new run.
        """
        if self.packed():
            whole = _read_trial(self.folder / PACKED)
            if experiment:
                whole = whole.filter(pc.equal(whole["experiment"], experiment))
        else:
            pattern = f"{experiment}-*.parquet" if experiment else "*.parquet"
            tables = [_read_trial(path) for path in sorted((self.folder / "trials").glob(pattern))]
            whole = pa.concat_tables(tables) if tables else COLUMNS.empty_table()
        frame: pd.DataFrame = whole.to_pandas()
        return frame.sort_values(["experiment", "condition", "block", "position"], kind="stable", ignore_index=True)

    def pack(self, folder: str | os.PathLike[str]) -> Path:
        """Write the run packed into `folder`, replacing a packed run that is there; returns the file of its rows.

        What the programs of failed trials said stays behind; the reasons are in the rows. Raises LabkitError for a
        run without observations, and for a folder that holds something else.
        """
        target = Path(folder).absolute()
        whole, rows = self._read(), self.observations()
        if rows.empty:
            raise LabkitError(f"run {self.name} holds no observation", "labkit reproduce measures, as root")
        if target == self.folder or (target.exists() and not (target.is_dir() and _only_packed(target))):
            raise LabkitError(f"{target} holds something else than a packed run", "name another folder")
        target.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(rows, schema=COLUMNS, preserve_index=False)
        partial = target / f"{PACKED}.partial"
        pq.write_table(table, partial, compression="zstd", compression_level=19)
        partial.rename(target / PACKED)
        Run(target)._write(whole)
        return target / PACKED

    def _read(self) -> dict[str, Any]:
        path = self.folder / "run.json"
        try:
            whole: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LabkitError(f"no run in {self.folder}", "measure one with: labkit reproduce") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise LabkitError(
                f"{path} is not a run's record: {error}", "restore it, or choose another --run"
            ) from error
        if not isinstance(whole, dict) or whole.get("schema") != SCHEMA:
            raise LabkitError(
                f"{path} has another schema than {SCHEMA}", "read it with the version of labkit that wrote it"
            )
        return whole

    def _write(self, whole: dict[str, Any]) -> None:
        partial = self.folder / "run.json.partial"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(whole, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.folder / "run.json")


def _only_packed(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {PACKED, "run.json", "README.md"}


def _read_trial(path: Path) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise LabkitError(f"{path} cannot be read: {error}", "restore it, or remove it to measure it again") from error
    if table.schema.names != COLUMNS.names:
        raise LabkitError(f"{path} has other columns than this version of labkit writes", "it is of another version")
    return table.cast(COLUMNS)
