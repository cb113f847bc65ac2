import pytest

from labkit.errors import LabkitError, MissingError
from labkit.vm import failure, probe
from labkit.vm.kernel import Kernel

KERNEL = Kernel("/boot/vmlinuz", "6.1.0", "")


@pytest.fixture
def attempts(tmp_path, monkeypatch):
    """A host with a /dev/kvm; what a guest's run does with it is `outcome[0]`, and each run is noted."""
    noted = []
    outcome = [0]

    def run(kernel, guest, hardware, *_):
        noted.append(hardware.accelerator)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    (tmp_path / "kvm").touch()
    monkeypatch.setattr(probe, "_DEVICE", str(tmp_path / "kvm"))
    monkeypatch.setattr(probe, "rundir", lambda name: str(tmp_path))
    monkeypatch.setattr(probe.machine, "run", run)
    return noted, outcome


def test_a_guest_that_boots_makes_it_kvm_and_is_tried_once(attempts):
    noted, _ = attempts
    assert [probe.accelerator(KERNEL) for _ in range(2)] == ["kvm", "kvm"]
    assert noted == ["kvm"]


def test_a_guest_that_hangs_makes_it_tcg_and_is_tried_once(attempts):
    noted, outcome = attempts
    outcome[0] = failure.timed_out(10)
    assert [probe.accelerator(KERNEL) for _ in range(2)] == ["tcg", "tcg"]
    assert noted == ["kvm"]


@pytest.mark.parametrize("error", [MissingError("no QEMU"), LabkitError("no module")])
def test_a_guest_that_could_not_be_started_says_nothing_about_kvm(attempts, error):
    noted, outcome = attempts
    outcome[0] = error
    with pytest.raises(LabkitError):
        probe.accelerator(KERNEL)
    outcome[0] = 0
    assert probe.accelerator(KERNEL) == "kvm"
    assert noted == ["kvm", "kvm"]


@pytest.mark.parametrize("kept", ["another-boot kvm\n", "", "junk"])
def test_what_was_seen_in_another_boot_does_not_count(attempts, kept, tmp_path):
    noted, outcome = attempts
    outcome[0] = failure.timed_out(10)
    (tmp_path / "accelerator").write_text(kept)
    assert probe.accelerator(KERNEL) == "tcg"
    assert noted == ["kvm"]


def test_without_the_device_nothing_is_tried(attempts, monkeypatch):
    monkeypatch.setattr(probe, "_DEVICE", "/nonexistent")
    assert probe.accelerator(KERNEL) == "tcg"
    assert attempts[0] == []
