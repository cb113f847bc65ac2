import os

import pytest

from labkit.engine.identity import resolve
from labkit.errors import LabkitError


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:7:8::/home/ann:/bin/sh\nbad:x:y:z::/:\n\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nstaff:x:50:ann,bob\nbroken:x:many:ann\n")
    return tmp_path


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("ann", (7, 8, (50,), "/home/ann")),
        ("7", (7, 8, (50,), "/home/ann")),
        ("ann:staff", (7, 50, (50,), "/home/ann")),
        ("ann:99", (7, 99, (50,), "/home/ann")),
        ("1234", (1234, 0, (), "/")),
        ("1234:50", (1234, 50, (), "/")),
    ],
)
def test_names_and_numbers(rootfs, user, found):
    assert resolve(str(rootfs), user) == found


@pytest.mark.parametrize(
    "user", ["bob", "", ":5", "²", "-1", "4294967295", "99999999999999999999", "bad", "ann:nobody"]
)
def test_what_the_image_has_not_is_refused(rootfs, user):
    with pytest.raises(LabkitError, match="not in the container's"):
        resolve(str(rootfs), user)


def test_an_image_without_passwd_takes_numbers(tmp_path):
    assert resolve(str(tmp_path), "5:6") == (5, 6, (), "/")


def test_a_fifo_for_passwd_does_not_block(tmp_path):
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    assert resolve(str(tmp_path), "5") == (5, 0, (), "/")


def test_a_symlink_for_passwd_does_not_lead_to_the_hosts(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    with pytest.raises(LabkitError, match="/etc/passwd in the container"):
        resolve(str(tmp_path), "root")


def test_a_root_filesystem_that_is_not_there(tmp_path):
    with pytest.raises(LabkitError, match="No such file"):
        resolve(str(tmp_path / "missing"), "root")
