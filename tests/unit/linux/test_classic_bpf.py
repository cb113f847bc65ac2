"""The disassembler and the interpreter on programs that are known, and on what libseccomp makes of each comparison."""

import operator
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.linux.classic_bpf import X32, action_name, call, decode, disassemble, evaluate
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import compile_filter, syscall_name

X86_64, X86, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
NATIVE = {"x86_64": X86_64, "aarch64": AARCH64}[MACHINE]
ALLOW = 0x7FFF0000

# The first example of seccomp_unotify(2) and seccomp(2): one architecture, one call.
KNOWN = (
    (0x20, 0, 0, 4),  # ld [4]
    (0x15, 0, 5, X86_64),  # jeq #x86_64
    (0x20, 0, 0, 0),  # ld [0]
    (0x35, 3, 0, 0x40000000),  # jge #0x40000000
    (0x15, 0, 1, 39),  # jeq #39
    (0x06, 0, 0, 0x00050001),  # ret ERRNO EPERM
    (0x06, 0, 0, ALLOW),
    (0x06, 0, 0, 0x80000000),
)


def assembled(*instructions):
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def names(architecture, number):
    return {(X86_64, 39): "getpid", (X32, 0x40000027): "getpid of x32"}.get((architecture, number), "")


def test_every_line_has_its_mnemonic_its_labels_and_its_meaning():
    assert disassemble(assembled(*KNOWN), names) == [
        "          0  ld [4]                    ; arch",
        "          1  jeq #0xc000003e,L1,L5     ; arch == x86_64",
        "L1:       2  ld [0]                    ; nr",
        "          3  jge #0x40000000,L5,L2     ; nr >= the first of x32",
        "L2:       4  jeq #0x27,L3,L4           ; nr == getpid",
        "L3:       5  ret #0x50001              ; ERRNO EPERM",
        "L4:       6  ret #0x7fff0000           ; ALLOW",
        "L5:       7  ret #0x80000000           ; KILL_PROCESS",
    ]


@pytest.mark.parametrize(
    ("number", "architecture", "given", "steps"),
    [
        (39, X86_64, "ERRNO EPERM", 6),
        (40, X86_64, "ALLOW", 6),
        (0x40000027, X86_64, "KILL_PROCESS", 5),
        (-1, X86_64, "KILL_PROCESS", 5),
        (39, AARCH64, "KILL_PROCESS", 3),
    ],
)
def test_the_known_program_gives_what_it_says(number, architecture, given, steps):
    value, taken = evaluate(assembled(*KNOWN), call(number % 2**32, architecture))
    assert (action_name(value), taken) == (given, steps)


@pytest.mark.parametrize(
    ("instructions", "text", "value"),
    [
        ([(0x00, 0, 0, 7), (0x16, 0, 0, 0)], "ld #0x7; ret a", 7),
        ([(0x80, 0, 0, 0), (0x16, 0, 0, 0)], "ld len; ret a", 64),
        ([(0x00, 0, 0, 7), (2, 0, 0, 3), (0x60, 0, 0, 3), (0x16, 0, 0, 0)], "ld #0x7; st M[3]; ld M[3]; ret a", 7),
        ([(0x01, 0, 0, 9), (0x87, 0, 0, 0), (0x16, 0, 0, 0)], "ldx #0x9; txa; ret a", 9),
        ([(0x00, 0, 0, 6), (7, 0, 0, 0), (0x2C, 0, 0, 0), (0x16, 0, 0, 0)], "ld #0x6; tax; mul x; ret a", 36),
        ([(0x00, 0, 0, 1), (0x84, 0, 0, 0), (0x16, 0, 0, 0)], "ld #0x1; neg; ret a", 2**32 - 1),
        ([(0x00, 0, 0, 6), (0x54, 0, 0, 3), (0x16, 0, 0, 0)], "ld #0x6; and #0x3; ret a", 2),
        ([(0x00, 0, 0, 3), (0x64, 0, 0, 31), (0x16, 0, 0, 0)], "ld #0x3; lsh #0x1f; ret a", 2**31),
        ([(0x05, 0, 0, 1), (0x06, 0, 0, 1), (0x06, 0, 0, 2)], "jmp L1; ret #0x1; ret #0x2", 2),
    ],
)
def test_the_rest_of_the_instruction_set(instructions, text, value):
    program = assembled(*instructions)
    mnemonics = [line[13:].partition(";")[0].strip() for line in disassemble(program)]
    assert "; ".join(mnemonics) == text
    assert evaluate(program, call(1, X86_64))[0] == value


def test_what_is_never_reached_says_so():
    lines = disassemble(assembled((0x06, 0, 0, ALLOW), (0x06, 0, 0, 0)))
    assert lines[1].endswith("; never reached")


def test_an_architecture_is_not_guessed_where_two_ways_meet():
    """The number is of x86-64 by one way and of aarch64 by the other."""
    program = assembled(
        (0x20, 0, 0, 4), (0x15, 2, 0, X86_64), (0x15, 1, 0, AARCH64), (0x06, 0, 0, 0),
        (0x20, 0, 0, 0), (0x15, 0, 1, 39), (0x06, 0, 0, ALLOW), (0x06, 0, 0, 0),
    )  # fmt: skip
    assert disassemble(program, names)[5].endswith("; nr == 0x27")


@pytest.mark.parametrize(
    ("instructions", "word"),
    [
        ([(0x20, 0, 0, 4)], "past its end"),
        ([(0x20, 0, 0, 64), (0x06, 0, 0, 0)], "loads from 64"),
        ([(0x20, 0, 0, 2), (0x06, 0, 0, 0)], "loads from 2"),
        ([(0x34, 0, 0, 0), (0x06, 0, 0, 0)], "divides by zero"),
    ],
)
def test_what_the_kernel_would_refuse_is_no_result(instructions, word):
    with pytest.raises(LabkitError, match=word):
        evaluate(assembled(*instructions), call(0, X86_64))


def test_a_cut_off_program_is_none():
    with pytest.raises(LabkitError, match="7 bytes are no BPF program"):
        decode(b"1234567")


def test_actions_in_words():
    assert [action_name(value) for value in (0, 0x80000000, 0x30000, 0x50026, 0x7FC00000, 0x7FF00007, 0x7FFC0000)] == [
        "KILL_THREAD", "KILL_PROCESS", "TRAP", "ERRNO ENOSYS", "USER_NOTIF", "TRACE 7", "LOG",
    ]  # fmt: skip


COMPARISONS = {
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}
NUMBER = {"x86_64": 101, "aarch64": 117}[MACHINE]  # ptrace
# Few bits, so that halves are often alike.
VALUES = st.sampled_from([0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33, 2**63, 2**64 - 1]) | st.integers(
    0, 2**64 - 1
)


def refused(comparisons, arguments):
    program = compile_filter("SCMP_ACT_ALLOW", None, (), ((("ptrace",), "SCMP_ACT_ERRNO", None, comparisons),))
    return evaluate(program, call(NUMBER, NATIVE, arguments))[0] != ALLOW


@pytest.mark.parametrize("name", sorted(COMPARISONS))
@settings(deadline=None)
@given(st.integers(0, 5), VALUES, VALUES)
def test_each_comparison_of_64_bits_is_as_it_is_named(name, index, value, argument):
    arguments = (0,) * index + (argument,)
    assert refused(((index, name, value, 0),), arguments) == COMPARISONS[name](argument, value)


@settings(deadline=None)
@given(VALUES, VALUES, VALUES)
def test_a_masked_comparison_looks_at_the_bits_of_its_mask_only(mask, value, argument):
    masked = ((0, "SCMP_CMP_MASKED_EQ", mask, value & mask),)
    assert refused(masked, (argument,)) == (argument & mask == value & mask)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_comparisons_of_several_arguments_hold_together(first, second):
    both = ((0, "SCMP_CMP_EQ", 1, 0), (3, "SCMP_CMP_GT", 2**32, 0))
    assert refused(both, (first, 0, 0, second)) == (first == 1 and second > 2**32)


@pytest.mark.skipif(MACHINE != "x86_64", reason="the other architectures of x86")
def test_each_architecture_is_filtered_by_its_own_numbers_and_the_others_are_killed():
    rules = ((("getpid",), "SCMP_ACT_ERRNO", 28, ()),)
    whole = compile_filter("SCMP_ACT_ALLOW", None, ("SCMP_ARCH_X86", "SCMP_ARCH_X32"), rules)
    given = {
        (39, X86_64): "ERRNO ENOSPC", (20, X86_64): "ALLOW",
        (20, X86): "ERRNO ENOSPC", (39, X86): "ALLOW",
        (0x40000027, X86_64): "ERRNO ENOSPC", (0x40000014, X86_64): "ALLOW",
        (39, AARCH64): "KILL_THREAD",
    }  # fmt: skip
    assert {key: action_name(evaluate(whole, call(*key))[0]) for key in given} == given
    alone = compile_filter("SCMP_ACT_ALLOW", None, (), rules)
    assert [action_name(evaluate(alone, call(*key))[0]) for key in ((20, X86), (0x40000027, X86_64))] == [
        "KILL_THREAD"
    ] * 2
    text = "\n".join(disassemble(whole, syscall_name))
    assert text.count("nr == getpid") == 3


@pytest.mark.skipif(MACHINE != "x86_64", reason="the numbers of x86-64")
def test_calls_newer_than_libseccomp_are_filtered_by_number_and_still_newer_ones_are_missing():
    rules = ((("read", "mseal"), "SCMP_ACT_ALLOW", None, ()),)
    program = compile_filter("SCMP_ACT_ERRNO", 1, ("SCMP_ARCH_X86",), rules)
    given = {0: "ALLOW", 1: "ERRNO EPERM", 462: "ALLOW", 461: "ERRNO EPERM", 463: "ERRNO ENOSYS", 5000: "ERRNO ENOSYS"}
    assert {number: action_name(evaluate(program, call(number, X86_64))[0]) for number in given} == given
