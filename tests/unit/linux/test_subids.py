import os

from labkit.linux.subids import subordinate, user_name


def test_ranges_are_by_name_or_by_number(tmp_path):
    path = tmp_path / "subuid"
    path.write_text("root:100000:65536\nann:1:2\n0:300000:10\n# note\nroot:x:1\nroot\n")
    assert subordinate(str(path), 0) == [(100_000, 65_536), (300_000, 10)]


def test_without_the_file_there_are_none(tmp_path):
    assert subordinate(str(tmp_path / "none"), os.getuid()) == []


def test_a_user_without_a_name_is_a_number():
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == "4000000000"
