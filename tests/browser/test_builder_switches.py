"""The switches of notebook 17 in a real JupyterLab: one that is clicked makes another container, and shows it."""

import pytest

pytestmark = pytest.mark.root

CELL = "from labkit.nb.builder import Builder; builder = Builder(); builder.show()"
SWITCH = "[...document.querySelectorAll('.jp-OutputArea label')].find(one => one.innerText.includes('{}'))"
ANSWER = "document.querySelector('.jp-OutputArea .widget-html [role=status]')?.innerText"


def test_a_mechanism_is_switched_off_and_on_again(run, page):
    run("builder.ipynb", CELL)
    page.until(f"{ANSWER} == 'Every mechanism is on.'")
    page.evaluate(f"{SWITCH.format('uts namespace')}.querySelector('input').click()")
    said = page.until(f"{ANSWER} != 'Every mechanism is on.' && {ANSWER}")
    assert said.startswith("Without uts namespace, 1 of ")
    assert "uts namespace" in page.evaluate("document.querySelector('.jp-OutputArea .widget-html table').innerText")
    page.evaluate(f"{SWITCH.format('uts namespace')}.querySelector('input').click()")
    page.until(f"{ANSWER} == 'Every mechanism is on.'")
    assert page.evaluate("document.querySelector('.jp-OutputArea .widget-html table') == null")
