import pytest

from labkit.errors import MissingError
from labkit.workloads.probe import program

DEFINED = """\
#define __NR_write 1
#define __NR_read 0
#define __NR_io_uring_setup 425
#define __NR_syscalls 451
#define __NR_arch_specific_syscall 244
#define __NR_Linux (__NR_base + 1)
#define __X32_SYSCALL_BIT 0x40000000
"""


def test_calls_are_those_of_the_headers_by_number():
    lines = program.calls(DEFINED).splitlines()
    assert lines[:3] == ['{"read", 0},', '{"write", 1},', '{"io_uring_setup", 425},']


def test_calls_newer_than_the_headers_are_added_once():
    made = program.calls(DEFINED + "#define __NR_cachestat 451\n")
    assert made.count('"cachestat"') == 1
    assert '{"cachestat", 451},' in made
    assert '{"file_setattr", 469},' in made


def test_a_host_without_a_compiler_is_told_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError) as caught:
        program.program()
    assert "gcc" in caught.value.hint
    assert list((tmp_path / "labkit/probe").iterdir()) == []
