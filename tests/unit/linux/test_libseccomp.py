import pytest

from labkit.errors import LabkitError
from labkit.linux.libseccomp import ACTIONS, action_value, compile_filter
from labkit.linux.seccomp import INSTRUCTION_SIZE

ALLOW_READ = (("read",), "SCMP_ACT_ALLOW", None, ())


def test_a_program_is_whole_instructions():
    program = compile_filter("SCMP_ACT_ERRNO", 1, (), (ALLOW_READ,))
    assert program
    assert len(program) % INSTRUCTION_SIZE == 0


def test_an_errno_is_in_the_low_half():
    assert action_value("SCMP_ACT_ERRNO", 38) == ACTIONS["SCMP_ACT_ERRNO"] | 38
    assert action_value("SCMP_ACT_ERRNO", None) == ACTIONS["SCMP_ACT_ERRNO"] | 1
    assert action_value("SCMP_ACT_ALLOW", 38) == ACTIONS["SCMP_ACT_ALLOW"]


def test_a_name_that_no_kernel_has_is_passed_over():
    with_unknown = (("read", "no_such_call"), "SCMP_ACT_ALLOW", None, ())
    assert compile_filter("SCMP_ACT_ERRNO", 1, (), (with_unknown,)) == compile_filter(
        "SCMP_ACT_ERRNO", 1, (), (ALLOW_READ,)
    )


def test_comparisons_change_the_program():
    bound = (("socket",), "SCMP_ACT_ALLOW", None, ((0, "SCMP_CMP_NE", 40, 0),))
    free = (("socket",), "SCMP_ACT_ALLOW", None, ())
    assert compile_filter("SCMP_ACT_ERRNO", 1, (), (bound,)) != compile_filter("SCMP_ACT_ERRNO", 1, (), (free,))


def test_an_unknown_architecture_is_refused_by_name():
    with pytest.raises(LabkitError, match="SCMP_ARCH_VAX"):
        compile_filter("SCMP_ACT_ERRNO", 1, ("SCMP_ARCH_VAX",), ())
