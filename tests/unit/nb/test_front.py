import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.nb import front
from labkit.nb.startup import Observed
from labkit.stats.synthetic import row, synthetic

FACTS = {"host": "abc", "kernel": "6.1"}


def page(tmp_path, observations, chapters=(), failures=()) -> str:
    front.write(tmp_path, Observed(observations, FACTS), chapters, failures)
    return (tmp_path / "index.md").read_text()


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    absent = row("runsc-kvm", condition="", status="unavailable", reason="/dev/kvm cannot be opened")
    medians = {"host": 0.001, "runc": 0.02, "runc-again": 0.02, "crun": 0.01}
    return pd.concat([synthetic(medians), pd.DataFrame([absent])], ignore_index=True)


def test_it_says_what_the_figure_shows_for_both_baselines(tmp_path, observations):
    text = page(tmp_path, observations)
    assert (tmp_path / "data/startup.svg").read_text().startswith("<?xml")
    assert "as a ratio to runc: host" in text
    assert "as a ratio to host: crun" in text


def test_it_names_the_host_and_what_was_not_measured(tmp_path, observations):
    text = page(tmp_path, observations)
    assert "<td>6.1</td>" in text
    assert "/dev/kvm cannot be opened" in text


def test_a_failure_is_shown_and_none_is_not_mentioned(tmp_path, observations):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert "What could not be shown" not in page(tmp_path / "a", observations)
    text = page(tmp_path / "b", observations, failures=[LabkitError("10.ipynb, cell 3: no root")])
    assert "10.ipynb, cell 3: no root" in text


def test_chapters_are_under_their_parts(tmp_path, observations):
    text = page(tmp_path, observations, ["00-lab-check", "20-startup"])
    assert text.index(":caption: Start") < text.index("chapters/00-lab-check") < text.index(":caption: Experiments")
    assert ":caption: Mechanisms" not in text


def test_the_data_can_be_downloaded_whole(tmp_path, observations):
    text = page(tmp_path, observations)
    back = pd.read_parquet(tmp_path / "data/observations.parquet")
    assert len(back) == len(observations) == len(pd.read_csv(tmp_path / "data/observations.csv"))
    assert "{download}`observations.parquet" in text


def test_without_a_baseline_there_is_a_page_that_says_so(tmp_path):
    text = page(tmp_path, synthetic({"crun": 0.01}))
    assert "no ratio of first_instruction can be drawn" in text
    assert not (tmp_path / "data/startup.svg").exists()
    assert "startup.svg" not in text
