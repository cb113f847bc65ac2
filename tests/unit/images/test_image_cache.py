import errno
import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.images.cache import get_or_build, read, remove, stored, stored_keys
from labkit.images.image import Image
from labkit.images.key import folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Path(folder())


def small(rootfs, lock):
    (rootfs / "file").write_text("content")
    return {"reference": "busybox", "created": "2024-01-01"}


def never(rootfs, lock):
    raise AssertionError("built twice")


def build(function, key="key"):
    return get_or_build(key, function, what="image 'test'", shown=False)


def test_a_built_image_is_found_and_not_built_again(cache):
    place, facts = build(small)
    assert (place / "rootfs/file").read_text() == "content"
    assert json.loads((place / "image.json").read_text()) == facts == read(place)
    assert build(never) == (place, facts)
    assert stored() == [(place, facts)]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_build_that_ends_early_leaves_nothing(cache, fault):
    def half(rootfs, lock):
        (rootfs / "file").write_text("half")
        raise fault

    with pytest.raises(fault):
        build(half)
    assert [path.name for path in cache.iterdir()] == ["key~lock"]
    build(small)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_with_a_hint(cache, number):
    def full(rootfs, lock):
        raise OSError(number, os.strerror(number), str(rootfs))

    with pytest.raises(LabkitError, match="no space left on the disk of") as raised:
        build(full)
    assert "labkit image rm --all" in raised.value.hint
    assert stored() == []


def test_a_cache_that_is_no_folder_is_one_line_with_a_hint(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LabkitError, match="cache cannot be used") as raised:
        build(small)
    assert "XDG_CACHE_HOME" in raised.value.hint


def in_child(function):
    """Run the function in a forked process; returns its pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return pid


def test_what_a_killed_builder_left_is_removed_by_the_next(cache):
    ready, began = os.pipe()

    def stuck(rootfs, lock):
        (rootfs / "left").write_text("over")
        os.write(began, b"x")
        signal.pause()

    pid = in_child(lambda: build(stuck))
    os.read(ready, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (cache / "key~partial/rootfs/left").exists()
    assert stored() == []
    place, _ = build(small)
    assert os.listdir(place / "rootfs") == ["file"]
    assert not (cache / "key~partial").exists()


def test_of_two_builders_one_builds_and_both_have_the_image(cache, tmp_path):
    go, wait = tmp_path / "go", tmp_path / "built"
    os.mkfifo(go)

    def slow(rootfs, lock):
        with wait.open("a") as log:
            log.write("built\n")
        go.read_text()  # Until the test writes.
        return small(rootfs, lock)

    children = [in_child(lambda: build(slow)) for _ in range(2)]
    go.write_text("go")  # Opens when the first builder reads; the second waits for the lock or finds the image.
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0]
    assert wait.read_text() == "built\n"


def test_the_lock_is_held_while_a_process_of_a_killed_builder_lives(cache):
    ready, began = os.pipe()

    def with_child(rootfs, lock):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(lock,))
        os.write(began, str(child.pid).encode())
        signal.pause()

    pid = in_child(lambda: build(with_child))
    child = int(os.read(ready, 20))
    pidfd = os.pidfd_open(child)
    lock = os.open(cache / "key~lock", os.O_RDWR)
    # Before the builder dies, cat must not see the end of its input; so we stop it.
    os.kill(child, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    fcntl.flock(lock, fcntl.LOCK_EX)  # Waits until the child is gone, and does not wait for ever.
    os.close(lock)
    os.close(pidfd)


def test_a_removed_image_is_gone_with_its_lock_and_remains(cache):
    build(small)
    (cache / "key~partial").mkdir()
    (cache / "other~partial").mkdir()
    assert stored_keys() == ["key", "other"]
    for key in stored_keys():
        remove(key, "image")
    assert os.listdir(cache) == []


def test_an_empty_cache_has_no_images():
    assert stored() == []
    assert stored_keys() == []


def test_the_facts_of_an_image_are_read_when_asked_for(cache):
    place, _ = build(lambda rootfs, lock: {"digest": "sha256:1", "size": 5, "packages": ["a 1"], "created": "now"})
    image = Image("busybox", "key", str(place))
    assert (image.digest, image.size, image.packages, image.created) == ("sha256:1", 5, ["a 1"], "now")
    assert image.rootfs == place / "rootfs"
    assert os.fspath(image) == str(place / "rootfs")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_image_with_damaged_facts_says_how_to_make_it_anew(cache, text):
    place, _ = build(small)
    (place / "image.json").write_text(text)
    with pytest.raises(LabkitError, match="does not tell its digest") as raised:
        _ = Image("busybox", "key", str(place)).digest
    assert "labkit image rm busybox" in raised.value.hint
