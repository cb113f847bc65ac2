import subprocess

import pytest

from labkit.errors import LabkitError, MissingError
from labkit.workloads import calls
from labkit.workloads.all import WORKLOADS, chosen, image
from labkit.workloads.workload import SCRATCH, seconds, timed

GROUPS = ("harness", "syscalls", "cpu", "memory", "files", "network", "applications")
SERVERS = [workload for workload in WORKLOADS if workload.port]


def test_names_are_unique_and_every_group_is_measured_in_the_quick_profile_too():
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert {workload.group for workload in WORKLOADS if workload.core} == set(GROUPS) - {"harness"}
    assert 10 <= sum(workload.core for workload in WORKLOADS) <= 12


def test_groups_come_one_after_the_other():
    order = [workload.group for workload in WORKLOADS]
    assert order == sorted(order, key=GROUPS.index)


def test_the_image_has_each_package_once_in_one_order():
    parts = image().split("+")
    assert parts[0] == "debian"
    assert parts[1:] == sorted({package for workload in WORKLOADS for package in workload.packages})


def test_a_name_that_is_none_is_answered_with_those_that_are():
    with pytest.raises(LabkitError, match="'nginks'") as caught:
        chosen(("redis", "nginks"))
    assert "nginx" in caught.value.hint
    assert [workload.name for workload in chosen(("redis", "nginx"))] == ["redis", "nginx"]
    assert chosen(()) == WORKLOADS


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_arguments_are_words_at_every_scale(workload):
    for scale in (0.001, 0.5, 3.0):
        args = [workload.args(scale)]
        if workload.load:
            args.append(workload.load("198.18.77.2", scale))
        if workload.fill:
            args.append(workload.fill("198.18.77.2", scale))
        assert all(isinstance(word, str) for words in args for word in words)
    assert workload.operations is None or workload.operations(0.001) >= 1


def test_servers_have_a_load_and_ports_that_are_apart_by_program():
    assert all(workload.load for workload in SERVERS)
    ports = {(workload.port, workload.packages) for workload in SERVERS}
    assert len({port for port, _ in ports}) == len(ports)


@pytest.mark.parametrize(
    "workload", [one for one in WORKLOADS if one.files and one.group == "applications"], ids=lambda one: one.name
)
def test_files_are_the_same_for_every_runtime_and_grow_with_the_scale(workload, tmp_path):
    def made(name, scale):
        (tmp_path / name).mkdir()
        workload.files(str(tmp_path / name), scale)
        return {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}

    first = made("first", 0.1)
    assert first
    assert made("second", 0.1) == first
    assert sum(map(len, made("third", 1.0).values())) >= sum(map(len, first.values()))


def test_the_program_of_the_calls_writes_a_row_for_each_operation(tmp_path):
    try:
        calls.files(str(tmp_path), 1.0)
    except MissingError as error:
        pytest.skip(error.message)
    program = tmp_path / "calls"
    done = subprocess.run(
        [program, tmp_path, tmp_path, "0", "simple", "files", "processes"], capture_output=True, text=True, check=True
    )
    found = calls.parse(done.stdout)
    assert len(found) == 16
    assert all(0 < one.value < 10 and one.unit == "s" for one in found)
    for workload in calls.WORKLOADS:
        assert workload.main in {one.metric for one in found}
        assert workload.args(1.0)[0] == f"{SCRATCH}/calls"


def test_the_program_of_the_calls_says_which_call_failed(tmp_path):
    try:
        program = calls.program()
    except MissingError as error:
        pytest.skip(error.message)
    done = subprocess.run([program, tmp_path / "none", tmp_path, "0", "files"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{tmp_path}/none/calls.file: No such file or directory" in done.stderr


def test_a_command_is_timed_and_keeps_its_status_and_its_words():
    done = subprocess.run(timed("echo said >&2; true && exit 3"), capture_output=True, text=True)
    assert done.returncode == 3
    done = subprocess.run(timed("echo said >&2; true"), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "said\n")
    assert 0 <= seconds(done.stdout) < 10
