"""Kata's answers and command lines, put together from notes made with 1.12.1 and 3.0.2: no such host was at hand."""

import pytest

from labkit.runtimes import kata_parts, shared_root

ID = "labkit-1f2e3d"
COMMAND_LINES = {
    # 3.0.2 with QEMU
    f"/opt/kata/bin/containerd-shim-kata-v2 -namespace default -address /run/c/socket -id {ID}": "shim",
    f"/opt/kata/libexec/virtiofsd --syslog -o cache=auto -o no_posix_lock -o "
    f"source=/run/kata-containers/shared/sandboxes/{ID}/shared --fd=3 -f --thread-pool-size=1": "virtiofsd",
    f"/opt/kata/bin/qemu-system-x86_64 -name sandbox-{ID} -uuid 5a3f -machine q35,accel=kvm,kernel_irqchip=on "
    f"-qmp unix:/run/vc/vm/{ID}/qmp.sock,server=on,wait=off -pidfile /run/vc/vm/{ID}/pid": "hypervisor",
    # 3.0.2 with Cloud Hypervisor
    f"/opt/kata/bin/cloud-hypervisor --api-socket /run/vc/vm/{ID}/clh-api.sock": "hypervisor",
    # 1.12.1
    f"/usr/bin/qemu-vanilla-system-x86_64 -name sandbox-{ID},debug-threads=on -uuid 77": "hypervisor",
    f"/usr/libexec/kata-containers/kata-proxy -listen-socket unix:///run/vc/sbs/{ID}/proxy.sock "
    f"-mux-socket /run/vc/vm/{ID}/kata.sock -sandbox {ID}": "proxy",
    f"/usr/libexec/kata-containers/kata-shim -agent unix:///run/vc/sbs/{ID}/proxy.sock -container {ID} "
    "-exec-id 1": "shim",
    # Others on the same host
    "/opt/kata/bin/qemu-system-x86_64 -name sandbox-another -uuid 5a3f": "",
    f"/opt/kata/bin/qemu-system-x86_64 -name sandbox-{ID}0 -uuid 5a3f": "",
    f"tail -f /run/vc/vm/{ID}/log": "",
}
VERSIONS = {
    "kata-runtime  : 1.12.1\n   commit   : 44ef2e0\n   OCI specs: 1.0.1-dev\n": "1.12.1",
    "kata-runtime  : 3.0.2\n   commit   : 0c8b8c3\n   OCI specs: 1.0.2-dev\n": "3.0.2",
    'Kata Containers containerd shim (Golang): id: "io.containerd.kata.v2", version: 3.0.2, commit: 0c8b8c3\n': "3.0.2",
    "Kata Containers containerd shim (Rust): id: io.containerd.kata.v2, version: 3.2.0-rc1, commit: ab\n": "3.2.0-rc1",
    "kata-runtime: command not found\n": "",
}
NO_KVM = (
    'time="2023-01-17T10:00:00Z" level=error msg="CPU property not found" arch=amd64 '
    'description="Virtualization support" name=vmx pid=812 source=runtime type=flag\n'
    'time="2023-01-17T10:00:00Z" level=error msg="kernel property kvm_intel not found" arch=amd64 name=kvm_intel\n'
    "ERROR: System is not capable of running Kata Containers\n"
)


@pytest.mark.parametrize(("line", "role"), COMMAND_LINES.items())
def test_a_process_is_told_by_its_command_line(line, role):
    assert kata_parts.part(line.replace(" ", "\0").encode(), ID) == role


@pytest.mark.parametrize(("text", "version"), VERSIONS.items())
def test_the_version_is_found_in_what_each_generation_says(text, version):
    assert kata_parts.version(text) == version


def test_the_first_complaint_is_the_reason_and_not_the_sum():
    assert kata_parts.complaint(NO_KVM) == "CPU property not found"
    assert kata_parts.complaint("ERROR: System is not capable of running Kata Containers\n").startswith("System")
    assert kata_parts.complaint("System is capable of running Kata Containers\n") == ""


def test_a_death_by_signal_is_128_and_its_number_in_both_generations():
    assert kata_parts.killed(9, 9) == 137
    assert kata_parts.killed(137, 9) == 137
    # A payload that caught the signal and ended by itself.
    assert kata_parts.killed(3, 15) == 3


def test_a_private_root_is_told_from_a_shared_one():
    private = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n23 22 0:5 / /proc rw shared:5 - proc proc rw\n"
    assert not shared_root.is_shared(private)
    assert shared_root.is_shared(private.replace("relatime - ext4", "relatime shared:1 - ext4"))
