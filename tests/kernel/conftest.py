"""What the tests of cgroups share: containers with limits and how to speak to them, their cgroups, and `labkit-oci`."""

import json
import math
import os
import select
import subprocess
import sys
import tempfile

import pytest
from standing_host import as_found, host, known_accelerator  # noqa: F401
from subordinate import own_rootfs, user  # noqa: F401

from labkit import Container, runtimes
from labkit.cgroups.detect import detect
from labkit.cgroups.v2 import weight
from labkit.engine import state
from labkit.engine.configure import configure
from labkit.linux.cgroupfs import remove_cgroup
from labkit.spec import default
from labkit.spec.model import Resources


@pytest.fixture(scope="session")
def probed():
    """A function from a runtime's name to its probe, tried out once: where it is emulated, a machine boots for it."""
    known = {}

    def look(name):
        if name not in known:
            driver = runtimes.driver(name)
            known[name] = driver.probe()
            if name in runtimes.ENGINES:
                # Whoever uses it starts a daemon of its own.
                driver.cool()
        return known[name]

    return look


@pytest.fixture
def host_mounts(tmp_path_factory):
    """A function to the host's mounts, but for those that come and go with tests which run beside these.

    They are the storage of engines, and below temporary folders that are not these tests' own.
    """
    own = str(tmp_path_factory.getbasetemp())
    others = (f"{tempfile.gettempdir()}/", "/run/labkit/podman/", "/run/labkit/containerd/")

    def read():
        with open("/proc/self/mountinfo") as file:
            return [line for line in file if own in line or not line.split()[4].startswith(others)]

    return read


@pytest.fixture
def need():
    """A function that skips the test unless the host has one of some controllers, in a tree of `version` if given."""

    def check(*names, version=None):
        found = [detect().of(name) for name in names]
        if not any(tree and version in (None, tree.version) for tree in found):
            pytest.skip(f"this host has no cgroup controller {names[0]}" + (f" on v{version}" if version else ""))

    return check


@pytest.fixture
def limited(rootfs):
    """A function that makes a container of `script` with `resources` set."""

    def make(script, volumes=(), id=None, scheduler=None, path="", **resources):
        spec = configure(str(rootfs), ["sh", "-c", script], volumes=volumes)
        spec.process.scheduler = scheduler
        spec.linux.cgroups_path = path
        for name, value in resources.items():
            setattr(spec.linux.resources, name, value)
        return Container.from_spec(spec, id)

    return make


@pytest.fixture
def talk():
    """A function that starts a container with a pipe to its stdin and one from its stdout."""
    opened = []

    def start(container):
        theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
        ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
        opened.extend([ours_in, ours_out])
        container.start(theirs_in, theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        return ours_in, ours_out

    yield start
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def line():
    """A function that reads what is said on a descriptor."""

    def read(descriptor, seconds=30):
        assert select.select([descriptor], [], [], seconds)[0], "nothing was said in time"
        return os.read(descriptor, 4096).decode().strip()

    return read


@pytest.fixture
def setting():
    """A function to what one of some files of the cgroups has, the first that is there; None without any."""

    def read(cgroups, *files):
        for file in files:
            for folder in cgroups:
                if os.path.exists(f"{folder}/{file}"):
                    with open(f"{folder}/{file}") as text:
                        return text.read().strip()
        return None

    return read


@pytest.fixture
def kept(setting):
    """A function from cgroups of either version to the limits they have, by the specification's names.

    No limit is infinity. `swap` counts memory as well, as v1 does; `weight` is what v2 makes of shares.
    """

    def number(text):
        # v1's no limit reads as the largest number of whole pages.
        return math.inf if text in ("max", "-1") or int(text) > 2**62 else int(text)

    def read(cgroups):
        memory = number(setting(cgroups, "memory.limit_in_bytes", "memory.max"))
        swap = setting(cgroups, "memory.memsw.limit_in_bytes")
        both, shares = setting(cgroups, "cpu.max"), setting(cgroups, "cpu.shares")
        quota, period = both.split() if both else (setting(cgroups, f"cpu.cfs_{one}_us") for one in ("quota", "period"))
        return {
            "memory": memory,
            "swap": number(swap) if swap else memory + number(setting(cgroups, "memory.swap.max")),
            "quota": number(quota),
            "period": number(period),
            "burst": number(setting(cgroups, "cpu.cfs_burst_us", "cpu.max.burst") or "0"),
            "weight": weight(int(shares)) if shares else int(setting(cgroups, "cpu.weight")),
            "cpus": setting(cgroups, "cpuset.cpus"),
            "mems": setting(cgroups, "cpuset.mems"),
            "pids": number(setting(cgroups, "pids.max")),
        }

    return read


@pytest.fixture
def folders():
    """A function from a running container to its cgroups, as its state lists them."""

    def read(container):
        found = state.load(container.id, state.root()).cgroups
        assert found
        return found

    return read


@pytest.fixture
def v2_cgroup():
    """An empty cgroup in the v2 tree, wherever that is mounted."""
    hierarchy = detect().v2()
    if hierarchy is None:
        pytest.skip("no cgroup v2 tree is mounted")
    folder = f"{hierarchy.mount}/labkit-test-{os.getpid()}"
    os.mkdir(folder)
    yield folder
    remove_cgroup(folder)


@pytest.fixture
def inside():
    """A function that runs a command in a cgroup; what still runs at the end is killed."""
    running = []

    def run(folder, *command, **options):
        # The shell joins before it becomes the command, which therefore never runs outside.
        script = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
        process = subprocess.Popen(["/bin/sh", "-c", script, folder, *command], **options)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def oci(rootfs, tmp_path):
    """`labkit-oci` with state of its own: oci(VERB, ARGUMENTS …) runs it to its end, oci.command is for Popen."""

    class Runtime:
        id = f"labkit-test-{os.getpid()}"
        command = (
            *(sys.executable, "-c", "from labkit.oci.launch import main; main()"),
            *("--root", str(tmp_path / "state")),
        )

        def __call__(self, *words, **options):
            options = {"capture_output": True, "text": True, "timeout": 60, "input": ""} | options
            return subprocess.run([*self.command, *words], **options)

        def run_detached(self, *args, cgroups_path="", **resources):
            """A container that runs `args`, with linux.cgroupsPath and linux.resources."""
            spec = default.spec(str(rootfs), args)
            spec.linux.cgroups_path = cgroups_path
            spec.linux.resources = Resources.load(resources, "")
            (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
            streams = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            assert self("run", "--detach", "--bundle", str(tmp_path), self.id, **streams).returncode == 0
            return state.load(self.id, str(tmp_path / "state"))

    runtime = Runtime()
    yield runtime
    assert runtime("delete", "--force", runtime.id).returncode == 0
