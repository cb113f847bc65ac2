import os
import tempfile

import pytest

from labkit.errors import LabkitError
from labkit.nb import disk


def test_a_file_system_in_memory_is_on_no_disk():
    assert disk.whole_disk("/proc") is None


def test_a_folder_on_a_disk_goes_away_again():
    try:
        with disk.folder_on_a_disk() as (folder, numbers):
            assert os.path.isdir(folder)
            assert os.path.exists("/sys/dev/block/{}:{}".format(*numbers))
    except LabkitError:
        pytest.skip("no place for temporary files is on a disk here")
    assert not os.path.exists(folder)


def test_without_a_disk_one_line_says_so(monkeypatch):
    monkeypatch.setattr(disk, "whole_disk", lambda path: None)
    before = set(os.listdir(tempfile.gettempdir()))
    with pytest.raises(LabkitError, match="on a disk"), disk.folder_on_a_disk():
        pass
    assert {name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("labkit-disk")} == set()
