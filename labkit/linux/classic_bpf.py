"""Classic BPF as seccomp(2) has it: what a filter says, in words, and what it gives for a call.

Sources: linux/bpf_common.h, linux/filter.h; kernel/seccomp.c, seccomp_check_filter(), for which instructions there
are; Documentation/networking/filter.rst for how they are written.
"""

from __future__ import annotations

import errno
from _struct import calcsize, iter_unpack, pack

from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # What an instruction does is told from what came before: the field that A holds, and the architecture.
    State = tuple[int | None, int | None]

# code, jump if true, jump if false, value
Instruction = tuple[int, int, int, int]
# struct sock_filter; struct seccomp_data: nr, arch, instruction_pointer, args.
_INSTRUCTION = "=HBBI"
_DATA = "=iIQ6Q"
_SIZE = calcsize(_DATA)
NR, ARCH, _POINTER, _ARGS = 0, 4, 8, 16

_WORD = 0xFFFFFFFF
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_ABS, _MEM, _LEN = 0x20, 0x60, 0x80
_OPERATIONS = {0x00: "add", 0x10: "sub", 0x20: "mul", 0x30: "div", 0x40: "or", 0x50: "and", 0x60: "lsh", 0x70: "rsh",
               0x80: "neg", 0xA0: "xor"}  # fmt: skip
_TESTS = {0x00: "jmp", 0x10: "jeq", 0x20: "jgt", 0x30: "jge", 0x40: "jset"}
_SIGNS = {"jeq": "==", "jgt": ">", "jge": ">=", "jset": "&"}

# linux/audit.h
ARCHITECTURES = {
    0xC000003E: "x86_64", 0x40000003: "x86", 0xC00000B7: "aarch64", 0x40000028: "arm", 0xC00000F3: "riscv64",
    0x80000016: "s390x", 0xC0000015: "ppc64le",
}  # fmt: skip
_X86_64 = 0xC000003E
# libseccomp's token for x32, whose calls come with the architecture x86_64 and these numbers.
X32 = 0x4000003E
_X32_CALLS = 0x40000000

# linux/seccomp.h: the high half of what a filter gives; the low half is data.
_ACTIONS = {
    0x8000: "KILL_PROCESS",
    0x0000: "KILL_THREAD",
    0x0003: "TRAP",
    0x0005: "ERRNO",
    0x7FC0: "USER_NOTIF",
    0x7FF0: "TRACE",
    0x7FFC: "LOG",
    0x7FFF: "ALLOW",
}


def decode(program: bytes) -> list[Instruction]:
    """The instructions of an array of struct sock_filter; LabkitError when it is not whole instructions."""
    if len(program) % calcsize(_INSTRUCTION):
        text = f"{len(program)} bytes are no BPF program: an instruction has 8"
        raise LabkitError(text, "give what seccomp_export_bpf(3) writes")
    return list(iter_unpack(_INSTRUCTION, program))


def action_name(value: int) -> str:
    """What a filter gives, in words: `ALLOW`, `ERRNO EPERM`, `TRACE 7`."""
    name = _ACTIONS.get(value >> 16, f"{value:#010x}, which kills")
    data = value & 0xFFFF
    if name == "ERRNO":
        return f"ERRNO {errno.errorcode.get(data, data)}"
    return f"{name} {data}" if data else name


def disassemble(program: bytes, call_name: Callable[[int, int], str] = lambda architecture, number: "") -> list[str]:
    """A line for each instruction: label where something jumps to it, place, mnemonic as bpf_asm(8) takes it, meaning.

    `call_name` gives a system call's name by architecture (an AUDIT_ARCH, or X32) and number.
    """
    code = decode(program)
    targets = sorted({target for place, one in enumerate(code) for target in _jumps(place, one)})
    labels = {target: f"L{number}" for number, target in enumerate(targets, 1)}
    states = _flow(code)
    lines = []
    for place, one in enumerate(code):
        text, meaning = _text(place, one, labels), _meaning(one, states[place], call_name)
        label = f"{labels[place]}:" if place in labels else ""
        lines.append(f"{label:<6}{place:>5}  {text:<26}{'; ' + meaning if meaning else ''}".rstrip())
    return lines


def _jumps(place: int, one: Instruction) -> tuple[int, ...]:
    """The instructions that `one` jumps to; none for one that is followed by the next."""
    code, true, false, value = one
    if code & 7 != _JMP:
        return ()
    return (place + 1 + value,) if code & 0xF0 == 0 else (place + 1 + true, place + 1 + false)


def _text(place: int, one: Instruction, labels: dict[int, str]) -> str:
    code, _, _, value = one
    kind = code & 7
    operand = "x" if code & 8 else f"#{value:#x}"
    if kind in (_LD, _LDX):
        name = "ld" if kind == _LD else "ldx"
        mode = code & 0xE0
        return f"{name} " + {_ABS: f"[{value}]", _MEM: f"M[{value}]", _LEN: "len"}.get(mode, f"#{value:#x}")
    if kind in (_ST, _STX):
        return f"{'st' if kind == _ST else 'stx'} M[{value}]"
    if kind == _ALU:
        name = _OPERATIONS.get(code & 0xF0, "?")
        return name if name == "neg" else f"{name} {operand}"
    if kind == _JMP:
        name = _TESTS.get(code & 0xF0, "?")
        to = ",".join(labels[target] for target in _jumps(place, one))
        return f"jmp {to}" if name == "jmp" else f"{name} {operand},{to}"
    if kind == _RET:
        return "ret a" if code & 0x10 else f"ret #{value:#x}"
    return "txa" if code & 0x80 else "tax"


def _meaning(one: Instruction, state: State | None, call_name: Callable[[int, int], str]) -> str:
    code, _, _, value = one
    if state is None:
        return "never reached"
    field, architecture = state
    kind = code & 7
    if kind == _LD and code & 0xE0 == _ABS:
        return _field(value)
    if kind == _RET and not code & 0x10:
        return action_name(value)
    if kind != _JMP or code & 8 or code & 0xF0 == 0 or field is None:
        return ""
    sign = _SIGNS.get(_TESTS.get(code & 0xF0, ""), "?")
    name = ""
    if field == ARCH:
        name = ARCHITECTURES.get(value, "")
    elif field == NR and architecture is not None:
        x32 = architecture == _X86_64 and value >= _X32_CALLS
        name = "the first of x32" if value == _X32_CALLS and x32 and sign == ">=" else ""
        name = name or call_name(X32 if x32 else architecture, value)
    return f"{_field(field)} {sign} {name or f'{value:#x}'}"


def _field(offset: int) -> str:
    """A field of struct seccomp_data, whose 64-bit values are looked at half by half (little-endian)."""
    if offset in (NR, ARCH):
        return "nr" if offset == NR else "arch"
    half = "high" if offset % 8 else "low"
    name = f"args[{(offset - _ARGS) // 8}]" if offset >= _ARGS else "instruction pointer"
    return f"{name}, {half}"


def _flow(code: list[Instruction]) -> list[State | None]:
    """What is known before each instruction; None for one that is never reached. All jumps lead forward."""
    states: list[State | None] = [None] * len(code)
    states[:1] = [(None, None)]
    for place, one in enumerate(code):
        state = states[place]
        if state is None:
            continue
        for target, after in _after(place, one, state):
            if target < len(code):
                known = states[target] or after
                states[target] = (
                    known[0] if known[0] == after[0] else None,
                    known[1] if known[1] == after[1] else None,
                )
    return states


def _after(place: int, one: Instruction, state: State) -> Iterator[tuple[int, State]]:
    """Where it goes on from `one`, and what is known there."""
    code, _, _, value = one
    field, architecture = state
    kind = code & 7
    if kind == _RET:
        return
    if kind == _JMP:
        targets = _jumps(place, one)
        yield targets[0], (field, value if code & 0xF8 == 0x10 and field == ARCH else architecture)
        for target in targets[1:]:
            yield target, state
    elif kind == _LD:
        yield place + 1, (value if code & 0xE0 == _ABS else None, architecture)
    elif kind == _ALU or (kind == _MISC and code & 0x80):
        yield place + 1, (None, architecture)
    else:
        yield place + 1, state


def call(number: int, architecture: int, arguments: tuple[int, ...] = (), pointer: int = 0) -> bytes:
    """The struct seccomp_data that a filter is given for a system call."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    return pack(_DATA, number - 2**32 if number >= 2**31 else number, architecture, pointer, *padded)


def evaluate(program: bytes, data: bytes) -> tuple[int, int]:
    """What `program` gives for a call, and after how many instructions.

    Raises LabkitError for an instruction that seccomp has not, and where it runs past its end.
    """
    code = decode(program)
    a = x = place = steps = 0
    memory = [0] * 16
    while place < len(code):
        number, _, _, value = one = code[place]
        steps += 1
        place += 1
        kind = number & 7
        operand = x if number & 8 else value
        if kind in (_LD, _LDX):
            loaded = _load(number & 0xE0, value, data, memory)
            a, x = (loaded, x) if kind == _LD else (a, loaded)
        elif kind in (_ST, _STX):
            memory[value] = a if kind == _ST else x
        elif kind == _ALU:
            a = _compute(number & 0xF0, a, operand)
        elif kind == _JMP:
            targets = _jumps(place - 1, one)
            place = targets[0] if _holds(number & 0xF0, a, operand) else targets[-1]
        elif kind == _RET:
            return (a if number & 0x10 else value), steps
        else:
            a, x = (x, x) if number & 0x80 else (a, a)
    raise LabkitError("the BPF program runs past its end", "the kernel refuses it as well")


def _load(mode: int, value: int, data: bytes, memory: list[int]) -> int:
    if mode == _ABS:
        if value % 4 or value > _SIZE - 4:
            raise LabkitError(f"the BPF program loads from {value}", "seccomp has words of struct seccomp_data only")
        return int.from_bytes(data[value : value + 4], "little")
    return {_MEM: lambda: memory[value], _LEN: lambda: _SIZE}.get(mode, lambda: value)()


def _compute(operation: int, a: int, b: int) -> int:
    name = _OPERATIONS.get(operation)
    if name == "div" and not b:
        raise LabkitError("the BPF program divides by zero", "the kernel would give 0 for it, which kills")
    results: dict[str | None, Callable[[], int]] = {
        "add": lambda: a + b, "sub": lambda: a - b, "mul": lambda: a * b, "div": lambda: a // b, "or": lambda: a | b,
        "and": lambda: a & b, "lsh": lambda: a << b, "rsh": lambda: a >> b, "neg": lambda: -a, "xor": lambda: a ^ b,
    }  # fmt: skip
    if name not in results:
        raise LabkitError(f"{operation:#x} is no operation of BPF", "the kernel refuses it as well")
    return results[name]() & _WORD


def _holds(test: int, a: int, b: int) -> bool:
    name = _TESTS.get(test)
    if name is None:
        raise LabkitError(f"{test:#x} is no test of BPF", "the kernel refuses it as well")
    return {"jmp": True, "jeq": a == b, "jgt": a > b, "jge": a >= b, "jset": bool(a & b)}[name]
