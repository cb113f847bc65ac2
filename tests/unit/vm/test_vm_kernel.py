import shutil

import pytest

from labkit.errors import LabkitError
from labkit.vm import kernel


def image(path, text=b"6.1.0-9-cloud-amd64 (builder@host) #1 SMP"):
    """The parts of a bzImage that name its release (boot.rst: header at 0x202, kernel_version at 0x20E)."""
    content = bytearray(0x1000)
    content[0x202:0x206] = b"HdrS"
    content[0x20E:0x210] = (0x600).to_bytes(2, "little")
    content[0x800 : 0x800 + len(text)] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no kernel installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kernel, "INSTALLED", str(tmp_path / "boot/vmlinuz-*-cloud-*"))
    return tmp_path / "cache/labkit/vm"


def stored(cache, release):
    modules = cache / f"linux_{release}/lib/modules/{release}"
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    return image(cache / f"linux_{release}/boot/vmlinuz-{release}", release.encode())


def test_the_release_is_read_from_the_image(tmp_path):
    assert kernel.read(image(tmp_path / "vmlinuz")).release == "6.1.0-9-cloud-amd64"


def test_modules_beside_the_image_are_found(cache):
    found = kernel.read(stored(cache, "6.1.0-9"))
    assert found.modules == str(cache / "linux_6.1.0-9/lib/modules/6.1.0-9")


def test_the_newest_cached_kernel_is_taken_without_asking_the_archive(cache, monkeypatch):
    monkeypatch.setattr(kernel, "download", lambda: pytest.fail("downloaded"))
    stored(cache, "6.1.0-9")
    stored(cache, "6.1.0-56")
    assert kernel.find().release == "6.1.0-56"


def test_one_without_modules_is_passed_over(cache):
    stored(cache, "6.1.0-9")
    shutil.rmtree(cache / "linux_6.1.0-9/lib")
    image(cache / "linux_6.1.0-9/boot/vmlinuz-6.1.0-9")
    stored(cache, "6.1.0-8")
    assert kernel.find().release == "6.1.0-8"


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(0x300), b"text\n" * 500])
def test_a_file_that_is_no_kernel_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(LabkitError, match="is not a Linux kernel"):
        kernel.find(str(tmp_path / "file"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LabkitError, match="nothing: No such file"):
        kernel.find(str(tmp_path / "nothing"))


def test_without_apt_the_hint_is_another_kernel(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabkitError, match=r"apt-get is not installed.*--kernel"):
        kernel.find()


def test_a_download_that_fails_leaves_nothing_and_says_why(cache, tmp_path, monkeypatch):
    for program, script in {
        "apt-cache": "echo '  Depends: linux-image-6.1.0-9-cloud-amd64'",
        "apt-get": "echo 'E: Failed to fetch it' >&2; exit 100",
        "dpkg-deb": "exit 0",
    }.items():
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with pytest.raises(LabkitError, match=r"apt-get: Failed to fetch it.*apt-get update"):
        kernel.find()
    assert [entry.name for entry in cache.iterdir()] == ["lock"]
