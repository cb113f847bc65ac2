import os

import pytest

from labkit.errors import StepError
from labkit.plan.scope import EndPlaceholder, StartScope, busctl_arguments
from labkit.plan.step import Scene


def test_busctl_is_given_the_types_of_start_transient_unit():
    words = busctl_arguments("labkit-box.scope", "lab.slice", "labkit container box", 77)
    assert words[:7] == (
        "busctl",
        "--quiet",
        "call",
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "StartTransientUnit",
    )
    # Name, mode, then the number of properties, each with its name, type and value, and the number of other units.
    assert words[7:11] == ("ssa(sv)a(sa(sv))", "labkit-box.scope", "fail", "5")
    assert words[11:] == (
        *("Description", "s", "labkit container box"),
        *("Slice", "s", "lab.slice"),
        *("Delegate", "b", "true"),
        *("DefaultDependencies", "b", "false"),
        *("PIDs", "au", "1", "77"),
        "0",
    )


class Kernel:
    """A systemd that answers `status`, and makes the scope when that is 0."""

    def __init__(self, folder, status):
        self.folder = folder
        self.status = status
        self.pid = 0

    def run_program(self, path, arguments, env, input, timeout):
        self.pid = int(arguments[-2])
        if self.status == 0:
            self.folder.mkdir()
            (self.folder / "cgroup.procs").write_text(f"{self.pid}\n")
        return self.status, "Call failed: Unit exists."

    def write_file(self, path, text):
        (self.folder / path.rpartition("/")[2]).write_text(text)


@pytest.fixture
def step(tmp_path):
    return StartScope("/usr/bin/busctl", "a container", str(tmp_path / "scope"), "lab.slice", "box.scope")


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_a_placeholder_keeps_the_scope_until_the_container_does(step, tmp_path):
    scene = Scene(Kernel(tmp_path / "scope", 0))
    assert list(step.apply(scene)) == []
    assert alive(scene.kernel.pid)
    assert (tmp_path / "scope/labkit-start").is_dir()
    EndPlaceholder(step.path).apply(scene)
    assert not alive(scene.kernel.pid)
    assert not (tmp_path / "scope/labkit-start").exists()


def test_what_systemd_refuses_is_its_own_words_and_leaves_no_process(step, tmp_path):
    scene = Scene(Kernel(tmp_path / "scope", 1))
    with pytest.raises(StepError, match=r"systemd does not start box\.scope: Call failed: Unit exists"):
        list(step.apply(scene))
    assert not alive(scene.kernel.pid)


def test_who_gives_up_while_systemd_makes_the_scope_leaves_no_process(step, tmp_path):
    kernel = Kernel(tmp_path / "elsewhere", 0)
    waiting = step.apply(Scene(kernel))
    next(waiting)
    assert alive(kernel.pid)
    waiting.close()
    assert not alive(kernel.pid)
