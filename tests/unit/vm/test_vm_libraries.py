import os
import stat

import pytest

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.vm import cpio, libraries


def test_a_program_comes_with_its_libraries_and_the_folders_for_them(members):
    found = members(cpio.archive([cpio.folder("bin"), *libraries.program("/bin/ls", "list")]))
    mode, content = found["bin/list"]
    assert stat.S_IMODE(mode) == 0o755
    with open("/bin/ls", "rb") as file:
        assert content == file.read()
    for path in libraries.libraries("/bin/ls"):
        assert found[path.lstrip("/")][1].startswith(b"\x7fELF")
        assert stat.S_ISDIR(found[os.path.dirname(path).lstrip("/")][0])


def test_the_loader_is_among_them():
    assert any("ld-linux" in path for path in libraries.libraries("/bin/ls"))


def test_a_static_program_has_none(tmp_path):
    (tmp_path / "static").write_bytes(payload.program("x86_64"))
    assert libraries.libraries(str(tmp_path / "static")) == []


def test_what_is_not_there_is_said_by_its_path():
    with pytest.raises(LabkitError, match="/nowhere: No such file"):
        libraries.program("/nowhere", "x")
