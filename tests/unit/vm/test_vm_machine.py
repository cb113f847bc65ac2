import pytest

from labkit.vm import failure
from labkit.vm.machine import parse_status


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", None),
        (b"up\n", None),
        (b"up\nstatus 1", None),  # 1, or the beginning of 127
        (b"up\nstatus 127\n", 127),
        (b"up\nstatus 0\n", 0),
        (b"up\nstatus \n", None),
        (b"up\nstatus x\n", None),
    ],
)
def test_a_status_counts_once_its_line_is_whole(said, status):
    assert parse_status(said) == status


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "labkit/vm"


def test_a_panic_is_the_message_and_the_console_is_kept(cache):
    console = b"[    1.1] Kernel panic - not syncing: No working init found.\r\n[    1.2] Kernel Offset: 0x1a\r\n"
    error = failure.not_booted(console, "QEMU ended with status 0")
    assert error.message == "the VM did not boot: Kernel panic - not syncing: No working init found."
    assert str(cache / "console.log") in error.hint
    assert (cache / "console.log").read_bytes() == console


def test_a_silent_guest_has_qemus_reason(cache):
    error = failure.not_booted(b"", "qemu: no such machine")
    assert error.message == "the VM did not boot: qemu: no such machine"
    assert not cache.exists()
