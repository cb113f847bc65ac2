import os
import shutil

import pytest

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import bundle
from labkit.runtimes.host import Host, locate

ENV = ("PATH=/bin",)


@pytest.fixture
def rootfs(tmp_path):
    payload.make(str(tmp_path))
    (tmp_path / "bin").mkdir()
    return tmp_path


def test_a_command_is_found_on_the_path_of_the_bundle(rootfs):
    (rootfs / "bin" / "go").symlink_to("/payload")
    assert locate(str(rootfs), "go", ENV) == f"{rootfs}/payload"


def test_a_path_is_taken_below_the_root_and_links_do_not_leave_it(rootfs):
    (rootfs / "bin" / "up").symlink_to("../../../../payload")
    assert locate(str(rootfs), "/bin/up", ENV) == f"{rootfs}/payload"


def test_what_is_not_there_is_127(rootfs):
    with pytest.raises(LabkitError, match="not found") as caught:
        locate(str(rootfs), "nothing", ENV)
    assert caught.value.exit_status == 127


def test_a_loop_of_links_ends(rootfs):
    (rootfs / "bin" / "a").symlink_to("b")
    (rootfs / "bin" / "b").symlink_to("a")
    with pytest.raises(LabkitError, match="not found"):
        locate(str(rootfs), "a", ENV)


def test_what_may_not_be_executed_is_126(rootfs):
    os.chmod(rootfs / "payload", 0o644)
    with pytest.raises(LabkitError, match="permission denied") as caught:
        locate(str(rootfs), "/payload", ENV)
    assert caught.value.exit_status == 126


def test_a_program_with_libraries_is_refused(rootfs):
    shutil.copy(shutil.which("cat"), rootfs / "bin" / "cat")
    place = bundle.write(str(rootfs / "bundle"), bundle.spec(str(rootfs), ("/bin/cat",)))
    with pytest.raises(LabkitError, match="not a static program"):
        Host().start(place, "id", (0, 1, 2))


def test_a_folder_is_126(rootfs):
    with pytest.raises(LabkitError, match="is a folder") as caught:
        locate(str(rootfs), "/bin", ENV)
    assert caught.value.exit_status == 126
