"""What notebook 15 shows live: propagation, an overlay by hand, covered paths; and that the host keeps none of it."""

import tempfile

import pytest

from labkit import Container
from labkit.nb import layers, masks, propagation, stepping
from labkit.nb.apart import apart

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _the_hosts_mounts_are_left_alone(host_mounts, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = host_mounts()
    yield
    assert host_mounts() == before


def test_a_mount_crosses_as_the_propagation_says(rootfs):
    frame = propagation.try_out(rootfs)
    assert [tuple(row) for row in frame.itertuples(index=False)] == [
        ("rprivate", "no", "no"),
        ("rslave", "yes", "no"),
        ("rshared", "yes", "yes"),
    ]


def test_an_overlay_keeps_the_lower_layer_and_hides_what_was_removed():
    frame = layers.by_hand().set_index("file")
    assert list(frame.loc["left alone"]) == ["from the image", "–", "from the image"]
    assert list(frame.loc["changed"]) == ["from the image", "from the container", "from the container"]
    assert list(frame.loc["removed"]) == ["from the image", layers.WHITEOUT, "–"]
    assert list(frame.loc["made"]) == ["–", "from the container", "from the container"]


def test_covered_paths_tell_nothing(rootfs):
    frame = masks.covered(rootfs).set_index("path")
    assert set(frame["inside"]) <= {"nothing", "0 entries"}
    assert frame.loc["/proc/timer_list", "outside"].startswith("Timer List")
    assert frame.loc["/proc/timer_list", "inside, not covered"].startswith("Timer List")


def test_the_mounts_grow_until_the_roots_are_exchanged(rootfs):
    frame = stepping.mounts_by_step(Container(rootfs, ["cat"]))
    exchange = frame.index[frame["step"] == "PivotRoot"][0]
    assert frame["mounts"][:exchange].is_monotonic_increasing
    assert frame["mounts"][exchange] < frame["mounts"][exchange - 1]


def test_what_fails_apart_fails_here():
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 // 0)
