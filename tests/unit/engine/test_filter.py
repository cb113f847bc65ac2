import pytest

from labkit.engine import filter
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
    real = filter.compile_filter

    def counting(*profile):
        compiled.append(profile)
        return real(*profile)

    monkeypatch.setattr(filter, "compile_filter", counting)
    return compiled


PROFILE = Seccomp(
    default_action="SCMP_ACT_ERRNO", rules=(SeccompRule(names=("read", "write"), action="SCMP_ACT_ALLOW"),)
)


def test_a_profile_is_compiled_once(cache, compilations):
    assert filter.program(PROFILE) == filter.program(PROFILE)
    assert len(compilations) == 1
    assert len(list(cache.iterdir())) == 1


def test_the_default_profiles_program_depends_on_the_capabilities(cache):
    without = filter.program(default_profile((), "x86_64"))
    admin = filter.program(default_profile(("CAP_SYS_ADMIN",), "x86_64"))
    assert without != admin
    assert len(without) % INSTRUCTION_SIZE == len(admin) % INSTRUCTION_SIZE == 0
    # struct sock_fprog counts in 16 bits, and BPF_MAXINSNS is 4096.
    assert max(len(without), len(admin)) // INSTRUCTION_SIZE < 4096


@pytest.mark.parametrize("spoilt", [b"", b"12345"])
def test_a_file_that_is_no_program_is_compiled_anew(cache, spoilt):
    good = filter.program(PROFILE)
    next(cache.iterdir()).write_bytes(spoilt)
    assert filter.program(PROFILE) == good
    assert next(cache.iterdir()).read_bytes() == good


def test_a_file_of_another_user_is_not_trusted(cache, compilations, monkeypatch):
    filter.program(PROFILE)
    monkeypatch.setattr(filter.os, "geteuid", lambda: 4242)
    filter.program(PROFILE)
    assert len(compilations) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert filter.program(PROFILE)


def test_clone3_is_missing_rather_than_forbidden_so_that_libraries_fall_back():
    rules = {name: rule for rule in default_profile((), "x86_64").rules for name in rule.names}
    assert (rules["clone3"].action, rules["clone3"].errno) == ("SCMP_ACT_ERRNO", 38)
    assert "io_uring_setup" not in rules
    assert "keyctl" not in rules
