"""A profile's BPF program: compiled by libseccomp once, then found in the cache by the profile's content."""

from __future__ import annotations

import os

# The C module: `hashlib` loads OpenSSL, which takes longer than compiling the filter.
from _blake2 import blake2b

from labkit import __version__
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import compile_filter
from labkit.linux.seccomp import INSTRUCTION_SIZE
from labkit.spec.model import Seccomp


def program(seccomp: Seccomp) -> bytes:
    """The program for `seccomp`, as bytes for load_filter. Raises LabkitError when libseccomp refuses the profile."""
    profile = seccomp.profile()
    key = blake2b(repr((__version__, MACHINE, profile)).encode(), digest_size=16).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = f"{cache}/labkit/seccomp/{key}.bpf"
    found = _cached(path)
    if found is None:
        found = compile_filter(*profile)
        # Without a home folder `~` stays as it is.
        if path.startswith("/"):
            _store(path, found)
    return found


def _cached(path: str) -> bytes | None:
    """The program in the cache, unless another user could have put it there (sudo may keep HOME) or it is cut off."""
    try:
        with open(path, "rb", buffering=0) as file:
            stored = file.read()
            if os.fstat(file.fileno()).st_uid == os.geteuid() and stored and len(stored) % INSTRUCTION_SIZE == 0:
                return stored
    except OSError:
        pass
    return None


def _store(path: str, compiled: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(compiled)
        os.replace(temporary, path)
    except OSError:
        # A cache that cannot be written costs the next container 20 ms and nothing else.
        if os.path.exists(temporary):
            os.unlink(temporary)
