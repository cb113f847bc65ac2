"""Notebooks executed in order by papermill, each into a file of the run; one that fails does not stop the others."""

import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.nb.kernel import Kernel, own_kernel

# Told (name of the notebook, cells begun, cells in all).
Progress = Callable[[str, int, int], None]


def execute(
    notebooks: Sequence[Path],
    folder: Path,
    parameters: Mapping[str, object],
    progress: Progress | None = None,
    at_once: int = 1,
    chain: Sequence[Path] = (),
) -> list[LabkitError]:
    """Execute each notebook into `folder`, under its own name, and return what went wrong in them (see `faults`).

    A notebook gets those of the parameters that its `parameters` cell declares. More than one `at_once` would disturb
    each other's measurements: it is for those that read. Those of the `chain` wait for one another, and for no other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with own_kernel() as kernel, warnings.catch_warnings():
        # papermill and its libraries warn of their own future (datetime.utcnow, traitlets), which is no news here.
        warnings.simplefilter("ignore")

        def one(notebook: Path) -> list[LabkitError]:
            output = folder / notebook.name
            try:
                _execute(notebook, output, parameters, kernel, progress)
            except LabkitError as error:
                return [error]
            return faults(output)

        def each(notebooks: Sequence[Path]) -> list[LabkitError]:
            return [fault for notebook in notebooks for fault in one(notebook)]

        if at_once == 1:
            return each((*chain, *notebooks))
        with ThreadPoolExecutor(at_once) as threads:
            begun = [threads.submit(each, several) for several in (chain, *([notebook] for notebook in notebooks))]
            try:
                return [fault for each in begun for fault in each.result()]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise


def faults(executed: Path) -> list[LabkitError]:
    """An error for each cell of an executed notebook that failed, with its number and the last line of its traceback.

    A cell with the tag `raises-exception` does not stop its notebook, but is reported all the same.
    """
    content = json.loads(executed.read_text())
    found = [
        LabkitError(f"{executed.name}, cell {cell.get('execution_count')}: {_last_line(output)}")
        for cell in content["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]
    if not found and content["metadata"].get("papermill", {}).get("end_time") is None:
        found.append(LabkitError(f"{executed.name} did not run to its end", "run it again: labkit reproduce"))
    return found


def _last_line(output: Mapping[str, str]) -> str:
    """`Class: what it says`, without the class when the error is labkit's own, which says enough."""
    text = output["evalue"].strip().partition("\n")[0]
    own = output["ename"] in {"LabkitError", *(kind.__name__ for kind in LabkitError.__subclasses__())}
    return text if own else f"{output['ename']}: {text}"


def _execute(
    notebook: Path, output: Path, parameters: Mapping[str, object], kernel: Kernel, progress: Progress | None
) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    cells = _cells(notebook)
    declared = papermill.inspect_notebook(str(notebook))

    def begun(cell_index: int, **_: Any) -> None:
        if progress is not None:
            progress(notebook.stem, cell_index, cells)

    # Made aside and renamed: a killed run leaves no half a notebook under the name of a whole one.
    partial = output.with_name(f".{output.stem}.partial.ipynb")
    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            parameters={name: value for name, value in parameters.items() if name in declared},
            kernel_name=kernel.name,
            cwd=str(notebook.parent),
            progress_bar=False,
            on_cell_start=begun,
            config=Config(kernel.config_of(notebook.stem)),
        )
    except papermill.PapermillExecutionError:
        pass  # The executed notebook has it, and `faults` reads it from there.
    except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
        if partial.exists():
            partial.replace(output)
        said = kernel.log.read_text(errors="replace") if kernel.log.exists() else ""
        words = said.strip() or str(error)
        raise LabkitError(f"{notebook.name}: the kernel died: {words.splitlines()[-1]}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(output)


def _cells(notebook: Path) -> int:
    try:
        return len(json.loads(notebook.read_text())["cells"])
    except (json.JSONDecodeError, KeyError) as error:
        raise LabkitError(f"{notebook} is not a notebook", "restore it: git checkout notebooks") from error
