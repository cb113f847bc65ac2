import errno
import os
import stat

import pytest

from labkit.linux import paths


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").write_text("secret")
    descriptor = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_an_absolute_symlink_stays_inside(root, tmp_path):
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    with pytest.raises(FileNotFoundError):
        paths.openat2(root, "/link")


def test_dots_stay_inside(root):
    found = paths.openat2(root, "/../../..")
    assert os.path.samestat(os.fstat(found), os.fstat(root))
    os.close(found)


def test_magic_links_are_refused(root, tmp_path):
    (tmp_path / "root/link").symlink_to("/proc/self/root/etc")
    with pytest.raises(OSError):  # noqa: PT011  ELOOP or ENOENT, as the kernel sees it
        paths.openat2(root, "/link")


def test_missing_folders_are_made_on_the_way(root, tmp_path):
    os.close(paths.open_or_make(root, "/a/b/c", folder=True))
    os.close(paths.open_or_make(root, "/a/file", folder=False))
    assert (tmp_path / "root/a/b/c").is_dir()
    assert stat.S_ISREG((tmp_path / "root/a/file").stat().st_mode)


@pytest.mark.parametrize("target", ["/a/made", "a/made", "../../../../a/made", "../other/../a/made", "../second"])
def test_what_a_dangling_symlink_points_to_is_made_below_the_root(root, tmp_path, target):
    (tmp_path / "root/deep/er").mkdir(parents=True)
    (tmp_path / "root/deep/second").symlink_to("../a/made")
    (tmp_path / "root/deep/er/link").symlink_to(target)
    os.close(paths.open_or_make(root, "/deep/er/link", folder=False))
    made = [place for place in (tmp_path / "root").rglob("made") if place.is_file() and not place.is_symlink()]
    assert len(made) == 1
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("folder", [True, False])
def test_an_absolute_dangling_symlink_makes_nothing_outside(root, tmp_path, folder):
    (tmp_path / "root/link").symlink_to(tmp_path / "made")
    os.close(paths.open_or_make(root, "/link", folder))
    assert not (tmp_path / "made").exists()
    assert (tmp_path / "root" / str(tmp_path / "made").lstrip("/")).exists()


def test_symlinks_that_lead_in_a_circle_are_an_error(root, tmp_path):
    (tmp_path / "root/one").symlink_to("two/missing")
    (tmp_path / "root/two").symlink_to("one/missing")
    with pytest.raises(OSError, match="Too many levels") as caught:
        paths.open_or_make(root, "/one", folder=True)
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize(("folder", "error"), [(True, NotADirectoryError), (False, IsADirectoryError)])
def test_the_other_kind_of_file_is_refused(root, tmp_path, folder, error):
    (tmp_path / "root/place").touch() if folder else (tmp_path / "root/place").mkdir()
    with pytest.raises(error):
        paths.open_or_make(root, "/place", folder)


def test_what_may_be_missing_is_no_error(root, tmp_path):
    (tmp_path / "root/file").touch()
    (tmp_path / "root/circle").symlink_to("circle")
    assert [paths.open_if_there(root, path) for path in ("/none", "/none/x", "/file/x")] == [-1, -1, -1]
    os.close(paths.open_if_there(root, "/file"))
    with pytest.raises(OSError, match="circle"):
        paths.open_if_there(root, "/circle")


def test_no_descriptor_is_left_open(root):
    before = set(os.listdir("/proc/self/fd"))
    os.close(paths.open_or_make(root, "/x/y/z", folder=True))
    assert set(os.listdir("/proc/self/fd")) == before
