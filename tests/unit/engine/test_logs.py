"""A log is read as lines, while it is written and afterwards."""

import os

import pytest

from labkit.engine.logs import Log
from labkit.errors import LabkitError


@pytest.fixture
def log():
    log = Log(None)
    yield log
    log.close()


def over(_):
    return True


def test_a_last_line_without_its_end_is_a_line(log):
    os.write(log.writing, b"one\n\ntwo")
    assert list(log.lines(over)) == ["one", "", "two"]


def test_bytes_that_are_no_text_are_replaced(log):
    os.write(log.writing, b"a\xffb\n")
    assert list(log.lines(over)) == ["a\ufffdb"]


def test_what_is_written_before_the_end_is_read(log):
    def ended(_):
        os.write(log.writing, b"at the very end\n")
        return True

    assert list(log.lines(ended)) == ["at the very end"]


def test_a_line_is_given_when_it_is_whole(log):
    parts = [b"be", b"ginning\nre", b"st\n"]

    def ended(_):
        os.write(log.writing, parts.pop(0))
        return not parts

    assert list(log.lines(ended)) == ["beginning", "rest"]


def test_a_file_is_added_to_and_read_from_there(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"earlier\n")
    log = Log(str(path))
    os.write(log.writing, b"later\n")
    assert list(log.lines(over)) == ["later"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(log.writing, 1)
    log.close()
    assert path.read_bytes() == b"earlier\nlater\n"


def test_no_file_and_a_closed_log_are_said(tmp_path, log):
    with pytest.raises(LabkitError, match="No such file or directory"):
        Log(str(tmp_path / "none" / "log"))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(LabkitError, match="No such device or address"):
        Log(str(tmp_path / "fifo"))
    log.close()
    log.close()
    with pytest.raises(LabkitError, match="gone with its container"):
        list(log.lines(over))
