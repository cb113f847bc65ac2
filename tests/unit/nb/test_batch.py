import json
import os
import sys

import nbformat
import pytest

from labkit.nb import batch
from labkit.nb.kernel import own_kernel


def notebook(path, *cells: str, tags: tuple[str, ...] = ()):
    parameters = nbformat.v4.new_code_cell("answer = 1", metadata={"tags": ["parameters"]})
    code = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in cells]
    made = nbformat.v4.new_notebook(cells=[parameters, *code])
    made.metadata["kernelspec"] = {"name": "no-such-kernel", "display_name": "", "language": "python"}
    nbformat.write(made, path)
    return path


def texts(path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", []))


def test_a_notebook_is_run_by_this_interpreter_with_its_parameters_in_its_own_folder(tmp_path):
    source = notebook(tmp_path / "1.ipynb", "import os, sys; print(sys.executable, answer, os.getcwd())")
    assert batch.execute([source], tmp_path / "out", {"answer": 42, "unknown": 1}) == []
    assert texts(tmp_path / "out/1.ipynb").split() == [sys.executable, "42", str(tmp_path)]


def test_a_failure_is_one_line_with_its_cell_and_the_others_go_on(tmp_path):
    sources = [
        notebook(tmp_path / "1.ipynb", "1 / 0", "print('never')"),
        notebook(tmp_path / "2.ipynb", "print('done')"),
    ]
    (failure,) = batch.execute(sources, tmp_path / "out", {})
    assert failure.message == "1.ipynb, cell 2: ZeroDivisionError: division by zero"
    assert "never" not in texts(tmp_path / "out/1.ipynb")
    assert "done" in texts(tmp_path / "out/2.ipynb")


def test_an_error_of_labkit_is_shown_without_a_traceback(tmp_path):
    raising = "from labkit.errors import LabkitError\nraise LabkitError('no root', 'type sudo')"
    (failure,) = batch.execute([notebook(tmp_path / "1.ipynb", raising)], tmp_path / "out", {})
    assert failure.message == "1.ipynb, cell 2: no root (type sudo)"
    cells = json.loads((tmp_path / "out/1.ipynb").read_text())["cells"]
    (error,) = [output for cell in cells for output in cell.get("outputs", []) if output["output_type"] == "error"]
    assert error["traceback"] == ["labkit: no root", "hint: type sudo"]


def test_a_cell_that_may_fail_is_reported_and_does_not_stop_its_notebook(tmp_path):
    source = notebook(tmp_path / "1.ipynb", "1 / 0", "print('after')", tags=("raises-exception",))
    assert len(batch.execute([source], tmp_path / "out", {})) == 1
    assert "after" in texts(tmp_path / "out/1.ipynb")


def test_a_kernel_that_dies_is_reported(tmp_path):
    source = notebook(tmp_path / "1.ipynb", "import os; os._exit(3)")
    (failure,) = batch.execute([source], tmp_path / "out", {})
    assert "1.ipynb" in failure.message


def test_a_file_that_is_no_notebook_is_reported(tmp_path):
    (tmp_path / "1.ipynb").write_text("{")
    (failure,) = batch.execute([tmp_path / "1.ipynb"], tmp_path / "out", {})
    assert "is not a notebook" in failure.message


def test_progress_goes_through_the_cells(tmp_path):
    seen = []
    batch.execute([notebook(tmp_path / "1.ipynb", "1", "2")], tmp_path / "out", {}, lambda *told: seen.append(told))
    assert [told[0] for told in seen] == ["1"] * len(seen)
    assert [told[1] for told in seen] == sorted(told[1] for told in seen)
    assert len(seen) >= 3


def test_the_kernel_leaves_neither_its_folder_nor_its_environment():
    before = dict(os.environ)
    with own_kernel():
        folder = os.environ["JUPYTER_PATH"]
        assert os.path.isdir(folder)
    assert not os.path.exists(os.path.dirname(folder))
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "name",
    [
        "00-lab-check",
        "10-namespaces",
        "11-cgroups",
        "12-seccomp",
        "13-capabilities",
        "15-filesystem",
        "17-build-a-container",
        "18-runtimes",
        "20-startup",
    ],
)
def test_each_committed_notebook_has_one_parameters_cell(name):
    from labkit.nb import places

    cells = json.loads((places.repository() / f"notebooks/{name}.ipynb").read_text())["cells"]
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1


def test_several_at_once_are_all_executed_and_their_failures_come_in_order(tmp_path):
    sources = [
        notebook(tmp_path / f"{n}.ipynb", f"print('done {n}')", "1 / 0" if n in (1, 3) else "2") for n in range(4)
    ]
    failures = batch.execute(sources, tmp_path / "out", {}, at_once=3)
    assert [failure.message.partition(",")[0] for failure in failures] == ["1.ipynb", "3.ipynb"]
    assert [f"done {n}" in texts(tmp_path / f"out/{n}.ipynb") for n in range(4)] == [True] * 4
