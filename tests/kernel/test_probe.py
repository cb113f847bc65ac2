"""The probe in every runtime of this host: one table, harmless, and none in which labkit is the weaker."""

import json
import os
import subprocess
import time

import pytest

from labkit import Container
from labkit.images.elf import is_static
from labkit.linux.libseccomp import NEWER
from labkit.runtimes import COMPARED, NAMES, driver
from labkit.spec.load import load_bundle
from labkit.workloads.probe import look, table
from labkit.workloads.probe.program import program
from labkit.workloads.probe.strength import weaker

pytestmark = pytest.mark.root

BASELINES = ("runc", "crun")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The one bundle that every runtime is given."""
    folder = tmp_path_factory.mktemp("probe")
    os.chmod(folder.parent, 0o755)
    return look.prepare(str(folder))


@pytest.fixture(scope="module")
def seen(place, probed):
    """A function from a runtime's name to its table, which is asked for once; skips one that is not available."""
    tables = {}

    def see(name):
        if name not in tables:
            found = probed(name)
            if not found.available:
                pytest.skip(f"{name} is not available on this host: {found.reason}")
            tables[name] = look.look(driver(name), place)
        return tables[name]

    return see


@pytest.fixture(scope="module")
def asked(place):
    """The system calls that the bundle's filter allows."""
    rules = load_bundle(place).linux.seccomp.rules
    return {name for rule in rules if rule.action == "SCMP_ACT_ALLOW" for name in rule.names}


def answers(frame):
    return dict(zip(frame["question"], frame["answer"], strict=True))


@pytest.mark.parametrize("mine", ["labkit", "labkit-oci"])
@pytest.mark.parametrize("other", BASELINES)
def test_labkit_is_no_weaker_in_any_row(seen, asked, mine, other):
    found = weaker(seen(mine), seen(other))
    # The filters of others lack what their libseccomp does not know; labkit allows what the bundle says.
    newer = (found["area"] == table.CALLS) & found["question"].isin(asked & NEWER.keys())
    assert found[~newer].empty, found.to_string()


@pytest.mark.parametrize("name", [*NAMES, *COMPARED])
def test_every_runtime_gives_the_same_rows(seen, name):
    ours, theirs = seen("host"), seen(name)
    assert list(theirs["question"]) == list(ours["question"])
    assert list(theirs["area"]) == list(ours["area"])


@pytest.mark.parametrize("name", ["microvm", "runsc"])
def test_under_a_kernel_of_its_own_no_namespace_is_the_hosts(seen, name):
    frame = seen(name)
    assert "the host's" not in set(frame[frame["kind"] == "namespace"]["answer"])


def test_rows_are_named_once(seen):
    assert not seen("labkit").duplicated(["area", "question"]).any()


def test_a_container_is_shown_for_what_it_is(seen):
    found = answers(seen("labkit"))
    for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        assert found[f"{kind} namespace"] == "its own"
    assert found["user namespace"] == "the host's"
    assert found["process id"] == "1"
    assert found["processes of others in /proc"] == "0"
    assert found["interfaces"] == "lo"
    assert found["seccomp mode"] == "2"
    assert found["no_new_privs"] == "1"
    assert "CAP_MKNOD" in found["effective capabilities"].split()
    assert "CAP_SYS_ADMIN" not in found["bounding capabilities"].split()
    assert found["write to /proc/sys/kernel/core_pattern"] == "EROFS"
    assert found["read /proc/timer_list"] == "empty"
    assert found["make a device node"] == "yes"
    assert found["make a node of the host's memory, and open it"] in ("EACCES", "EPERM")
    assert found["mount a filesystem"] == "EPERM"
    assert found["trace a child (ptrace)"] == "yes"
    assert found["cgroups of others that it sees"] == "0"


def test_the_host_is_open_where_a_container_is_closed(seen):
    host, inside = (seen(name).set_index(["area", "question"])["verdict"] for name in ("host", "labkit"))
    for row in (
        ("identity", "processes of others in /proc"),
        ("identity", "mnt namespace"),
        ("privileges", "seccomp mode"),
        ("actions", "mount a filesystem"),
        ("kernel's files", "files below /proc/sys that open for writing"),
        (table.CALLS, "mount"),
    ):
        assert (host[row], inside[row]) == ("open", "closed"), row


def test_a_system_call_is_told_by_name(seen):
    found = answers(seen("labkit")[lambda frame: frame["area"] == table.CALLS])
    assert found["read"] == found["ptrace"] == found["openat2"] == "yes"
    assert found["bpf"] == found["kexec_load"] == "EPERM"
    assert found["clone3"] == "ENOSYS"
    assert found["exit"].startswith("not tried")


def test_a_filter_that_kills_is_survived(place):
    """The call ends a child of the probe, and not the probe."""
    made = Container.from_bundle(place)
    made.spec.linux.seccomp.default_action = "SCMP_ACT_KILL_PROCESS"
    made.spec.linux.seccomp.default_errno = None
    frame = table.read(Container.from_spec(made.spec).run(timeout=60).text)
    found = answers(frame[frame["area"] == table.CALLS])
    assert found["bpf"] == "SIGSYS"
    assert found["read"] == "yes"


def test_an_ordinary_image_runs_it_as_well(rootfs):
    container = Container(rootfs, ["/mnt"], volumes=[f"{program()}:/mnt:ro"])
    assert len(table.read(container.run(timeout=60).text)) > 400


def test_the_program_needs_no_library():
    assert is_static(program())


def test_on_the_bare_host_it_changes_nothing(seen, host_mounts):
    def state():
        with open("/proc/sys/kernel/core_pattern") as file:
            return host_mounts(), os.uname().nodename, file.read()

    def files():
        places = ("/", "/dev", "/dev/shm", "/tmp", "/run")
        return {f"{place}/{name}" for place in places for name in os.listdir(place) if name.startswith(".labkit-probe")}

    before = state()
    subprocess.run([program()], check=True, capture_output=True, timeout=60)
    assert state() == before
    # Another one that runs now has files of its own, which are gone in a moment.
    left, deadline = files(), time.monotonic() + 30
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left &= files()
    assert left == set()


def test_the_command_prints_the_table(labkit):
    done = labkit("probe", "--runtime", "labkit", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {tuple(row) for row in rows} == {("runtime", "area", "question", "answer", "unit", "kind", "verdict")}
    assert {row["runtime"] for row in rows} == {"labkit"}


def test_the_command_compares_runtimes_and_prints_the_programs_path(labkit):
    done = labkit("probe", "--runtime", "host", "--runtime", "labkit")
    assert done.returncode == 0, done.stderr
    assert "actions: mount a filesystem\n  host: yes\n  labkit: EPERM" in done.stdout
    assert labkit("probe", "--program").stdout.strip() == str(program())
