import pytest

from labkit import Container

pytestmark = pytest.mark.root


def test_every_step_that_explain_names_is_traced(labkit, rootfs):
    options = ("--rootfs", rootfs, "--memory", "64M", "--", "true")
    explained = labkit("explain", *options).stdout
    traced = labkit("run", "--trace", *options)
    assert traced.returncode == 0
    names = {line.split()[1] for line in traced.stderr.splitlines()[1:-1]}
    numbered = [line.split() for line in explained.splitlines() if line.strip()[:1].isdigit()]
    # The filter is loaded when nobody is left to tell of it: its time is in Execute's.
    assert names == {words[2].rstrip(":") for words in numbered} - {"LoadSeccomp"}


def test_the_steps_follow_each_other_within_the_whole(labkit, rootfs):
    lines = labkit("run", "--trace", "--rootfs", rootfs, "--", "true").stderr.splitlines()
    begins = [int(line.split()[2]) for line in lines[1:-1]]
    assert begins[0] == 0
    assert begins == sorted(begins)
    assert int(lines[-1].split()[-1]) >= begins[-1]


def test_the_clock_is_one_even_in_a_time_namespace(labkit, rootfs):
    shifted = ("--time-offset", "monotonic=1000000", "--time-offset", "boottime=1000000")
    whole = int(labkit("run", "--trace", *shifted, "--rootfs", rootfs, "--", "true").stderr.split()[-1])
    assert whole < 60_000_000


def test_the_programs_output_and_status_are_untouched(labkit, rootfs):
    done = labkit("run", "--trace", "--rootfs", rootfs, "--", "sh", "-c", "echo out; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n")


def test_a_container_from_python_is_traced_when_asked(rootfs):
    asked, unasked = Container(rootfs, ["true"]), Container(rootfs, ["true"])
    assert asked.run(trace=True).exit_status == 0
    assert {step for _, step, _, _ in asked.trace} == set(asked.plan.step_names()) - {"LoadSeccomp"} | {"Clone"}
    assert all(begin <= end for _, _, begin, end in asked.trace)
    unasked.run()
    assert unasked.trace == []


@pytest.mark.parametrize("line", [("explain", "--trace"), ("run", "--trace", "--runtime", "runc")])
def test_a_trace_of_nothing_is_refused(labkit, rootfs, line):
    done = labkit(*line, "--rootfs", rootfs, "--", "true")
    assert done.returncode == 2
    assert "hint: " in done.stderr
