import lzma
import os

import pytest

from labkit.errors import LabkitError, MissingError
from labkit.vm import cpio, initramfs
from labkit.vm.kernel import Kernel


@pytest.fixture
def kernel(tmp_path):
    """One whose modules hold their own names."""
    own = ("virtio_pci", "virtio_rng", initramfs.PORTS)
    dep = "".join(f"{name}.ko: virtio.ko\n" for name in own) + "virtio.ko:\nodd.ko.xz:\n"
    (tmp_path / "modules.dep").write_text(dep)
    (tmp_path / "modules.builtin").write_text("")
    for name in (*own, "virtio"):
        (tmp_path / f"{name}.ko").write_bytes(name.encode())
    (tmp_path / "odd.ko.xz").write_bytes(lzma.compress(b"odd"))
    return Kernel("/boot/vmlinuz", "6.1.0", str(tmp_path))


@pytest.fixture
def busybox(tmp_path, monkeypatch):
    """A file that passes for a static program."""
    path = tmp_path / "busybox"
    path.write_bytes(b"busybox")
    monkeypatch.setattr(initramfs, "BUSYBOX", str(path))
    monkeypatch.setattr(initramfs, "is_static", lambda _: True)


def test_a_guest_finds_what_its_init_needs(kernel, busybox, members):
    guest = initramfs.Guest("exit 3", ("odd",), (cpio.file("labkit/extra", b"more"),))
    found = members(initramfs.initramfs(kernel, guest, b"mark"))
    assert found["init"] == (0o100755, initramfs.INIT.read_bytes())
    assert found["bin/busybox"] == (0o100755, b"busybox")
    assert found["bin/sh"][1] == b"busybox"
    assert found["labkit/main"][1] == b"exit 3"
    assert found["labkit/mark"][1] == b"mark"
    assert found["labkit/extra"][1] == b"more"


def test_modules_are_listed_in_the_order_of_loading_and_unpacked(kernel, busybox, members):
    found = members(initramfs.initramfs(kernel, initramfs.Guest("", ("odd",)), b"", ("virtio_pci", "virtio_rng")))
    names = found["labkit/modules.order"][1].decode().split()
    assert names == ["virtio.ko", "virtio_pci.ko", "virtio_rng.ko", "virtio_console.ko", "odd.ko"]
    assert [found[f"labkit/modules/{name}"][1].decode() + ".ko" for name in names] == names


def test_modules_are_without_signatures_and_types_that_the_kernel_would_check(kernel, busybox, members, tmp_path):
    code = b"code\0.symtab\0.BTF\0.data\0"
    signature = b"s" * 300
    head = bytes(8) + len(signature).to_bytes(4)
    (tmp_path / "virtio.ko").write_bytes(code + signature + head + b"~Module signature appended~\n")
    found = members(initramfs.initramfs(kernel, initramfs.Guest(""), b""))
    assert found["labkit/modules/virtio.ko"][1] == b"code\0.symtab\0.btf\0.data\0"


def test_every_folder_comes_before_what_is_in_it(kernel, busybox, members):
    paths = list(members(initramfs.initramfs(kernel, initramfs.Guest(""), b"")))
    for place, path in enumerate(paths):
        above = os.path.dirname(path)
        assert not above or above in paths[:place]


def test_a_program_that_wants_a_loader_is_no_busybox_for_a_guest(kernel, busybox, monkeypatch):
    monkeypatch.setattr(initramfs, "is_static", lambda _: False)
    with pytest.raises(MissingError, match="busybox-static"):
        initramfs.initramfs(kernel, initramfs.Guest(""), b"")


def test_a_host_without_busybox_is_told_what_to_install(kernel, monkeypatch, tmp_path):
    monkeypatch.setattr(initramfs, "BUSYBOX", str(tmp_path / "none"))
    with pytest.raises(MissingError, match="busybox-static"):
        initramfs.initramfs(kernel, initramfs.Guest(""), b"")


def test_a_module_that_its_package_lost_is_named(kernel, busybox):
    os.unlink(f"{kernel.modules}/virtio_pci.ko")
    with pytest.raises(LabkitError, match=r"virtio_pci.ko: No such file"):
        initramfs.initramfs(kernel, initramfs.Guest(""), b"")
