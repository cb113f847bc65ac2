import pytest

from labkit.errors import LabkitError
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import (
    ACTIONS,
    action_value,
    compile_filter,
    known_syscalls,
    syscall_name,
    syscall_number,
    unknown_syscalls,
)
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


def test_an_architecture_of_the_other_byte_order_is_refused_by_name():
    with pytest.raises(LabkitError, match=r"refuses the architecture SCMP_ARCH_S390X on "):
        compile_filter("SCMP_ACT_ALLOW", None, ("SCMP_ARCH_S390X",), ())


def test_the_native_architecture_may_be_named_and_any_other_more_than_once():
    native = f"SCMP_ARCH_{MACHINE.upper()}"
    other = {"x86_64": "SCMP_ARCH_X86", "aarch64": "SCMP_ARCH_ARM"}[MACHINE]
    named = compile_filter("SCMP_ACT_ERRNO", 1, (native, other, other), (ALLOW_READ,))
    assert named == compile_filter("SCMP_ACT_ERRNO", 1, (other,), (ALLOW_READ,))


def test_names_and_numbers_of_calls():
    assert syscall_name(0xC000003E, 39) == "getpid"
    assert syscall_name(0xC000003E, 462) == "mseal"
    assert syscall_name(0xC000003E, 9999) == ""
    assert syscall_number("mseal") == 462
    assert unknown_syscalls(["read", "socketcall", "mseal", "raed"]) == ["raed"]
    assert {"openat", "mseal"} <= set(known_syscalls())


def test_two_comparisons_of_one_argument_are_alternatives():
    first, second = (0, "SCMP_CMP_EQ", 1, 0), (0, "SCMP_CMP_EQ", 2, 0)
    together = ((("personality",), "SCMP_ACT_ALLOW", None, (first, second)),)
    apart = tuple((("personality",), "SCMP_ACT_ALLOW", None, (one,)) for one in (first, second))
    assert compile_filter("SCMP_ACT_ERRNO", 1, (), together) == compile_filter("SCMP_ACT_ERRNO", 1, (), apart)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_can_be_compiled(action):
    rule = (("mkdir",), action, None, ())
    default = "SCMP_ACT_KILL_PROCESS" if action == "SCMP_ACT_ALLOW" else "SCMP_ACT_ALLOW"
    program = compile_filter(default, None, (), (rule,))
    assert action_value(action, None).to_bytes(4, "little") in program
