import pytest

from labkit.errors import SpecError
from labkit.linux import lsm
from labkit.plan import build, filesystems
from labkit.plan.facts import Facts
from labkit.plan.labels import LabelOnExec, label_steps, labelled
from labkit.spec import default


def spec(**labels):
    made = default.spec("/image", ("sh",))
    for name, value in labels.items():
        setattr(made.linux if name == "mount_label" else made.process, name, value)
    return made


@pytest.mark.parametrize(
    ("pointer", "name", "module"),
    [
        ("/process/apparmorProfile", "apparmor_profile", "AppArmor"),
        ("/process/selinuxLabel", "selinux_label", "SELinux"),
    ],
)
def test_a_label_without_its_module_is_an_error_with_its_place(pointer, name, module):
    others = {"AppArmor", "SELinux"} - {module}
    with pytest.raises(SpecError, match=f"{module} is not enabled") as caught:
        label_steps(spec(**{name: "x"}), Facts(security_modules=tuple(others)))
    assert caught.value.pointer == pointer
    assert labelled(spec(**{name: "x"}))


def test_an_empty_label_is_none():
    made = spec(apparmor_profile="", selinux_label="", mount_label="")
    assert label_steps(made, Facts()) == []
    assert not labelled(made)


def test_labels_are_written_before_the_root_changes():
    made = spec(apparmor_profile="docker-default", selinux_label="a:b:c:s0")
    steps = build.child_steps(made, Facts(security_modules=("AppArmor", "SELinux")), "/scratch", None, [])
    names = [type(step).__name__ for step in steps]
    assert steps[names.index("LabelOnExec")] == LabelOnExec("docker-default", "AppArmor")
    assert names.count("LabelOnExec") == 2
    assert names.index("LabelOnExec") < names.index("PivotRoot")


def test_filesystems_get_the_mount_label_and_those_of_the_kernel_do_not():
    made = spec(mount_label="a:b:c:s0,c1")
    labels = {}
    for index, mount in enumerate(made.mounts):
        for step in filesystems.mount_steps(mount, index, made, Facts(security_modules=("SELinux",)), []):
            labels[step.destination] = "context=a:b:c:s0,c1" in step.options
    assert {"/dev", "/dev/shm", "/dev/pts"} == {place for place, has in labels.items() if has}


def test_a_mount_label_without_selinux_is_left_out_with_a_warning():
    notes = []
    steps = build.child_steps(spec(mount_label="a:b:c:s0"), Facts(), "/scratch", None, notes)
    assert not any("context=" in option for step in steps for option in getattr(step, "options", ()))
    assert any(note.startswith("warning: ") and "/linux/mountLabel" in note for note in notes)


@pytest.mark.parametrize(("own", "files"), [(True, ["apparmor/exec"]), (False, ["apparmor/exec", "exec"])])
def test_an_older_kernel_has_apparmors_label_elsewhere(monkeypatch, own, files):
    written = []

    def write(path, text):
        written.append((path.removeprefix("/proc/self/attr/"), text))
        if "apparmor" in path and not own:
            raise FileNotFoundError(2, "no", path)

    monkeypatch.setattr(lsm, "write_file", write)
    lsm.label_on_exec("AppArmor", "docker-default")
    assert written == [(name, "exec docker-default") for name in files]


def test_selinux_takes_the_context_alone(monkeypatch):
    written = []
    monkeypatch.setattr(lsm, "write_file", lambda *arguments: written.append(arguments))
    lsm.label_on_exec("SELinux", "a:b:c:s0")
    assert written == [("/proc/self/attr/exec", "a:b:c:s0")]
