import os
import subprocess
import sys

from labkit.nb.census import Census, census


def test_nothing_happening_leaves_nothing():
    before = census()
    assert before.in_words(census()) == "Nothing was left behind."


def test_a_child_that_stays_is_named():
    before = census()
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        left = before.compared_with(census()).set_index("what")
        assert f"({child.pid})" in left.loc["processes", "new"]
        assert "processes" in before.in_words(census())
        child.communicate(b"\n")
    assert before.in_words(census()) == "Nothing was left behind."


def test_an_open_descriptor_is_counted():
    before = census()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert census().descriptors == before.descriptors + 1
        assert "open descriptors" in before.in_words(census())
    finally:
        os.close(descriptor)


def test_what_is_new_is_named_by_kind():
    empty = Census(frozenset(), 0, frozenset(), frozenset(), frozenset())
    full = Census(frozenset(), 0, frozenset({"net:[1]"}), frozenset({"/mnt"}), frozenset())
    assert empty.in_words(full) == "Left behind: namespaces, mounts."
