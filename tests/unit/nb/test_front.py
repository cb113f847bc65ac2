import pandas as pd
import pytest

from labkit.bench import facts
from labkit.errors import LabkitError
from labkit.nb import front
from labkit.nb.startup import Observed
from labkit.nb.study import Studied
from labkit.stats.synthetic import row, study, synthetic

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


def test_the_studys_heat_map_and_what_to_choose_are_on_the_front_page(tmp_path, observations):
    speeds = {"host": 3e4, "runc": 2.5e4, "crun": 2.5e4, "runsc-ptrace": 4e3}
    studied = Studied(study({("redis", "throughput"): speeds}), FACTS, [])
    front.write(tmp_path, Observed(observations, FACTS), [], [], studied)
    text = (tmp_path / "index.md").read_text()
    assert (tmp_path / "data/study.svg").read_text().startswith("<?xml")
    assert "Most: redis in runsc-ptrace" in text
    assert "If your load is applications" in text
    back = pd.read_parquet(tmp_path / "data/observations.parquet")
    assert set(back["experiment"]) == {"startup", "study"}


def test_without_the_study_the_front_page_does_not_mention_it(tmp_path, observations):
    front.write(tmp_path, Observed(observations, FACTS), [], [], Studied(observations.iloc[:0], {}, []))
    assert "what does it cost to run in" not in (tmp_path / "index.md").read_text()


def test_a_run_of_another_host_says_which_chapters_are_of_this_one(tmp_path, observations):
    assert "were executed on another one" in page(tmp_path, observations)
    (tmp_path / "own").mkdir()
    front.write(tmp_path / "own", Observed(observations, {"host": facts.host()}), [], [])
    assert "another one" not in (tmp_path / "own/index.md").read_text()


def test_the_method_page_gets_the_validity_of_the_run(observations):
    nothing = Studied(observations.iloc[:0], {}, [])
    assert "was not measured in the run" in front.validity(nothing)
    studied = Studied(study({("redis", "throughput"): {"host": 2.0, "runc": 1.0}}), FACTS, [])
    assert "other programs running" in front.validity(studied)
    assert "threats" in front.validity(studied)
