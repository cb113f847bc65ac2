"""A profile's BPF program: compiled by libseccomp once, then found in the cache by the profile's content."""

from __future__ import annotations

import os

# The C module: `hashlib` loads OpenSSL, which takes longer than compiling the filter.
from _blake2 import blake2b

from labkit import __version__
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import compile_filter
from labkit.spec.model import Seccomp


def program(seccomp: Seccomp) -> bytes:
    """The program for `seccomp`, as bytes for load_filter. Raises LabkitError when libseccomp refuses the profile."""
    rules = tuple(
        (
            rule.names,
            rule.action,
            rule.errno,
            tuple((a.index, a.operator, a.value, a.value_two) for a in rule.arguments),
        )
        for rule in seccomp.rules
    )
    profile = (seccomp.default_action, seccomp.default_errno, seccomp.architectures, rules)
    key = blake2b(repr((__version__, MACHINE, profile)).encode(), digest_size=16).hexdigest()
    path = f"{_folder()}/{key}.bpf"
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        compiled = compile_filter(*profile)
        _store(path, compiled)
        return compiled


def _folder() -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{cache}/labkit/seccomp"


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
