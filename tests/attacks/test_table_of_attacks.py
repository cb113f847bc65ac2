"""The page on attacks names each file of this folder, and none that is not there."""

import re
from pathlib import Path

# Imported for the steps, which it has registered.
import labkit.plan.plan  # noqa: F401
from labkit.plan.step import STEPS

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent / "docs/attacks.md").read_text()


def test_the_page_and_the_folder_agree():
    assert set(re.findall(r"`(test_attack_\w+)`", PAGE)) == {file.stem for file in HERE.glob("test_attack_*.py")}


def test_each_file_begins_with_the_class_and_what_defends():
    for file in HERE.glob("test_attack_*.py"):
        words = file.read_text().split('"""')[1].split()
        assert "defends:" in words or "defend:" in words or "defended," in words, file


def test_each_step_named_on_the_page_is_a_step():
    column = [line.split("|")[3] for line in PAGE.splitlines() if line.startswith("| ")]
    words = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", " ".join(column)))
    assert words
    assert words <= set(STEPS)
