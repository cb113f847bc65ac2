import errno
import os
import struct
import subprocess

import pytest

from labkit.errors import LabkitError
from labkit.images.one_call import program
from labkit.linux.libseccomp import syscall_number

MACHINE = os.uname().machine


def run(tmp_path, name, *arguments):
    path = tmp_path / "call"
    path.write_bytes(program(MACHINE, syscall_number(name), arguments))
    path.chmod(0o755)
    return subprocess.run([path], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


def test_the_exit_status_is_the_errno(tmp_path):
    assert run(tmp_path, "getpid").returncode == 0
    assert run(tmp_path, "close", 99).returncode == errno.EBADF
    assert run(tmp_path, "chdir", b"/no/such").returncode == errno.ENOENT


def test_numbers_and_addresses_are_passed(tmp_path):
    assert run(tmp_path, "write", 1, b"hello", 5).stdout == b"hello"
    assert run(tmp_path, "getpriority", -1, 0).returncode == errno.EINVAL


def test_what_is_passed_by_address_can_be_written_to(tmp_path):
    assert run(tmp_path, "uname", bytes(400)).returncode == 0


def test_arguments_lie_behind_each_other_with_room(tmp_path):
    (tmp_path / "one").touch()
    names = [os.fsencode(tmp_path / name) for name in ("one", "two")]
    assert run(tmp_path, "renameat", -100, names[0], -100, names[1]).returncode == 0
    assert (tmp_path / "two").exists()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_file_is_as_long_as_its_segment_says(machine):
    file = program(machine, 1, (1, b"hello", 5))
    assert struct.unpack_from("<QQ", file, 64 + 32) == (len(file), len(file))


def test_another_machine_is_said():
    with pytest.raises(LabkitError, match="riscv64"):
        program("riscv64", 1, ())
