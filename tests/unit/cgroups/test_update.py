"""Updates on trees of plain files, which take any value, and on a stand-in for a kernel that does not."""

import errno

import pytest

from labkit.cgroups import update as module
from labkit.cgroups.limit import Limit
from labkit.cgroups.update import update
from labkit.errors import LabkitError, SpecError
from labkit.spec.model import BlockIo, Cpu, DeviceRule, Memory, Pids, Resources


def tree(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


@pytest.fixture
def memory(tmp_path):
    return tree(
        tmp_path / "memory",
        memory__limit_in_bytes="100\n",
        memory__memsw__limit_in_bytes="200\n",
        memory__usage_in_bytes="50\n",
    )


def text(folder, file):
    with open(f"{folder}/{file}") as found:
        return found.read()


def test_each_limit_goes_to_the_folder_of_its_controller(memory, tmp_path):
    pids = tree(tmp_path / "pids", pids__max="max\n")
    assert update([memory, pids], Resources(memory=Memory(limit=70, swap=80), pids=Pids(limit=9))) == []
    assert text(memory, "memory.limit_in_bytes")[:2] == "70"
    assert text(memory, "memory.memsw.limit_in_bytes")[:2] == "80"
    assert text(pids, "pids.max")[:1] == "9"


def test_on_v2_the_controllers_are_those_listed(tmp_path):
    folder = tree(tmp_path / "two", cgroup__controllers="cpu\n", cpu__max="max 100000\n", cpu__weight="100\n")
    update([folder], Resources(cpu=Cpu(quota=5000, shares=2)))
    assert text(folder, "cpu.max").startswith("5000 100000")
    with pytest.raises(LabkitError, match=r"pids\.max .*'pids'"):
        update([folder], Resources(pids=Pids(limit=9)))
    with pytest.raises(SpecError, match="memory"):
        update([folder], Resources(unified={"memory.high": "1"}))


def test_a_controller_that_was_not_handed_down_is_named_with_the_file_that_would(tmp_path):
    tree(tmp_path / "slice", cgroup__controllers="cpu pids\n")
    folder = tree(tmp_path / "slice/box", cgroup__controllers="cpu\n")
    with pytest.raises(LabkitError, match=r"pids\.max cannot be set to 9: .*/slice/cgroup\.subtree_control does not"):
        update([folder], Resources(pids=Pids(limit=9)))


def test_device_rules_stay_as_they_are(tmp_path):
    devices = tree(tmp_path / "devices", devices__allow="", devices__deny="", devices__list="")
    update([devices], Resources(devices=(DeviceRule(allow=False),)))
    assert text(devices, "devices.deny") == ""


def test_swap_that_is_not_counted_is_a_note(tmp_path):
    folder = tree(tmp_path / "memory", memory__limit_in_bytes="100\n")
    assert "swap is not counted" in update([folder], Resources(memory=Memory(limit=50, swap=60)))[0]


def test_a_weight_goes_to_the_file_that_is_there(tmp_path):
    folder = tree(tmp_path / "blkio", blkio__bfq__weight="100\n")
    update([folder], Resources(block_io=BlockIo(weight=300)))
    assert text(folder, "blkio.bfq.weight")[:3] == "300"


def test_a_limit_below_what_is_in_use_is_refused_when_that_was_asked(memory):
    with pytest.raises(LabkitError, match=r"memory\.limit cannot be set to 40: .*usage_in_bytes is 50"):
        update([memory], Resources(memory=Memory(limit=40, check_before_update=True)))
    update([memory], Resources(memory=Memory(limit=40)))


@pytest.fixture
def kernel(monkeypatch):
    """Files in which `low` may not exceed `high`, and `never` takes nothing."""
    files = {"low": 10, "high": 20, "never": 0}
    log = []

    def write(path, value):
        log.append((path, value))
        wanted = {**files, path: int(value)}
        if path == "never":
            raise OSError(errno.EBUSY, "busy", path)
        if wanted["low"] > wanted["high"]:
            raise OSError(errno.EINVAL, "invalid", path)
        files.update(wanted)

    monkeypatch.setattr(module, "write_file", write)
    monkeypatch.setattr(module, "read_file", lambda path: f"{files[path]}\n")
    return files, log


def limits(**values):
    return [(name, Limit("x", name, str(value), "")) for name, value in values.items()]


@pytest.mark.parametrize(("low", "high"), [(30, 40), (3, 5), (15, 15)])
@pytest.mark.parametrize("order", [("low", "high"), ("high", "low")])
def test_limits_that_bound_each_other_are_written_in_an_order_that_the_kernel_takes(kernel, low, high, order):
    files, _ = kernel
    wanted = {"low": low, "high": high}
    module._write_all(limits(**{name: wanted[name] for name in order}))
    assert (files["low"], files["high"]) == (low, high)


def test_what_no_order_helps_is_an_error(kernel):
    with pytest.raises(LabkitError, match="low cannot be set to 50: the kernel does not take this value"):
        module._write_all(limits(low=50))
    assert kernel[0]["low"] == 10


def test_what_was_written_before_an_error_is_put_back(kernel):
    with pytest.raises(LabkitError, match="never cannot be set to 1: more than that is in use"):
        module._write_all(limits(high=50, low=40, never=1))
    assert kernel[0] == {"low": 10, "high": 20, "never": 0}


@pytest.mark.parametrize(
    ("limit", "found", "back"),
    [
        (Limit("pids", "pids.max", "5", ""), "max\n", "max"),
        (Limit("memory", "memory.oom_control", "1", ""), "oom_kill_disable 0\nunder_oom 0\n", "0"),
        (Limit("blkio", "x", "8:0 5", "", "8:0 0"), "8:16 7\n8:0 9\n", "8:0 9"),
        (Limit("blkio", "x", "8:0 5", "", "8:0 0"), "8:16 7\n", "8:0 0"),
        (Limit("io", "io.weight", "5", ""), "default 100\n8:0 50\n", "default 100"),
        (Limit("memory", "memory.stat", "5", ""), "a 1\nb 2\n", ""),
    ],
)
def test_what_is_put_back_is_what_the_file_said(monkeypatch, limit, found, back):
    monkeypatch.setattr(module, "read_file", lambda path: found)
    assert module._now("path", limit) == back


def test_swap_alone_is_measured_against_the_limit_there_is(memory, tmp_path):
    with pytest.raises(SpecError, match="at least the memory limit"):
        update([memory], Resources(memory=Memory(swap=90)))
    update([memory], Resources(memory=Memory(swap=150)))
    assert text(memory, "memory.memsw.limit_in_bytes")[:3] == "150"
    files = {"memory__max": "100\n", "memory__swap__max": "max\n"}
    second = tree(tmp_path / "second", cgroup__controllers="memory\n", **files)
    update([second], Resources(memory=Memory(swap=150)))
    assert text(second, "memory.swap.max")[:2] == "50"


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_swap_alone_needs_a_limit(tmp_path, limit):
    file = "memory__max" if limit == "max" else "memory__limit_in_bytes"
    folder = tree(tmp_path / "folder", cgroup__controllers="memory\n", **{file: limit})
    with pytest.raises(SpecError, match="needs a memory limit"):
        update([folder], Resources(memory=Memory(swap=150)))


@pytest.mark.parametrize(
    ("before", "cpu", "after"),
    [
        ("5000 20000", Cpu(period=40_000), "5000 40000"),
        ("5000 20000", Cpu(quota=9_000), "9000 20000"),
        ("max 20000", Cpu(period=40_000), "max 40000"),
        ("900 20000", Cpu(quota=-1), "max 20000"),
        ("5000 20000", Cpu(shares=2), "5000 20000"),
    ],
)
def test_of_quota_and_period_on_v2_the_one_not_given_stays(tmp_path, before, cpu, after):
    folder = tree(tmp_path / "two", cgroup__controllers="cpu\n", cpu__max=f"{before}\n", cpu__weight="100\n")
    update([folder], Resources(cpu=cpu))
    assert text(folder, "cpu.max").strip() == after
    assert cpu.quota is None or cpu.period is None
