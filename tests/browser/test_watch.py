"""A container watched in a real JupyterLab: the widget lives, its button works, and a figure is what stays."""

import json
import os

import nbformat
import pytest

from labkit.images import image

pytestmark = pytest.mark.root

# It is busy until the test makes the file.
CELL = """
from labkit import Container
from labkit.nb.watch import watch
loop = "while [ ! -e /test/over ]; do :; done; exit 3"
busy = Container({rootfs!r}, ["sh", "-c", loop], cpus=0.5, memory="64M", volumes=["{folder}:/test"]).start()
watch(busy)
"""
NOTEBOOK = "watch.ipynb"
BUTTON = "document.querySelector('.jp-OutputArea .widget-button')"
PICTURE = "document.querySelector('.jp-OutputArea .widget-html svg')"


@pytest.fixture
def opened(run, lab, page):
    # The cell is done when it watches: it does not wait for the end.
    cell = CELL.format(rootfs=os.fspath(image("busybox", shown=False)), folder=lab[0])
    return run(NOTEBOOK, cell), page


def test_it_is_drawn_live_can_be_stopped_and_leaves_a_figure_in_the_notebook(opened):
    path, page = opened
    page.until(f"{PICTURE} != null")
    assert page.evaluate(f"{BUTTON}.innerText") == "Stop"
    first = page.evaluate(f"{PICTURE}.ariaLabel")
    assert "of a CPU" in first
    page.until(f"{PICTURE}.ariaLabel != {json.dumps(first)}")
    page.evaluate(f"{BUTTON}.click()")
    page.until(f"{BUTTON}.innerText == 'Start'")
    page.evaluate(f"{BUTTON}.click()")
    page.until(f"{BUTTON}.innerText == 'Stop'")
    # The end takes the widget away.
    (path.parent / "over").touch()
    page.until("document.querySelector('.jp-OutputArea figure svg') != null")
    assert page.evaluate(f"{BUTTON} == null")
    assert "It has ended with status 3." in page.evaluate(
        "document.querySelector('.jp-OutputArea figcaption').innerText"
    )
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.until("!jupyterapp.shell.currentWidget.context.model.dirty")
    (output,) = nbformat.read(path, 4).cells[0].outputs
    assert "It has ended with status 3." in output.data["text/html"]
    assert not any("widget" in kind for kind in output.data)
