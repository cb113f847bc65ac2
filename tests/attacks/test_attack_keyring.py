"""Keys of the caller's session, read inside: keyrings belong to no namespace but the user's (keyrings(7)).

What defends: NewKeyring, with which the session's keyring is the container's own; and the default filter, which refuses
keyctl(2) altogether. Without that filter user 0 still reaches the keyring of root itself: give a user namespace then.
"""

import ctypes
import os

import pytest

pytestmark = pytest.mark.root

SESSION = -3
JOIN_SESSION = 1

# keyctl(2): KEYCTL_SEARCH in the session's keyring, and KEYCTL_READ.
PROGRAM = """
import ctypes, sys
number = int(sys.argv[1])
call = ctypes.CDLL(None, use_errno=True).syscall
call.argtypes = [ctypes.c_long] * 2 + [ctypes.c_void_p] * 4
key = call(number, 10, -3, b"user", b"labkit-canary", 0)
text = ctypes.create_string_buffer(100)
if key > 0 and call(number, 11, key, text, 100, 0) > 0:
    print(text.value.decode())
else:
    import os
    print(os.strerror(ctypes.get_errno()))
"""


@pytest.fixture
def in_a_session():
    """Do something in a process whose session keyring has the canary."""
    from labkit.linux.libc import NUMBERS

    keyctl, add_key = NUMBERS["keyctl"], {"x86_64": 248, "aarch64": 217}[os.uname().machine]

    def run(act):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                call = ctypes.CDLL(None, use_errno=True).syscall
                assert call(keyctl, JOIN_SESSION, b"labkit-test") > 0
                assert call(add_key, b"user", b"labkit-canary", b"the host's", 10, SESSION) > 0
                act(str(keyctl))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0

    return run


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, "Operation not permitted\n"),
        ({"seccomp": "none"}, "Required key not available\n"),
        ({"seccomp": "none", "without": ["NewKeyring"]}, "the host's\n"),
    ],
    ids=["as it is", "without the filter", "without both"],
)
def test_a_key_of_the_callers_session(attack, own_rootfs, python, in_a_session, tmp_path, options, seen):
    def look(keyctl):
        done = attack(own_rootfs, python(PROGRAM, keyctl), volumes=python.volumes, **options)
        (tmp_path / "seen").write_text(done.stdout)

    in_a_session(look)
    assert (tmp_path / "seen").read_text() == seen
