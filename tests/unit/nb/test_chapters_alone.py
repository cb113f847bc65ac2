import os

from labkit.nb import batch, places, site


def test_chapters_that_time_something_are_executed_alone_and_those_that_show_the_host_beside_those_that_read(
    tmp_path, monkeypatch
):
    asked = []

    def execute(notebooks, folder, parameters, progress=None, at_once=1, chain=()):
        asked.append((at_once, [notebook.stem for notebook in notebooks], [notebook.stem for notebook in chain]))
        return []

    monkeypatch.setattr(batch, "execute", execute)
    assert site.execute(places.notebooks(), tmp_path, {}) == []
    (first, alone, none), (second, others, chain) = asked
    assert (first, none, second) == (1, [], len(os.sched_getaffinity(0)))
    assert [name[:2] for name in alone] == ["11", "12", "14", "16", "29"]
    assert [name[:2] for name in chain] == ["00", "10", "15", "17", "18"]
    assert sorted(alone + chain + others) == [notebook.stem for notebook in places.notebooks()]
