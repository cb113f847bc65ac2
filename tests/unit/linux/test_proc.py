import errno

import pytest

from labkit.linux.proc import read_file, write_lines


def test_lines_are_written_one_after_the_other(tmp_path):
    path = tmp_path / "file"
    path.touch()
    write_lines(str(path), ["a", "b"])
    assert read_file(str(path)) == "ab"


def test_the_line_that_is_refused_is_in_the_error():
    with pytest.raises(OSError, match="No space") as caught:
        write_lines("/dev/full", ["a", "b"])
    assert (caught.value.errno, caught.value.filename, caught.value.filename2) == (errno.ENOSPC, "/dev/full", "a")
