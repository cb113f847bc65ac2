import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import MissingError
from labkit.images import busybox, image
from labkit.images.elf import interpreter, is_static
from labkit.images.key import BUSYBOX
from labkit.images.progress import silent

needs_busybox = pytest.mark.skipif(
    not os.path.exists(BUSYBOX) or not is_static(Path(BUSYBOX)), reason="no busybox-static on this host"
)


@needs_busybox
def test_the_image_holds_busybox_under_all_its_names_and_what_a_container_needs(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = image("busybox").rootfs
    lines = capfd.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 6
    for name in ("bin/sh", "usr/bin/env", "bin/cat"):
        assert (root / name).resolve() == root / "bin/busybox"
    assert len([link for link in root.rglob("*") if link.is_symlink()]) > 100
    for name in ("proc", "sys", "dev", "run", "home", "var", "root"):
        assert os.listdir(root / name) == []
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert (root / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert "nobody:x:65534:" in (root / "etc/group").read_text()
    done = subprocess.run([root / "bin/sh", "-c", "echo hello"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"


@needs_busybox
def test_two_builds_give_one_digest_whatever_the_umask(tmp_path, monkeypatch):
    digests = set()
    for name, mask in (("a", 0o022), ("b", 0o077)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        before = os.umask(mask)
        try:
            built = image("busybox", shown=False)
        finally:
            os.umask(before)
        digests.add(built.digest)
        assert built.packages[0].startswith("busybox 1.")
    assert len(digests) == 1


def test_a_busybox_that_is_not_static_is_refused_with_the_package_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(busybox, "BUSYBOX", os.path.realpath(sys.executable))
    with pytest.raises(MissingError, match="not a static program") as raised:
        busybox.build(tmp_path, silent)
    assert "busybox-static" in raised.value.hint
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF"])
def test_what_is_no_elf_program_is_not_static(tmp_path, content):
    path = tmp_path / "program"
    path.write_bytes(content)
    assert not is_static(path)


@pytest.mark.parametrize("kinds", [(1, 2), (1, 3)])
@pytest.mark.parametrize(("bits", "order"), [(1, "<"), (2, "<"), (2, ">")])
def test_a_program_is_static_when_no_header_names_an_interpreter(tmp_path, bits, order, kinds):
    start, size = (52, 32) if bits == 1 else (64, 56)
    header = bytearray(start)
    header[:6] = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2])
    struct.pack_into(order + ("I" if bits == 1 else "Q"), header, 28 if bits == 1 else 32, start)
    struct.pack_into(order + "HH", header, 42 if bits == 1 else 54, size, len(kinds))
    loader = b"/lib/ld.so\0"
    end = start + size * len(kinds)
    # p_offset and p_filesz; the others do not matter here.
    rest = struct.pack(order + ("I8xI" if bits == 1 else "Q16xQ"), end, len(loader))
    lead = 4 if bits == 1 else 8
    table = b"".join((struct.pack(order + "I", kind).ljust(lead, b"\0") + rest).ljust(size, b"\0") for kind in kinds)
    path = tmp_path / "program"
    path.write_bytes(bytes(header) + table + loader)
    assert is_static(path) == (3 not in kinds)
    assert interpreter(path) == ("/lib/ld.so" if 3 in kinds else "")
