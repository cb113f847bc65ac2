"""The microVM, booted for real; under emulation each boot takes some seconds, so that one serves many tests."""

import os
import select
import shutil
import signal

import pytest

from labkit.images import image
from labkit.runtimes import bundle
from labkit.runtimes.microvm import Microvm
from labkit.spec.model import Cpu, Memory, Mount
from labkit.vm import kernel, probe

pytestmark = pytest.mark.root

DEADLINE = 120.0
LIMIT = 64 << 20
SEEN = """
uname -r; nproc; cat /data/in; cat /file; cat /sys/fs/cgroup/memory.max; grep MemTotal /proc/meminfo; pwd
ls /sys/class/net; cat; echo written >/data/out; { echo written >/here; } 2>&1; exit 77
"""


@pytest.fixture(scope="module", autouse=True)
def _qemu():
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU: sudo apt-get install --no-install-recommends qemu-system-x86")
    # Whether KVM boots a guest is tried once in each boot of the host, which is said on stderr.
    probe.accelerator(kernel.find())


@pytest.fixture(scope="module")
def busybox():
    return os.fspath(image("busybox", shown=False))


def spec_for(busybox, *args):
    made = bundle.spec(busybox, args)
    made.linux.resources.memory = Memory(limit=LIMIT)
    made.linux.resources.cpu = Cpu(quota=150_000, period=100_000)
    return made


class Run:
    """A sandbox of `spec` with pipes for its streams."""

    def __init__(self, spec, place, stdin=b""):
        self.id = f"labkit-test-{os.urandom(4).hex()}"
        given, write = os.pipe()
        os.write(write, stdin)
        os.close(write)
        self.out, out = os.pipe()
        self.errors = open(f"{place}/stderr", "w+")
        self.sandbox = Microvm().start(bundle.write(str(place), spec), self.id, (given, out, self.errors.fileno()))
        os.close(given)
        os.close(out)

    def first_line(self):
        assert select.select([self.out], [], [], DEADLINE)[0], self.said()
        return os.read(self.out, 4096).decode()

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self):
        self.sandbox.delete()
        os.close(self.out)
        self.errors.close()


@pytest.fixture(scope="module")
def ended(busybox, tmp_path_factory):
    """One life: (exit status, stdout's lines, the folder that was shared)."""
    place = tmp_path_factory.mktemp("microvm")
    (place / "data").mkdir()
    (place / "data/in").write_text("from the host\n")
    (place / "file").write_text("a copy\n")
    spec = spec_for(busybox, "sh", "-c", SEEN)
    spec.process.cwd = "/tmp"
    spec.mounts += (
        Mount(destination="/data", kind="bind", source=str(place / "data"), options=("bind",)),
        Mount(destination="/file", kind="bind", source=str(place / "file"), options=("bind", "ro")),
    )
    run = Run(spec, place, b"to the container\n")
    try:
        status = run.sandbox.wait(DEADLINE)
        with open(os.dup(run.out)) as file:
            lines = file.read().splitlines()
        assert run.said() == ""
        return status, lines, place / "data"
    finally:
        run.end()


def test_the_exit_status_is_the_containers(ended):
    assert ended[0] == 77


def test_it_has_another_kernel_than_the_host(ended):
    assert ended[1][0] != os.uname().release


def test_it_has_the_processors_and_the_memory_of_the_bundles_limits(ended):
    lines = ended[1]
    assert lines[1] == str(min(2, os.cpu_count()))
    assert lines[4] == str(LIMIT)
    assert LIMIT < int(lines[5].split()[1]) * 1024 < LIMIT + (192 << 20)


def test_it_sees_the_hosts_folder_and_file_and_writes_to_the_folder(ended):
    _, lines, data = ended
    assert lines[2:4] == ["from the host", "a copy"]
    assert (data / "out").read_text() == "written\n"


def test_it_reads_its_input_and_runs_where_it_is_told_to(ended):
    lines = ended[1]
    assert lines[6] == "/tmp"
    assert "to the container" in lines


def test_it_has_no_network_but_loopback(ended):
    assert ended[1][7:9] == ["lo", "to the container"]


def test_a_readonly_root_stays_as_it_is(ended, busybox):
    assert "Read-only file system" in ended[1][-1]
    assert not os.path.exists(f"{busybox}/here")


def test_killing_it_leaves_no_process(busybox, tmp_path):
    run = Run(spec_for(busybox, "sh", "-c", "echo up; sleep 1000"), tmp_path)
    try:
        assert run.first_line() == "up\n"
        assert {"hypervisor", "virtiofsd", "holder"} == {one.role for one in Microvm().host_processes(run.id)}
        run.sandbox.kill()
        assert run.sandbox.wait(DEADLINE) == 128 + signal.SIGKILL
    finally:
        run.end()
    assert Microvm().host_processes(run.id) == []


def test_it_ends_when_its_share_is_killed(busybox, tmp_path):
    run = Run(spec_for(busybox, "sh", "-c", "echo up; sleep 1000"), tmp_path)
    try:
        assert run.first_line() == "up\n"
        [daemon, *_] = [one.pid for one in Microvm().host_processes(run.id) if one.role == "virtiofsd"]
        os.kill(daemon, signal.SIGKILL)
        assert run.sandbox.wait(DEADLINE) == 125
        assert "virtiofsd, which shares 'rootfs' with the VM, has ended" in run.said()
    finally:
        run.end()
    assert Microvm().host_processes(run.id) == []


def test_what_a_guest_cannot_do_is_said_in_one_line_before_anything_is_started(busybox, tmp_path):
    spec = spec_for(busybox, "sh")
    spec.process.terminal = True
    run = Run(spec, tmp_path)
    try:
        assert run.sandbox.wait(DEADLINE) == 125
        assert run.said() == "microvm: config.json#/process/terminal: the microvm has no terminal (set it to false)\n"
    finally:
        run.end()
