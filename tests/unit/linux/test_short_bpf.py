"""A filter made shorter gives what it gave: for every number, for what arguments are compared with, and beyond."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.linux import libseccomp
from labkit.linux.classic_bpf import call, decode, evaluate
from labkit.linux.libc import MACHINE
from labkit.linux.short_bpf import shorten
from labkit.spec import default
from labkit.spec.seccomp_default import default_profile
from labkit.spec.seccomp_strict import strict_profile

ARCHITECTURES = (0xC000003E, 0x40000003, 0xC00000B7, 0x40000028)
NUMBERS = (*range(470), *range(0x40000000, 0x40000000 + 560, 7), 0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 2**32 - 1)
OTHERS = ("SCMP_ARCH_X86", "SCMP_ARCH_X32") if MACHINE == "x86_64" else ("SCMP_ARCH_ARM",)


@pytest.fixture
def as_libseccomp_has_it(monkeypatch):
    monkeypatch.setattr(libseccomp, "shorten", lambda program: program)
    return libseccomp.compile_filter


def differing(one, other, arguments):
    """The calls for which two programs give something else."""
    calls = [(number, architecture) for architecture in ARCHITECTURES for number in NUMBERS]
    return [key for key in calls if given_for(one, key, arguments) != given_for(other, key, arguments)]


def given_for(program, key, arguments):
    return evaluate(program, call(*key, arguments))[0]


@pytest.mark.parametrize("arguments", [(), (0x10000000,) * 6, (8, 40, 10, 2**32 + 8), (0x20008, 40, 2, 2**64 - 1, 1)])
@pytest.mark.parametrize("profile", [default_profile(default.CAPABILITIES, MACHINE), strict_profile()])
def test_the_engines_own_profiles_decide_on_every_call_as_before(as_libseccomp_has_it, profile, arguments):
    whole = as_libseccomp_has_it(*profile.profile())
    assert differing(shorten(whole), whole, arguments) == []


def test_the_default_filter_is_less_than_half_as_long_and_so_is_the_way_through_it(as_libseccomp_has_it):
    whole = as_libseccomp_has_it(*default_profile(default.CAPABILITIES, MACHINE).profile())
    short = shorten(whole)
    assert len(short) < len(whole) / 2
    native = {"x86_64": ARCHITECTURES[0], "aarch64": ARCHITECTURES[2]}[MACHINE]
    steps = [sum(evaluate(one, call(number, native))[1] for number in range(450)) for one in (short, whole)]
    assert steps[0] < steps[1] / 2


COMPARISON = st.tuples(
    st.integers(0, 5),
    st.sampled_from(sorted(libseccomp.OPERATORS)),
    st.sampled_from((0, 1, 7, 2**32, 2**64 - 1)),
    st.sampled_from((0, 1, 6)),
)
RULE = st.tuples(
    st.lists(st.sampled_from(libseccomp.known_syscalls()), min_size=1, max_size=40, unique=True).map(tuple),
    st.sampled_from(("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS")),
    st.just(None),
    st.lists(COMPARISON, max_size=2, unique_by=lambda one: one[0]).map(tuple),
)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL")),
    st.sampled_from(((), OTHERS[:1], OTHERS)),
    st.lists(RULE, min_size=1, max_size=5).map(tuple),
    st.sampled_from(((), (1, 7, 1, 7, 1, 7), (2**32,) * 6)),
)
def test_any_profile_decides_on_every_call_as_before(default_action, architectures, rules, arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libseccomp, "shorten", lambda program: program)
        try:
            whole = libseccomp.compile_filter(default_action, None, architectures, rules)
        except libseccomp.LabkitError:
            return  # Two rules for one call that contradict each other.
    short = shorten(whole)
    assert len(short) <= len(whole)
    assert differing(short, whole, arguments) == []


def test_many_ranges_are_reached_over_jumps_farther_than_a_test_can():
    load, equal, give = 0x20, 0x15, 0x06
    chain = b"".join(instruction(equal, 0, 1, 3 * n) + instruction(give, 0, 0, n + 1) for n in range(400))
    whole = instruction(load, 0, 0, 4) + instruction(equal, 1, 0, ARCHITECTURES[0]) + instruction(give, 0, 0, 0)
    whole += instruction(load, 0, 0, 0) + chain + instruction(give, 0, 0, 0x7FFF0000)
    short = shorten(whole + whole)
    assert any(code == 0x05 for code, *_ in decode(short))
    for number in (*range(1300), 2**32 - 1):
        assert given_for(short, (number, ARCHITECTURES[0]), ()) == given_for(whole, (number, ARCHITECTURES[0]), ())


@pytest.mark.parametrize("code", [0x54, 0x45, 0x07, 0x16])
def test_what_is_not_understood_of_a_number_stays_as_it_is(code):
    program = instruction(0x20, 0, 0, 0) + instruction(code, 0, 0, 4) + instruction(0x06, 0, 0, 0) * 8
    assert shorten(program) == program


def instruction(code, true, false, value):
    return code.to_bytes(2, "little") + bytes((true, false)) + value.to_bytes(4, "little")


def test_a_shortened_program_has_jumps_forward_only_and_ends_in_a_decision():
    program = libseccomp.compile_filter(*default_profile(default.CAPABILITIES, MACHINE).profile())
    code = decode(program)
    assert code[-1][0] == 0x06
    assert all(place + 1 + max(one[1], one[2]) < len(code) for place, one in enumerate(code) if one[0] & 7 == 5)
