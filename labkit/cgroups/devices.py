"""Device rules as an eBPF program, which is how cgroup v2 keeps them (cgroup-v2.rst, Device controller).

The program is asked once for each open(2) and mknod(2) of a device node, with the kind, the numbers and the accesses
that are wanted together. The last rule that names an access decides on it, as when rules are written to v1's files one
after the other; what no rule names is denied.
"""

from __future__ import annotations

from labkit.cgroups.v1 import DEFAULT_DEVICES, device_lines
from labkit.linux.bpf import (
    BPF_DEVCG_ACC_MKNOD,
    BPF_DEVCG_ACC_READ,
    BPF_DEVCG_ACC_WRITE,
    BPF_DEVCG_DEV_BLOCK,
    BPF_DEVCG_DEV_CHAR,
    instruction,
)
from labkit.spec.model import DeviceRule

_ACCESS = {"r": BPF_DEVCG_ACC_READ, "w": BPF_DEVCG_ACC_WRITE, "m": BPF_DEVCG_ACC_MKNOD}
_ALL = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE
_KINDS = {"b": BPF_DEVCG_DEV_BLOCK, "c": BPF_DEVCG_DEV_CHAR}

# Opcodes: the class in the low three bits, then where the second operand comes from, then the operation.
_LOAD_WORD = 0x61  # BPF_LDX | BPF_MEM | BPF_W
_AND32 = 0x54  # BPF_ALU | BPF_AND | BPF_K
_SHIFT_RIGHT32 = 0x74  # BPF_ALU | BPF_RSH | BPF_K
_MOVE32 = 0xB4  # BPF_ALU | BPF_MOV | BPF_K
_JUMP_NOT_EQUAL32 = 0x56  # BPF_JMP32 | BPF_JNE | BPF_K
_JUMP_BITS_SET32 = 0x46  # BPF_JMP32 | BPF_JSET | BPF_K
_JUMP = 0x05  # BPF_JMP | BPF_JA
_EXIT = 0x95  # BPF_JMP | BPF_EXIT

# Registers: the context comes in 1, the answer goes in 0.
_ANSWER, _CONTEXT, _KIND, _WANTED, _MAJOR, _MINOR = range(6)


def program(rules: tuple[DeviceRule, ...]) -> bytes:
    """The instructions for `rules` and, after them, the devices that are always allowed."""
    lines = [(rule.allow, line) for rule in rules for line in device_lines(rule)]
    lines += [(True, line) for line in DEFAULT_DEVICES]
    code = [
        instruction(_LOAD_WORD, _KIND, _CONTEXT, 0),
        instruction(_AND32, _KIND, immediate=0xFFFF),
        instruction(_LOAD_WORD, _WANTED, _CONTEXT, 0),
        instruction(_SHIFT_RIGHT32, _WANTED, immediate=16),
        instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for allow, line in reversed(lines):
        code += _rule(allow, line)
        if line == "a":
            # It decides on everything, so those before it cannot be reached, and the verifier refuses dead code.
            return b"".join(code)
    return b"".join([*code, *_answer(0)])


def _answer(value: int) -> list[bytes]:
    return [instruction(_MOVE32, _ANSWER, immediate=value), instruction(_EXIT)]


def _rule(allow: bool, line: str) -> list[bytes]:
    """The instructions for one rule in the form of v1's files, such as `c 1:3 rwm`."""
    if line == "a":
        return _answer(int(allow))
    kind, numbers, letters = line.split(" ")
    tests = [(_KIND, _KINDS[kind])]
    for register, number in zip((_MAJOR, _MINOR), numbers.split(":"), strict=True):
        if number != "*":
            tests.append((register, int(number)))
    access = sum(_ACCESS[letter] for letter in set(letters))
    if allow:
        # What it allows is no longer asked for; when nothing is left, the answer is yes.
        verdict = [instruction(_AND32, _WANTED, immediate=_ALL & ~access)]
        verdict += [instruction(_JUMP_NOT_EQUAL32, _WANTED, offset=2), *_answer(1)]
    else:
        verdict = [instruction(_JUMP_BITS_SET32, _WANTED, offset=1, immediate=access), instruction(_JUMP, offset=2)]
        verdict += _answer(0)
    code = verdict
    for register, wanted in reversed(tests):
        # Past the verdict, to the next rule.
        code.insert(0, instruction(_JUMP_NOT_EQUAL32, register, offset=len(code), immediate=wanted))
    return code
