import ast
import ctypes
import errno
import os
from pathlib import Path
from struct import calcsize, pack

import pytest

import labkit
from labkit.linux import libc
from labkit.linux.mount import MOUNT_ATTR
from labkit.linux.namespaces import CLONE_ARGS
from labkit.linux.paths import OPEN_HOW
from labkit.linux.process import _INTERFACE_REQUEST, _RLIMIT
from labkit.linux.scheduling import SCHED_ATTR
from labkit.linux.seccomp import SOCK_FPROG
from labkit.linux.timer import ITIMERSPEC

# include/seccomp.h: the tokens are the kernel's AUDIT_ARCH_* values.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def used_names():
    """Every system call that the package makes by name."""
    for path in Path(labkit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "syscall"
            # One caller takes the name from a table, to try which calls there are (runtimes.facilities).
            if called and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


@pytest.mark.parametrize("machine", libc.SYSCALL_NUMBERS)
def test_every_call_that_is_made_has_a_number(machine):
    used = set(used_names())
    assert {"clone3", "mount_setattr", "capset"} <= used
    assert used <= set(libc.SYSCALL_NUMBERS[machine])


@pytest.mark.parametrize("machine", libc.SYSCALL_NUMBERS)
def test_numbers_are_those_of_libseccomp(machine):
    library = ctypes.CDLL("libseccomp.so.2")
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    table = libc.SYSCALL_NUMBERS[machine]
    known = {name: resolve(ARCHITECTURES[machine], name.encode()) for name in table}
    assert known == table


def test_both_tables_have_the_same_calls():
    assert set(libc.SYSCALL_NUMBERS["x86_64"]) == set(libc.SYSCALL_NUMBERS["aarch64"])


@pytest.mark.parametrize(
    ("structure", "size"),
    [
        (CLONE_ARGS, 88),
        (MOUNT_ATTR, 32),
        (OPEN_HOW, 24),
        (SOCK_FPROG, 16),
        (_RLIMIT, 16),
        (_INTERFACE_REQUEST, 40),
        (SCHED_ATTR, 48),
        (ITIMERSPEC, 32),
    ],
)
def test_structures_have_the_kernels_size(structure, size):
    assert calcsize(structure) == size


def test_an_error_carries_the_path():
    with pytest.raises(FileNotFoundError) as caught:
        libc.syscall("openat2", -100, b"/no/such", bytes(24), 24, path="/no/such")
    assert caught.value.filename == "/no/such"


def test_a_call_that_is_attempted_gives_its_result_or_the_negative_errno():
    assert libc.attempt("setns", -1, 0) == -errno.EBADF
    assert libc.attempt("no_such_call") == -errno.ENOSYS
    descriptor = libc.attempt("openat2", -100, b"/", pack(OPEN_HOW, os.O_PATH, 0, 0), calcsize(OPEN_HOW))
    assert os.readlink(f"/proc/self/fd/{descriptor}") == "/"
    os.close(descriptor)


def test_an_error_without_path_names_the_call():
    with pytest.raises(OSError) as caught:  # noqa: PT011  whatever errno: the name is what counts
        libc.syscall("setns", -1, 0)
    assert caught.value.filename == "setns"


def test_a_call_without_number_is_reported_as_not_implemented(monkeypatch):
    monkeypatch.setattr(libc, "NUMBERS", {})
    with pytest.raises(OSError) as caught:  # noqa: PT011  checked in the next line
        libc.syscall("clone3")
    assert caught.value.errno == 38
