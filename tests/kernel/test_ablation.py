"""The ablation as a whole, with one block of the start-up."""

import os

import pytest

from labkit.bench import ablation, ablation_worker
from labkit.bench.store import Run
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    folder.chmod(0o755)
    found = Run(folder / "run")
    ablation.measure(found, ablation.Ablation(blocks=1))
    return found


def test_every_treatment_starts_its_container(run):
    frame = run.observations(ablation.EXPERIMENT)
    assert set(frame["status"]) == {"ok"}, frame[frame["status"] != "ok"][["runtime", "reason"]].values.tolist()
    assert set(frame["runtime"]) == set(ablation.labels())
    assert set(frame["metric"]) == {"first_instruction", "whole_life"}
    assert (frame["value"] > 0).all()


def test_it_is_gone_on_with_and_measures_nothing_twice(run):
    before = run.measured()
    ablation.measure(run, ablation.Ablation(blocks=1))
    assert run.measured() == before


def test_neither_a_mount_nor_a_folder_is_left(run):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert [line for line in file if str(run.folder) in line] == []
    assert [name for name in os.listdir(run.folder) if name.startswith("scratch-")] == []


def test_what_is_written_to_the_overlay_stays_in_it_and_goes_with_it(tmp_path):
    lower = tmp_path / "lower:with,signs"
    lower.mkdir()
    (lower / "file").write_text("below")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            unshare(CLONE_NEWNS)
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            with ablation_worker.overlaid(str(lower), str(tmp_path)) as merged:
                with open(f"{merged}/file", "w", encoding="ascii") as file:
                    file.write("above")
                seen = (lower / "file").read_text()
            status = 0 if seen == "below" and not os.path.exists(merged) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (lower / "file").read_text() == "below"
    assert os.listdir(tmp_path) == [lower.name]
