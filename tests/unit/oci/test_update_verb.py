import io
import sys

import pytest

from labkit.engine import state
from labkit.errors import LabkitError, UsageError
from labkit.oci import log
from labkit.oci import update as module
from labkit.spec.model import Cpu, Memory, Pids, Resources


class Lock:
    """A container in the state `status`, and the Resources that it was given."""

    def __init__(self):
        self.status = "running"
        self.given = []

    def __call__(self, id, folder):
        self.id = id
        return self

    def __enter__(self):
        lock = self

        class Found:
            cgroups = ["folder"]

            def status(self):
                return lock.status

        return Found()

    def __exit__(self, *_):
        pass


@pytest.fixture
def lock(monkeypatch):
    lock = Lock()
    monkeypatch.setattr(state, "Lock", lock)
    monkeypatch.setattr(module, "update", lambda folders, resources: lock.given.append(resources) or [])
    return lock


def run(*words):
    return module.main(list(words), {"root": "/nowhere"})


def test_options_may_stand_on_either_side_of_the_id(lock):
    assert run("--memory", "64M", "one", "--pids-limit", "-1") == 0
    assert lock.id == "one"
    assert lock.given == [Resources(memory=Memory(limit=64 * 2**20), pids=Pids(limit=-1))]


def test_every_option_has_its_property(lock):
    words = "--cpu-period 50000 --cpu-quota -1 --cpu-burst 0 --cpu-idle 0 --cpu-share 200 --cpu-rt-period 1000"
    more = "--cpu-rt-runtime 900 --cpuset-cpus 0-1 --cpuset-mems 0 --blkio-weight 300"
    amounts = "--memory 1g --memory-swap -1 --memory-reservation 1024"
    run(*words.split(), *more.split(), *amounts.split(), "one")
    (given,) = lock.given
    assert given.cpu == Cpu(
        period=50_000,
        quota=-1,
        burst=0,
        idle=0,
        shares=200,
        realtime_period=1000,
        realtime_runtime=900,
        cpus="0-1",
        mems="0",
    )
    assert given.block_io.weight == 300
    assert given.memory == Memory(limit=2**30, swap=-1, reservation=1024)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--memory abc", "invalid value for memory: 'abc' is not an amount of memory"),
        ("--memory -2", "invalid value for memory: '-2' is not an amount of memory"),
        ("--cpu-period x", "invalid value for cpu-period: 'x' is not a whole number"),
        ("--cpu-period -5", "invalid value for cpu-period: must be between 0 and"),
        ("--cpu-idle 2", "invalid value for cpu-idle: must be between 0 and 1"),
        ("--cpuset-cpus a-b", "invalid value for cpuset-cpus: must be a list such as 0-3,7"),
        ("--blkio-weight 1001", "invalid value for blkio-weight: must be between 0 and 1000"),
        ("--l3-cache-schema L3:0=f", "Intel RDT/CAT: l3 cache schema is not enabled"),
        ("--mem-bw-schema MB:0=20", "Intel RDT/MBA: memory bandwidth schema is not enabled"),
    ],
)
def test_a_bad_value_is_told_by_its_option(lock, words, message):
    with pytest.raises(LabkitError) as caught:
        run(*words.split(), "one")
    assert caught.value.message.startswith(message)
    assert lock.given == []


def test_a_document_is_read_from_a_file_and_options_are_ignored(lock, tmp_path):
    (tmp_path / "new.json").write_text('{"memory": {"limit": 1000}, "cpu": {"shares": 0}}')
    run("--resources", str(tmp_path / "new.json"), "--pids-limit", "5", "one")
    assert lock.given == [Resources(memory=Memory(limit=1000), cpu=Cpu(shares=0))]


def stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_document_is_read_from_standard_input(lock, monkeypatch):
    stdin(monkeypatch, b'{"pids": {"limit": 9}}')
    run("-r", "-", "one")
    assert lock.given == [Resources(pids=Pids(limit=9))]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "standard input: Expecting value"),
        (b"\xff", "standard input: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "standard input: maximum recursion depth"),
        (b"[]", "standard input#: must be an object"),
        (b'{"memory": {"limit": "64M"}}', "standard input#/memory/limit: must be a whole number"),
    ],
)
def test_a_bad_document_is_one_line_with_the_place(lock, monkeypatch, data, message):
    stdin(monkeypatch, data)
    with pytest.raises(LabkitError) as caught:
        run("-r", "-", "one")
    assert caught.value.message.startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", ["creating", "stopped"])
def test_what_does_not_run_is_refused_in_the_words_of_runc(lock, status):
    lock.status = status
    with pytest.raises(LabkitError, match=r"^container not running"):
        run("--memory", "64M", "one")


@pytest.mark.parametrize("status", ["created", "running", "paused"])
def test_what_lives_is_changed(lock, status):
    lock.status = status
    assert run("--memory", "64M", "one") == 0


def test_kernel_memory_and_notes_are_warnings(lock, monkeypatch):
    said = []
    monkeypatch.setattr(log, "warning", said.append)
    monkeypatch.setattr(module, "update", lambda folders, resources: [repr(resources.memory.kernel), "a note"])
    run("--kernel-memory", "64M", "one")
    assert said == ["Kernel memory settings are ignored and will be removed", "None", "a note"]


def test_one_container_at_a_time():
    with pytest.raises(UsageError, match="exactly 1 argument"):
        run("--memory", "64M", "one", "two")
