"""A compiled seccomp filter made shorter: the same decisions, by ranges of system-call numbers.

Of a new filter the kernel works out for each number of the native and the compatible architecture whether it is always
allowed (kernel/seccomp.c, seccomp_cache_prepare(), Linux 5.11), so that loading one costs the length of the way through
it a thousand times, and the translation of its instructions once. libseccomp's tree tests each number by itself, though
most neighbours have the same answer. Here a range is one test, and what is asked of arguments stays as it is.
"""

from __future__ import annotations

import sys
from _struct import iter_unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    # code, jump if true, jump if false, value
    Instruction = tuple[int, int, int, int]
    # Numbers from the first to the last.
    Range = tuple[int, int]
    # What is decided for a range: the value to give, or the instruction at which arguments are looked at.
    Leaf = tuple[str, int]

_LOAD, _JUMP, _EQUAL, _GREATER, _GREATER_OR_EQUAL, _SET, _GIVE = 0x20, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
_NR, _ARCH = 0, 4
_LAST = 0xFFFFFFFF
# A conditional jump's reach, with one instruction to spare for what is put in between.
_REACH = 254
# What the kernel tries out: numbers that a table of system calls may have.
_TRIED = 512
# Of so many ranges those of one number are asked for first: it takes no more tests on any way, and fewer instructions.
_FEW = 7


class _Unknown(Exception):
    """The program has something that libseccomp does not write."""


def shorten(program: bytes) -> bytes:
    """A program that gives for every call what `program` gives; `program` itself where it cannot be made shorter."""
    code: list[Instruction] = list(iter_unpack("=HBBI", program))
    try:
        architectures: list[int] = []
        other = _leaves(code, None, architectures)
        found = [(architecture, _leaves(code, architecture, [])) for architecture in architectures]
        short = _assemble(code, found, other)
    except _Unknown:
        return program
    return short if len(short) < len(program) else program


def _leaves(code: list[Instruction], architecture: int | None, named: list[int]) -> list[tuple[int, Leaf]]:
    """The decisions for calls of one architecture, each with the first number that it is for, in order.

    None stands for all architectures that the program does not name; those that it does are added to `named`.
    """
    # By instruction and by what A holds there: the ranges of numbers that come to it. All jumps lead forward.
    reached: list[dict[int | None, list[Range]]] = [{} for _ in code]
    reached[0][None] = [(0, _LAST)]
    found: list[tuple[int, int, Leaf]] = []
    for place, (number, true, false, value) in enumerate(code):
        for held, ranges in reached[place].items():
            if number == _GIVE:
                found += [(low, high, ("give", value)) for low, high in ranges]
            elif number == _LOAD and value in (_NR, _ARCH):
                _reach(reached, place + 1, value, ranges)
            elif number == _LOAD:
                found += [(low, high, ("look", place)) for low, high in ranges]
            elif number == _JUMP:
                _reach(reached, place + 1 + value, held, ranges)
            elif number not in (_EQUAL, _GREATER, _GREATER_OR_EQUAL):
                raise _Unknown
            elif held == _NR:
                holds, fails = _split(number, value, ranges)
                _reach(reached, place + 1 + true, held, holds)
                _reach(reached, place + 1 + false, held, fails)
            elif held == _ARCH and number == _EQUAL:
                if architecture is None and value not in named:
                    named.append(value)
                _reach(reached, place + 1 + (true if architecture == value else false), held, ranges)
            else:
                raise _Unknown
    merged: list[tuple[int, Leaf]] = []
    for low, _, leaf in sorted(found):
        if not merged or merged[-1][1] != leaf:
            merged.append((low, leaf))
    return merged


def _reach(reached: list[dict[int | None, list[Range]]], place: int, held: int | None, ranges: list[Range]) -> None:
    if not ranges:
        return
    if place >= len(reached):
        raise _Unknown
    reached[place].setdefault(held, []).extend(ranges)


def _split(test: int, value: int, ranges: list[Range]) -> tuple[list[Range], list[Range]]:
    """The numbers for which the test holds, and the others."""
    first, last = (value, value) if test == _EQUAL else (value + (test == _GREATER), _LAST)
    holds, fails = [], []
    for low, high in ranges:
        if low < first:
            fails.append((low, min(high, first - 1)))
        if high > last:
            fails.append((max(low, last + 1), high))
        if high >= first and low <= last:
            holds.append((max(low, first), min(high, last)))
    return holds, fails


class _Writer:
    """Instructions written from the last to the first, since all jumps lead forward; a place counts from the end."""

    __slots__ = ("_code", "_given", "_looks", "_old", "_same")

    def __init__(self, old: list[Instruction]) -> None:
        self._old = old
        self._code: list[Instruction] = []
        self._given: dict[int, int] = {}
        self._looks: dict[int, int] = {}
        self._same: dict[tuple[int, int, int, int], int] = {}

    def text(self) -> bytes:
        return b"".join(
            code.to_bytes(2, sys.byteorder) + bytes((true, false)) + value.to_bytes(4, sys.byteorder)
            for code, true, false, value in reversed(self._code)
        )

    def add(self, code: int, value: int, true: int = 0, false: int = 0) -> int:
        """Write an instruction; the place it has."""
        self._code.append((code, true, false, value))
        return len(self._code)

    def test(self, code: int, value: int, true: int, false: int) -> int:
        """Write a conditional jump to two places, over a jump where one is out of its reach."""
        while True:
            here = len(self._code)
            if here - true > _REACH:
                true = self.add(_JUMP, here - true)
            elif here - false > _REACH:
                false = self.add(_JUMP, here - false)
            else:
                return self.add(code, value, here - true, here - false)

    def leaf(self, leaf: Leaf) -> int:
        """Where the decision is made: written, unless it is near."""
        kind, value = leaf
        if kind == "look":
            return self._look(value)
        place = self._given.get(value, 0)
        if not place or len(self._code) - place > _REACH - 2:
            place = self._given[value] = self.add(_GIVE, value)
        return place

    def _look(self, begin: int) -> int:
        """The old program from the instruction `begin` on: what is reached from there, the last first."""
        if begin not in self._looks:
            wanted = {begin}
            for place in range(begin, len(self._old)):
                if place in wanted:
                    wanted.update(_next(place, self._old))
            for place in sorted(wanted - self._looks.keys(), reverse=True):
                self._looks[place] = self._copy(place)
        return self._looks[begin]

    def _copy(self, place: int) -> int:
        code, _, _, value = self._old[place]
        if code == _GIVE:
            return self.leaf(("give", value))
        targets = [self._looks[target] for target in _next(place, self._old)]
        if code == _JUMP:
            return targets[0]
        # The same question, of which the answers lead to the same, is often asked for each architecture.
        question = (code, value, targets[0], targets[-1])
        known = self._same.get(question)
        if known is None:
            known = self._same[question] = self.ask(*question)
        return known

    def ask(self, code: int, value: int, true: int, false: int) -> int:
        """Write a test, or an instruction that goes on to `true`, by a jump where that is not the next."""
        if code & 7 == _JUMP:
            return self.test(code, value, true, false)
        if true != len(self._code):
            self.add(_JUMP, len(self._code) - true)
        return self.add(code, value)


def _next(place: int, code: list[Instruction]) -> tuple[int, ...]:
    """Where an instruction leads: to one place, or to the one where its test holds and the one where it does not."""
    number, true, false, value = code[place]
    if number & 7 == _GIVE:
        if number != _GIVE:
            raise _Unknown
        return ()
    if number & 7 != _JUMP:
        return (place + 1,)
    return (place + 1 + value,) if number == _JUMP else (place + 1 + true, place + 1 + false)


def _assemble(
    old: list[Instruction], found: list[tuple[int, list[tuple[int, Leaf]]]], other: list[tuple[int, Leaf]]
) -> bytes:
    """The program for the decisions of each architecture that has been found, and of all others."""
    writer = _Writer(old)
    trees = [(architecture, _search(writer, leaves)) for architecture, leaves in reversed(found)]
    begin = _search(writer, other)
    for architecture, tree in trees:
        begin = writer.test(_EQUAL, architecture, tree, begin)
    writer.ask(_LOAD, _ARCH, begin, begin)
    return writer.text()


def _search(writer: _Writer, leaves: list[tuple[int, Leaf]]) -> int:
    tree = _tree(writer, leaves)
    return writer.ask(_LOAD, _NR, tree, tree) if len(leaves) > 1 else tree


def _tree(writer: _Writer, leaves: list[tuple[int, Leaf]], end: int = _LAST) -> int:
    """Write the search for a number among `leaves`, the last of which goes up to `end`; where it begins."""
    if len(leaves) == 1:
        return writer.leaf(leaves[0][1])
    single = _single(leaves) if len(leaves) <= _FEW else 0
    if single:
        # Without it those around it are one range.
        rest = _tree(writer, leaves[:single] + leaves[single + 2 :], end)
        return writer.test(_EQUAL, leaves[single][0], writer.leaf(leaves[single][1]), rest)
    middle = _middle(leaves, end)
    above = _tree(writer, leaves[middle:], end)
    below = _tree(writer, leaves[:middle], leaves[middle][0] - 1)
    return writer.test(_GREATER_OR_EQUAL, leaves[middle][0], above, below)


def _single(leaves: list[tuple[int, Leaf]]) -> int:
    """The index of a range of one number between two that are decided alike; 0 for none."""
    for index in range(1, len(leaves) - 1):
        if leaves[index][0] + 1 == leaves[index + 1][0] and leaves[index - 1][1] == leaves[index + 1][1]:
            return index
    return 0


def _middle(leaves: list[tuple[int, Leaf]], end: int) -> int:
    """Where to divide `leaves`, so that about as many of the numbers that are tried are on either side."""
    bounds = [min(low, _TRIED) for low, _ in leaves] + [min(end + 1, _TRIED)]
    # What is never tried has some weight as well: the program shall not become a chain.
    places = [bound + index for index, bound in enumerate(bounds)]
    half = (places[0] + places[-1]) / 2
    return min(range(1, len(leaves)), key=lambda index: abs(places[index] - half))
