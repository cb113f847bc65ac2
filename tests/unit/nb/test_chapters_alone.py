import os

from labkit.nb import batch, places, site


def test_chapters_that_time_or_count_something_are_executed_one_by_one_and_the_others_at_once(tmp_path, monkeypatch):
    asked = []

    def execute(notebooks, folder, parameters, progress=None, at_once=1):
        asked.append((at_once, [notebook.stem for notebook in notebooks]))
        return []

    monkeypatch.setattr(batch, "execute", execute)
    assert site.execute(places.notebooks(), tmp_path, {}) == []
    (first, alone), (second, others) = asked
    assert (first, second) == (1, len(os.sched_getaffinity(0)))
    assert [name[:2] for name in alone] == ["10", "11", "12", "14", "15", "16", "17", "29"]
    assert sorted(alone + others) == [notebook.stem for notebook in places.notebooks()]
    assert {"00-lab-check", "13-capabilities", "18-runtimes"} <= {*others}
