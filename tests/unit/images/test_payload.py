import os
import struct
import subprocess

import pytest

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.images.elf import is_static


def test_the_payload_writes_its_byte_and_ends_well(tmp_path):
    payload.make(str(tmp_path))
    done = subprocess.run([tmp_path / "payload"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, payload.OUTPUT)


def test_it_is_a_static_program(tmp_path):
    payload.make(str(tmp_path))
    assert is_static(tmp_path / "payload")


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_it_is_written_for_both_architectures(machine, number):
    program = payload.program(machine)
    assert struct.unpack_from("<H", program, 18) == (number,)
    assert program.endswith(payload.OUTPUT)


def test_another_architecture_is_an_error():
    with pytest.raises(LabkitError, match="riscv64"):
        payload.program("riscv64")


def test_the_folders_that_runtimes_mount_on_are_there(tmp_path):
    payload.make(str(tmp_path))
    assert {"dev", "proc", "sys"} <= set(os.listdir(tmp_path))
