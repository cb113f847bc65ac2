import pytest

from labkit.cgroups.detect import Hierarchy, Layout
from labkit.nb import versions
from labkit.nb.displays import table

V2 = Layout([Hierarchy(2, "/c", "/c", ("cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"))])
HYBRID = Layout(
    [Hierarchy(1, f"/c/{name}", f"/c/{name}", (name,)) for name in ("cpu", "memory", "blkio", "devices")]
    + [Hierarchy(2, "/c/u", "/c/u", ("hugetlb",))]
)


def of(layout):
    return versions.versions(layout).set_index("limit")


def test_every_limit_has_a_row_and_something_to_say_of_both_versions():
    found = of(V2)
    assert len(found) == len(versions.EXAMPLES)
    assert found.index.is_unique
    assert not (found[["v1", "v2"]] == "").any().any()


def test_the_files_and_values_are_those_that_the_engine_writes():
    found = of(V2)
    assert tuple(found.loc["cpu.shares", ["v1", "v2"]]) == ("cpu.shares = 512", "cpu.weight = 20")
    assert found.loc["memory.swap", "v1"].splitlines()[1] == "memory.memsw.limit_in_bytes = 100663296"
    assert found.loc["memory.swap", "v2"].splitlines()[1] == "memory.swap.max = 33554432"
    assert found.loc["blockIO.weight", "v2"] == "io.bfq.weight = 300, or io.weight = 2930"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("memory.disableOOMKiller", "refused: cannot be kept by the cgroup v2 controller 'memory'"),
        ("cpu.realtimeRuntime", "refused: cannot be kept by the cgroup v2 controller 'cpu'"),
        ("memory.swappiness", "memory.swappiness is left out"),
        ("network.classID", "nothing: the controller is on v1 alone"),
        ("devices", "an eBPF program"),
    ],
)
def test_what_v2_has_no_file_for_is_said_with_what_happens(limit, words):
    assert of(V2).loc[limit, "v2"].startswith(words)


def test_this_hosts_version_is_marked_by_the_controller():
    found = of(HYBRID)["here"]
    assert found["memory.limit"] == found["blockIO.weight"] == found["devices"] == "v1"
    assert found["hugepageLimits"] == "v2"
    assert found["pids.limit"] == "neither"
    pure = of(V2)["here"]
    assert pure["blockIO.weight"] == pure["devices"] == "v2"
    assert pure["network.classID"] == "neither"


def test_the_sentence_says_what_is_mounted_and_what_is_lacking():
    said = versions.in_words(versions.versions(V2), V2)
    assert said == (
        "This host mounts cgroup v2 alone. Of these 21 limits 19 go to v2. It has no controller for "
        "network.classID and network.priorities."
    )
    assert "(hybrid)" in versions.in_words(versions.versions(HYBRID), HYBRID)
    assert "mounts no cgroups" in versions.in_words(versions.versions(Layout([])), Layout([]))


def test_lines_stay_lines_in_the_table():
    assert "<td>memory.max = 67108864<br>memory.swap.max = 33554432</td>" in str(table(versions.versions(V2)).data)


def test_weights_and_what_their_ratios_become():
    found = versions.weights([2, 1024, 262_144]).set_index("shares")
    assert list(found["weight"]) == [1, 39, 10_000]
    assert found.loc[2, "v2_ratio"] > 10 * found.loc[2, "ratio"]
    assert "cpu.shares of 2 ask for 0.00195 times" in versions.weights_in_words(found.reset_index())
