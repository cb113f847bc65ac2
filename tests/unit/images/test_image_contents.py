import os
import shutil

import pytest

from labkit.errors import LabkitError
from labkit.images.contents import digest, mounts_below, remove_tree, size


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin/a").write_text("a")
    (root / "link").symlink_to("bin/a")
    return root


def test_two_trees_of_the_same_content_have_one_digest_whatever_their_times(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, symlinks=True)
    os.utime(copy / "bin/a", (1, 1))
    assert digest(copy) == digest(tree)
    assert digest(tree).startswith("sha256:")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "bin/a").write_text("b"),
        lambda root: (root / "bin/a").chmod(0o700),
        lambda root: (root / "bin/a").rename(root / "bin/b"),
        lambda root: (root / "new").mkdir(),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("bin")),
    ],
)
def test_a_change_of_content_mode_name_or_target_changes_the_digest(tree, change):
    before = digest(tree)
    change(tree)
    assert digest(tree) != before


def test_a_hard_linked_file_takes_its_space_once(tree):
    (tree / "bin/a").write_bytes(bytes(range(256)) * 256)
    before = size(tree)
    os.link(tree / "bin/a", tree / "bin/b")
    assert size(tree) == before >= 65536


def test_a_tree_is_removed_without_following_its_links(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tree / "away").symlink_to(outside)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").exists()


def test_a_link_in_place_of_a_tree_is_not_removed(tree, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tree)
    with pytest.raises(LabkitError, match="symbolic link"):
        remove_tree(link)
    assert (tree / "bin/a").exists()


def test_removing_what_is_not_there_is_no_fault(tmp_path):
    remove_tree(tmp_path / "none")


def test_mounts_below_a_folder_are_found_deepest_first(tmp_path):
    table = tmp_path / "mountinfo"
    points = ["/", "/a", "/a/b\\040c", "/a/b\\040c/proc", "/ab"]
    table.write_text("".join(f"1 2 0:3 / {point} rw - tmpfs tmpfs rw\n" for point in points))
    assert mounts_below("/a", table) == ["/a/b c/proc", "/a/b c", "/a"]
    assert mounts_below("/none", table) == []
