import os

import pytest

from labkit.engine import filter
from labkit.linux import libseccomp
from labkit.linux.seccomp import INSTRUCTION_SIZE
from labkit.spec.model import Seccomp, SeccompRule
from labkit.spec.seccomp_default import default_profile


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "labkit/seccomp"


@pytest.fixture
def compilations(monkeypatch):
    compiled = []
    real = libseccomp.compile_filter

    def counting(*profile):
        compiled.append(profile)
        return real(*profile)

    monkeypatch.setattr(libseccomp, "compile_filter", counting)
    return compiled


PROFILE = Seccomp(
    default_action="SCMP_ACT_ERRNO", rules=(SeccompRule(names=("read", "write"), action="SCMP_ACT_ALLOW"),)
)


def test_a_profile_is_compiled_once(cache, compilations):
    assert filter.program(PROFILE) == filter.program(PROFILE)
    assert len(compilations) == 1
    assert len(list(cache.iterdir())) == 1


def test_a_process_keeps_the_programs_of_few_profiles(cache, compilations, monkeypatch):
    monkeypatch.setattr(filter, "_programs", {})
    good = filter.kept_program(PROFILE)
    entry(cache).unlink()
    assert filter.kept_program(PROFILE) is good
    assert len(compilations) == 1
    for number in range(filter._MOST_KEPT):
        filter.kept_program(Seccomp(default_action="SCMP_ACT_ERRNO", default_errno=number))
    assert len(filter._programs) <= filter._MOST_KEPT
    assert filter.kept_program(PROFILE) == good
    assert len(compilations) == filter._MOST_KEPT + 2


def test_a_profile_that_has_changed_is_not_taken_for_what_it_was(cache, monkeypatch):
    monkeypatch.setattr(filter, "_programs", {})
    changing = Seccomp(default_action="SCMP_ACT_ERRNO", rules=PROFILE.rules)
    before = filter.kept_program(changing)
    changing.rules = ()
    assert filter.kept_program(changing) == filter.program(changing) != before


def test_the_default_profiles_program_depends_on_the_capabilities(cache):
    without = filter.program(default_profile((), "x86_64"))
    admin = filter.program(default_profile(("CAP_SYS_ADMIN",), "x86_64"))
    assert without != admin
    assert len(without) % INSTRUCTION_SIZE == len(admin) % INSTRUCTION_SIZE == 0
    # struct sock_fprog counts in 16 bits, and BPF_MAXINSNS is 4096.
    assert max(len(without), len(admin)) // INSTRUCTION_SIZE < 4096


def entry(cache):
    (found,) = cache.iterdir()
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: b"",
        lambda good: b"12345",
        lambda good: good[:-INSTRUCTION_SIZE],
        lambda good: good + bytes(INSTRUCTION_SIZE),
        lambda good: good[:-4] + b"\0\0\xff\x7f",
        lambda good: good[16:],
    ],
)
def test_a_file_that_is_damaged_is_compiled_anew(cache, compilations, spoil):
    good = filter.program(PROFILE)
    stored = entry(cache).read_bytes()
    entry(cache).write_bytes(spoil(stored))
    assert filter.program(PROFILE) == good
    assert entry(cache).read_bytes() == stored
    assert len(compilations) == 2


def test_the_program_of_another_profile_is_not_taken_under_this_ones_name(cache):
    other = Seccomp(default_action="SCMP_ACT_ALLOW")
    filter.program(other)
    permissive = entry(cache).read_bytes()
    entry(cache).unlink()
    good = filter.program(PROFILE)
    entry(cache).write_bytes(permissive)
    assert filter.program(PROFILE) == good


@pytest.mark.parametrize("place", ["", "..", "../.."])
@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_folder_that_others_may_write_to_is_not_trusted(cache, compilations, place, mode):
    filter.program(PROFILE)
    (cache / place).chmod(mode)
    filter.program(PROFILE)
    assert len(compilations) == 2


def test_a_file_that_others_may_write_to_is_not_trusted(cache, compilations):
    filter.program(PROFILE)
    entry(cache).chmod(0o666)
    filter.program(PROFILE)
    assert len(compilations) == 2


def test_neither_a_link_in_place_of_the_file_nor_of_the_folder_is_followed(cache, compilations):
    filter.program(PROFILE)
    name = entry(cache).name
    aside = cache.parent / "aside"
    entry(cache).rename(aside)
    (cache / name).symlink_to(aside)
    filter.program(PROFILE)
    assert len(compilations) == 2
    cache.rename(aside.with_name("real"))
    cache.symlink_to("real")
    filter.program(PROFILE)
    assert len(compilations) == 3


def test_what_is_written_is_for_its_owner_alone(cache):
    before = os.umask(0)
    try:
        filter.program(PROFILE)
    finally:
        os.umask(before)
    assert (cache.stat().st_mode & 0o777, entry(cache).stat().st_mode & 0o777) == (0o700, 0o600)


def test_files_of_another_user_are_not_trusted(cache, compilations, monkeypatch):
    filter.program(PROFILE)
    monkeypatch.setattr(filter.os, "geteuid", lambda: 4242)
    filter.program(PROFILE)
    assert len(compilations) == 2


def test_another_kernel_and_another_libseccomp_have_programs_of_their_own(cache, compilations, monkeypatch, tmp_path):
    library = tmp_path / "libseccomp.so.2"
    library.write_bytes(b"one")
    monkeypatch.setattr(libseccomp, "library_path", lambda: str(library))
    filter.program(PROFILE)
    filter.program(PROFILE)
    assert len(compilations) == 1
    library.write_bytes(b"the next")
    filter.program(PROFILE)
    assert len(compilations) == 2
    real = os.uname()
    later = os.uname_result((real.sysname, real.nodename, "99.0", real.version, real.machine))
    monkeypatch.setattr(filter.os, "uname", lambda: later)
    filter.program(PROFILE)
    assert len(compilations) == 3


def test_there_is_room_for_so_many_only(cache, monkeypatch):
    monkeypatch.setattr(filter, "_MOST", 3)
    for number in range(1, 6):
        filter.program(Seccomp(default_action="SCMP_ACT_ERRNO", default_errno=number))
        assert len(list(cache.iterdir())) <= 3


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert filter.program(PROFILE)


def test_clone3_is_missing_rather_than_forbidden_so_that_libraries_fall_back():
    rules = {name: rule for rule in default_profile((), "x86_64").rules for name in rule.names}
    assert (rules["clone3"].action, rules["clone3"].errno) == ("SCMP_ACT_ERRNO", 38)
    assert "io_uring_setup" not in rules
    assert "keyctl" not in rules
