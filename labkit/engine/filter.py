"""A profile's BPF program: compiled by libseccomp once, then found in the cache by the profile's content.

The cache is one file a program below XDG_CACHE_HOME (or ~/.cache), in labkit/seccomp. What is loaded from it decides
what a container may do, so that nothing is taken that somebody else could have put there, or that is not what was
written under that very name.
"""

from __future__ import annotations

import _stat as stat
import marshal

# The C module: `hashlib` loads OpenSSL, which takes longer than compiling the filter.
from _blake2 import blake2b

from labkit import __version__
from labkit.linux import os
from labkit.linux.libc import MACHINE
from labkit.linux.seccomp import INSTRUCTION_SIZE
from labkit.spec.model import Seccomp

# Of the programs in the cache: changed with what libseccomp's are made into.
_FORM = 4
# A version of marshal's format in which equal values are equal bytes.
_WITHOUT_REFERENCES = 0
_DIGEST = 16
_MOST = 256


# What this process has asked for.
_programs: dict[tuple[object, ...], bytes] = {}
_MOST_KEPT = 8


def kept_program(seccomp: Seccomp) -> bytes:
    """As `program`, which is asked once for each profile that this process makes containers with."""
    profile = seccomp.profile()
    found = _programs.get(profile)
    if found is None:
        if len(_programs) >= _MOST_KEPT:
            _programs.clear()
        found = _programs[profile] = program(seccomp)
    return found


def program(seccomp: Seccomp) -> bytes:
    """The program for `seccomp`, as bytes for load_filter. Raises LabkitError when libseccomp refuses the profile."""
    profile = seccomp.profile()
    # The kernel's release, because libseccomp asks the kernel which actions it has.
    name = _digest(marshal.dumps((__version__, _FORM, MACHINE, os.uname().release, profile), _WITHOUT_REFERENCES))
    folder = _folder()
    found = _cached(folder, name) if folder else None
    if found is None:
        from labkit.linux.libseccomp import compile_filter

        found = compile_filter(*profile)
        if folder:
            _store(folder, name, found)
    return found


def _folder() -> str:
    """The cache's folder, made if it is missing; "" where one on the way to it is not the user's own alone.

    Who may write to a folder may exchange what is in it: root's cache is not taken from another's home (sudo may keep
    HOME), nor from a place where others write.
    """
    home = os.getenv("HOME") or os.path.expanduser("~")
    cache = os.getenv("XDG_CACHE_HOME") or f"{home}/.cache"
    # Without a home folder `~` stays as it is.
    if not cache.startswith("/"):
        return ""
    above = f"{cache}/labkit"
    folder = f"{above}/seccomp"
    try:
        try:
            innermost = os.lstat(folder)
        except FileNotFoundError:
            os.makedirs(above, 0o755, exist_ok=True)
            os.mkdir(folder, 0o700)
            innermost = os.lstat(folder)
        return folder if _ours(innermost) and _ours(os.lstat(above)) and _ours(os.lstat(cache)) else ""
    except OSError:
        return ""


def _ours(about: os.stat_result) -> bool:
    """Whether nobody else can write to it: a group may where it is the user's private one (umask 002)."""
    others = 0o002 if about.st_gid == os.getegid() else 0o022
    return about.st_uid == os.geteuid() and not about.st_mode & others and not stat.S_ISLNK(about.st_mode)


def _cached(folder: str, name: bytes) -> bytes | None:
    """The program in the cache, unless it is not ours, damaged, of another profile, or of another libseccomp.

    The file: digest of what follows and of the name; the library's stamp, a line; the program.
    """
    try:
        descriptor = os.open(f"{folder}/{name.hex()}.bpf", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        about = os.fstat(descriptor)
        stored = os.read(descriptor, about.st_size) if _ours(about) else b""
    except OSError:
        return None
    finally:
        os.close(descriptor)
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    if not content or digest != _digest(name + content):
        return None
    stamp, _, found = content.partition(b"\n")
    good = found and len(found) % INSTRUCTION_SIZE == 0 and stamp and stamp == _stamp(stamp.partition(b"\0")[0])
    return found if good else None


def _store(folder: str, name: bytes, compiled: bytes) -> None:
    from labkit.linux.libseccomp import library_path

    stamp = _stamp(os.fsencode(library_path()))
    if not stamp:
        return  # Replaced while this process has it loaded.
    content = stamp + b"\n" + compiled
    path = f"{folder}/{name.hex()}.bpf"
    temporary = f"{path}.{os.getpid()}"
    try:
        _make_room(folder)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, _digest(name + content) + content)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        # A cache that cannot be written costs the next container 10 ms and nothing else.
        if os.path.exists(temporary):
            os.unlink(temporary)


def _make_room(folder: str) -> None:
    """Begin anew when there are too many: each profile, kernel and library that ever was has left its own."""
    names = os.listdir(folder)
    for name in names if len(names) >= _MOST else ():
        os.unlink(f"{folder}/{name}")


def _stamp(library: bytes) -> bytes:
    """What tells this libseccomp from one that it is replaced by: to ask for its version would be to load it."""
    try:
        about = os.stat(library)
    except OSError:
        return b""
    return b"\0".join((library, b"%d %d %d" % (about.st_ino, about.st_size, about.st_mtime_ns)))


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()
