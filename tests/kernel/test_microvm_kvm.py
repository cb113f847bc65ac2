"""The microVM on KVM: for hosts whose KVM boots guests, and for the lab VM, whose emulated processor has AMD's SVM."""

import os
import select

import pytest
from standing_host import HOST, PROGRAMS, ask, web

from labkit.errors import LabkitError
from labkit.images import image
from labkit.runtimes import bundle
from labkit.runtimes.microvm import FLAG, Microvm
from labkit.vm import kernel, probe

pytestmark = pytest.mark.root

# No more than a bound: a guest of an emulated machine takes its time.
DEADLINE = 300.0
SEEN = """
cat /proc/sys/kernel/random/boot_id; cat /sys/devices/system/clocksource/clocksource0/available_clocksource
read word; echo got $word; echo wrong >&2; exit 77
"""


@pytest.fixture(scope="module", autouse=True)
def _kvm():
    try:
        accelerator = probe.accelerator(kernel.find())
    except LabkitError as error:
        pytest.skip(f"no microVM on this host: {error.message}")
    if accelerator != "kvm":
        # It has all that is needed, so that there it is a fault of ours.
        assert os.uname().nodename != "labkit-vm"
        pytest.skip("KVM boots no guest on this host")


@pytest.fixture(scope="module")
def busybox():
    return os.fspath(image("busybox", shown=False))


class Run:
    """A sandbox of a shell script with pipes for its streams."""

    def __init__(self, runtime, rootfs, place, script):
        self.id = f"labkit-test-{os.urandom(4).hex()}"
        feeding, self.stdin = os.pipe2(os.O_CLOEXEC)
        self.stdout, output = os.pipe2(os.O_CLOEXEC)
        self.stderr, errors = os.pipe2(os.O_CLOEXEC)
        folder = bundle.write(str(place), bundle.spec(rootfs, ("sh", "-c", script)))
        try:
            self.sandbox = runtime.start(folder, self.id, (feeding, output, errors))
        finally:
            for descriptor in (feeding, output, errors):
                os.close(descriptor)

    def rest(self, descriptor):
        text = b""
        while select.select([descriptor], [], [], DEADLINE)[0]:
            part = os.read(descriptor, 65536)
            if not part:
                return text.decode()
            text += part
        raise AssertionError(f"nobody ends the stream after {text!r}")

    def end(self):
        self.sandbox.delete()
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)


def assert_gone(runtime, id):
    assert runtime.host_processes(id) == []
    assert [name for _, below, files in os.walk("/run/labkit") for name in below + files if id in name] == []


def test_the_probe_says_that_kvm_boots_a_guest_and_that_figures_mean_what_they_say():
    # On the other machine than the next test's: a guest of an emulated one takes half a minute to boot.
    found = Microvm("microvm").probe()
    assert (found.reason, found.available, found.platform) == ("", True, "kvm")
    assert FLAG not in found.flags


def test_a_container_has_a_kernel_of_its_own_that_knows_kvm_and_its_status_comes_through(busybox, tmp_path):
    runtime = Microvm()
    run = Run(runtime, busybox, tmp_path, SEEN)
    try:
        os.write(run.stdin, b"word\n")
        lines = run.rest(run.stdout).splitlines()
        errors = run.rest(run.stderr)
        assert len(lines) == 3, errors
        boot, clocks, said = lines
        with open("/proc/sys/kernel/random/boot_id") as file:
            assert boot != file.read().strip()
        assert "kvm-clock" in clocks.split()
        assert said == "got word"
        assert errors == "wrong\n"
        assert run.sandbox.wait(DEADLINE) == 77
    finally:
        run.end()
    assert_gone(runtime, run.id)


@PROGRAMS[0]
@PROGRAMS[1]
@pytest.mark.usefixtures("known_accelerator")
def test_one_on_a_bridge_is_told_its_address_and_reaches_a_neighbour_and_its_gateway(host, busybox, as_found):
    with web(host, busybox, "--network", "bridge", "--publish", "8080:80", "--hostname", "server"):
        shown = "cat /sys/devices/system/clocksource/clocksource0/available_clocksource; ip -o -4 address show eth0"
        script = f"{shown}; {ask('server')}; {ask(HOST, 8080)}"
        words = ("--rootfs", busybox, "--runtime", "microvm", "--network", "bridge", "--", "sh", "-c", script)
        ended = host.labkit("run", *words, timeout=DEADLINE)
    assert ended.returncode == 0, ended.stderr
    clocks, address, *served = ended.stdout.splitlines()
    assert "kvm-clock" in clocks.split()
    assert " 10.213.0.3/24 " in address
    assert served == ["hello"] * 2


def test_guests_can_be_talked_with_by_vsock():
    """What Kata needs besides KVM: the kernel loads the module for the device when it is opened."""
    os.close(os.open("/dev/vhost-vsock", os.O_RDWR | os.O_CLOEXEC))
