"""Notebook 20 as it runs in JupyterLab: it measures by itself, into a run that does not exist yet."""

import json

import pytest

from labkit.bench import store
from labkit.nb import batch, places

pytestmark = pytest.mark.root


def test_the_start_up_notebook_measures_what_is_missing_and_leaves_no_bar(tmp_path):
    notebook = places.repository() / "notebooks/20-startup.ipynb"
    parameters = {"run_name": f"{tmp_path}/run/", "profile": "tiny"}
    assert batch.execute([notebook], tmp_path / "out", parameters) == []
    measured = store.Run(tmp_path / "run").observations()
    assert set(measured[measured["status"] == "ok"]["condition"]) == {"warm", "cold"}
    outputs = [
        o
        for cell in json.loads((tmp_path / "out/20-startup.ipynb").read_text())["cells"]
        for o in cell.get("outputs", [])
    ]
    assert "<progress" not in json.dumps(outputs)
    assert [output for output in outputs if output.get("name") == "stderr"] == []
