import pytest

from labkit.errors import MissingError
from labkit.vm import qemu

MIB = 1 << 20


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(qemu, "program", lambda: "/usr/bin/qemu-system-x86_64")


def words_after(argv, option):
    return [argv[place + 1] for place, word in enumerate(argv) if word == option]


def command(shares=None, machine="q35", **hardware):
    made = qemu.Hardware(**hardware)
    made.machine = machine
    return qemu.command(made, "/boot/vmlinuz", 20, 21, (22, 23), shares or {})


def test_memory_and_processors_are_those_asked_for():
    argv = command(memory=256 * MIB, cpus=2)
    assert words_after(argv, "-m") == ["256M"]
    assert words_after(argv, "-smp") == ["2"]
    # What virtiofsd sees is the same memory.
    assert f"memory-backend-memfd,id=memory,size={256 * MIB},share=on" in words_after(argv, "-object")


@pytest.mark.parametrize(("accelerator", "said"), [("tcg", "1,maxcpus=2"), ("kvm", "1")])
def test_an_emulated_guest_of_one_processor_keeps_its_memory_barriers(accelerator, said):
    assert words_after(command(accelerator=accelerator, cpus=1), "-smp") == [said]


def test_the_guest_starts_from_the_given_kernel_and_initramfs():
    argv = command(accelerator="kvm", cmdline="cgroup_no_v1=all")
    assert words_after(argv, "-kernel") == ["/boot/vmlinuz"]
    assert words_after(argv, "-initrd") == ["/proc/self/fd/20"]
    assert words_after(argv, "-append") == ["console=ttyS0 panic=-1 cgroup_no_v1=all"]


def test_ports_are_numbered_in_order_from_1():
    argv = command()
    assert "socket,id=console,fd=21" in words_after(argv, "-chardev")
    assert "socket,id=port1,fd=22" in words_after(argv, "-chardev")
    assert "virtserialport,chardev=port2,nr=2" in words_after(argv, "-device")


def test_each_share_has_a_device_with_its_tag():
    argv = command({"host": 30, "bundle": 31})
    assert "socket,id=share-bundle,fd=31" in words_after(argv, "-chardev")
    assert "vhost-user-fs-pci,chardev=share-host,tag=host" in words_after(argv, "-device")


def test_there_is_no_network_unless_it_is_asked_for():
    assert words_after(command(), "-netdev") == []
    assert words_after(command(net=True), "-netdev") == ["user,id=net"]


def test_a_tap_is_given_by_its_descriptor_with_an_address_of_its_own():
    hardware = qemu.Hardware()
    hardware.tap, hardware.mac = 30, "02:00:0a:d5:00:02"
    argv = qemu.command(hardware, "/boot/vmlinuz", 20, 21, (22, 23), {})
    assert words_after(argv, "-netdev") == ["tap,id=net,fd=30"]
    assert "virtio-net-pci,netdev=net,mac=02:00:0a:d5:00:02,romfile=" in words_after(argv, "-device")


@pytest.mark.parametrize(("accelerator", "fixed"), [("kvm", False), ("tcg", True)])
def test_addresses_are_not_random_under_emulation_alone(accelerator, fixed):
    assert ("norandmaps" in words_after(command(accelerator=accelerator), "-append")[0].split()) is fixed


@pytest.mark.parametrize(("accelerator", "processor"), [("kvm", "host"), ("tcg", "max")])
def test_the_processor_goes_with_the_accelerator(accelerator, processor):
    argv = command(accelerator=accelerator)
    assert words_after(argv, "-accel")[0].split(",")[0] == accelerator
    assert words_after(argv, "-cpu")[0].split(",")[0] == processor


@pytest.mark.parametrize(("accelerator", "device"), [("kvm", True), ("tcg", False)])
def test_an_emulated_processor_has_the_randomness_that_else_a_device_gives(accelerator, device):
    argv = command(accelerator=accelerator)
    assert ("virtio-rng-pci" in words_after(argv, "-device")) is device
    assert ("random.trust_cpu=on" in words_after(argv, "-append")[0].split()) is not device
    assert ("virtio_rng" in qemu.modules(qemu.Hardware(accelerator=accelerator))) is device


def test_the_machine_type_decides_which_bus_its_devices_are_on():
    argv = command({"host": 30}, machine="microvm", net=True)
    assert words_after(argv, "-machine")[0].split(",")[0] == "microvm"
    devices = words_after(argv, "-device")
    assert "vhost-user-fs-device,chardev=share-host,tag=host" in devices
    assert not any("-pci" in device or "romfile" in device for device in devices)


@pytest.mark.parametrize(("accelerator", "told"), [("kvm", False), ("tcg", True)])
def test_an_emulated_microvm_is_told_how_fast_its_clock_runs(accelerator, told, monkeypatch):
    monkeypatch.setattr(qemu.tsc, "kilohertz", lambda: 2_500_000)
    for machine, expected in (("microvm", told), ("q35", False)):
        words = words_after(command(machine=machine, accelerator=accelerator), "-append")[0].split()
        assert ("tsc_early_khz=2500000" in words) is expected


def test_a_host_without_qemu_is_told_what_to_install(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(qemu.os, "uname", lambda: type("Name", (), {"machine": "x86_64"}))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingError, match="apt-get install --no-install-recommends qemu-system-x86"):
        qemu.program()
