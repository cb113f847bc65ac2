import pytest

from labkit.errors import LabkitError
from labkit.vm import modules
from labkit.vm.kernel import Kernel

DEP = """kernel/fs/fuse/fuse.ko:
kernel/fs/fuse/virtiofs.ko: kernel/fs/fuse/fuse.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
"""


@pytest.fixture
def kernel(tmp_path):
    (tmp_path / "modules.dep").write_text(DEP)
    (tmp_path / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    return Kernel("/boot/vmlinuz", "6.1.0", str(tmp_path))


def named(kernel, *names):
    return [modules.name_of(file) for file in modules.in_order(kernel, names)]


def test_each_module_comes_after_what_it_depends_on_and_once(kernel):
    files = modules.dependencies(DEP)
    ordered = modules.in_order(kernel, ("virtiofs", "virtio_rng", "fuse"))
    assert len(set(ordered)) == len(ordered) == 5
    seen = set()
    for file in ordered:
        relative = file.removeprefix(f"{kernel.modules}/")
        assert set(files[relative]) <= seen
        seen.add(relative)


def test_a_module_is_found_whatever_its_dashes_and_compression(kernel):
    assert named(kernel, "virtio_rng")[-1] == "virtio_rng"


def test_what_is_built_in_needs_no_file(kernel):
    assert named(kernel, "ext4") == []


def test_a_module_that_is_not_there_is_named(kernel):
    with pytest.raises(LabkitError, match=r"kernel 6.1.0 has no module flux"):
        named(kernel, "flux")


def test_a_kernel_without_modules_says_where_they_belong():
    with pytest.raises(LabkitError, match=r"/lib/modules/6.1.0"):
        named(Kernel("/boot/vmlinuz", "6.1.0", ""), "fuse")
