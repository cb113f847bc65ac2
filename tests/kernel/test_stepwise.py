"""A container made one step at a time: what is there between two steps, and that nothing is left of any part of it."""

import os
import signal
import subprocess
import sys

import pytest

from labkit import Container
from labkit.engine import state
from labkit.errors import LabkitError, StepError
from labkit.linux.descriptors import readable
from labkit.linux.pidfd import pidfd_open

pytestmark = pytest.mark.root

USER = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")
DEADLINE = 30_000


def left(id):
    """What there is of a container: its state folder and its cgroups."""
    cgroups = [f"{folder}/{name}" for folder, names, _ in os.walk("/sys/fs/cgroup") for name in names if id in name]
    return cgroups + [name for name in os.listdir(state.root()) if name == id]


@pytest.mark.parametrize("kinds", [None, USER])
def test_every_step_is_stopped_at_in_its_order(rootfs, kinds):
    options = {"namespaces": kinds} if kinds else {}
    container = Container(rootfs, ["sh", "-c", "hostname; cat"], memory="64M", **options)
    with container.stepwise() as making:
        numbers = list(making)
        assert making.finish().stdout == b"labkit\n"
    names = [row[1] for row in making.rows]
    passed = [name for number, name in enumerate(names, 1) if number not in numbers]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(names)
    assert passed == (["Release"] if kinds else [])
    assert left(container.id) == []


def test_what_a_step_changes_is_there_after_it_and_not_before(rootfs):
    def entry(name):
        return os.readlink(f"/proc/{making.pid}/{name}")

    with Container(rootfs, ["cat"]).stepwise() as making:
        making.until("Clone")
        assert entry("ns/uts") != os.readlink("/proc/self/ns/uts")
        assert entry("ns/cgroup") == os.readlink("/proc/self/ns/cgroup")
        making.until("EnterCgroupNamespace")
        assert entry("ns/cgroup") != os.readlink("/proc/self/ns/cgroup")
        making.until("LoadSeccomp")
        with open(f"/proc/{making.pid}/status") as status:
            assert "Seccomp:\t2\n" in status.read()
        assert "python" in entry("exe")
        making.until("Execute")
        assert entry("exe").endswith("busybox")


@pytest.mark.parametrize("name", ["MakeStateFolder", "MakeCgroup", "Clone", "RecordProcess", "PivotRoot", "Execute"])
def test_wherever_it_is_left_nothing_is_left_of_it(rootfs, name):
    container = Container(rootfs, ["cat"], memory="64M")
    with container.stepwise() as making:
        making.until(name)
        assert left(container.id)
        pid = making.pid
    assert left(container.id) == []
    assert pid == 0 or not os.path.exists(f"/proc/{pid}")


def test_other_containers_are_made_while_one_stands_still(rootfs):
    with Container(rootfs, ["cat"]).stepwise() as making:
        making.until("Clone")
        assert Container(rootfs, ["echo", "meanwhile"]).run(timeout=60).text == "meanwhile\n"


def test_a_step_that_fails_is_named_and_the_container_gone(rootfs):
    container = Container(rootfs, ["/no/such/program"])
    with container.stepwise() as making, pytest.raises(StepError) as caught:
        making.finish()
    assert caught.value.step == "Execute"
    assert left(container.id) == []


def test_steps_that_are_left_out_are_not_stopped_at(rootfs):
    with Container(rootfs, ["true"], without=["LoadSeccomp"]).stepwise() as making:
        with pytest.raises(LabkitError, match="no step 'LoadSeccomp'"):
            making.until("LoadSeccomp")
        assert making.finish().exit_status == 0


def test_when_all_is_done_there_is_no_next_step(rootfs):
    with Container(rootfs, ["true"]).stepwise() as making:
        making.finish()
        with pytest.raises(LabkitError, match="the program runs"):
            making.step()


def test_nothing_is_left_when_the_observer_is_killed(rootfs):
    program = (
        "import sys; from labkit import Container\n"
        "making = Container(sys.argv[1], ['cat'], id=sys.argv[2]).stepwise()\n"
        "making.until(sys.argv[3]); print(making.maker, flush=True); sys.stdin.read()"
    )
    for place in ("RecordProcess", "PivotRoot", "Execute"):
        id = f"test-stepwise-{os.getpid()}"
        command = [sys.executable, "-c", program, rootfs, id, place]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as observer:
            maker = pidfd_open(int(observer.stdout.readline()))
            observer.send_signal(signal.SIGKILL)
            assert readable(maker, DEADLINE)
            os.close(maker)
        assert left(id) == [], place
