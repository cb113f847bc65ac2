"""The price of a system-call filter: how long a call takes that a filter of some length looks at.

Every treatment has a process of its own, since a filter stays for good; all of them live at once, and make their calls
by turns, in blocks of random order, so that a drift of the host hits all alike. The call is getpid(2), the shortest
there is, made from a loop of machine code. Since Linux 5.11 the kernel works out, when a filter is loaded, which calls
it allows whatever their arguments, and does not run it for those (kernel/seccomp.c, seccomp_cache_prepare): what a
list costs is seen only where it looks at an argument before it decides.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from labkit.errors import LabkitError
from labkit.linux.classic_bpf import call, evaluate
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import compile_filter
from labkit.spec import default
from labkit.spec.seccomp_default import default_profile

_GETPID = {"x86_64": 39, "aarch64": 172}
_PERSONALITY = {"x86_64": 135, "aarch64": 92}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050001
LENGTHS = (1, 25, 50, 100, 200, 400, 800, 1600)
NONE = "no filter"
CONSTANT, ARGUMENT = "decides by number alone", "looks at an argument"
DEFAULT, DEFAULT_ARGUMENT = "default profile, getpid", "default profile, personality"
# Of the frame that `measure` gives: times in ns a call, `executed` BPF instructions by the interpreter's count.
COLUMNS = ("treatment", "kind", "call", "rules", "executed", "block", "position", "value")


@dataclass(frozen=True, slots=True)
class Treatment:
    """A filter (b"" for none), and the call that is made under it; `rules` is the length of its list."""

    kind: str
    call: str
    rules: int
    program: bytes

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.kind}, {self.rules} rules" if self.rules else self.kind

    @property
    def executed(self) -> int:
        """How many BPF instructions its call takes, where the kernel runs the filter."""
        if not self.program:
            return 0
        return evaluate(self.program, call(_number(self.call), _AUDIT_ARCH[MACHINE]))[1]


def _number(name: str) -> int:
    table = {"getpid": _GETPID, "personality": _PERSONALITY}[name]
    if MACHINE not in table:
        raise LabkitError(f"the price of a filter is not measured on {MACHINE}", f"it is on {' and '.join(table)}")
    return table[MACHINE]


def listed(rules: int, looks: bool) -> bytes:
    """A filter that compares the call's number with `rules` others before it allows it, as a plain list does.

    With `looks` it reads the first argument first and refuses one value of it, so that no answer is known beforehand.
    """
    code = [(0x20, 0, 0, 16), (0x15, 0, 1, 0xFFFFFFFF), (0x06, 0, 0, _ERRNO)] if looks else []
    code.append((0x20, 0, 0, 0))
    for other in range(rules):
        code += [(0x15, 0, 1, 100_000 + other), (0x06, 0, 0, _ERRNO)]
    return b"".join(struct.pack("=HBBI", *one) for one in [*code, (0x06, 0, 0, _ALLOW)])


def treatments(lengths: Sequence[int] = LENGTHS) -> list[Treatment]:
    """Lists of these lengths of both kinds, the default profile, and both calls without a filter."""
    profile = compile_filter(*default_profile(default.CAPABILITIES, MACHINE).profile())
    made = [Treatment(NONE, "getpid", 0, b""), Treatment(f"{NONE}, personality", "personality", 0, b"")]
    for kind in (CONSTANT, ARGUMENT):
        made += [Treatment(kind, "getpid", rules, listed(rules, kind == ARGUMENT)) for rules in lengths]
    return [
        *made,
        Treatment(DEFAULT, "getpid", 0, profile),
        Treatment(DEFAULT_ARGUMENT, "personality", 0, profile),
    ]


def measure(
    blocks: int = 15,
    calls: int = 20_000,
    lengths: Sequence[int] = LENGTHS,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """A row for each treatment in each block, of COLUMNS. Raises LabkitError where no filter can be loaded."""
    chosen = treatments(lengths)
    draw = random.Random(seed)
    rows = []
    with ExitStack() as stack:
        workers = {treatment.name: stack.enter_context(_Worker(treatment)) for treatment in chosen}
        for worker in workers.values():
            worker.take(calls)
        for block in range(blocks):
            order = draw.sample(chosen, len(chosen))
            for position, one in enumerate(order):
                taken = workers[one.name].take(calls) / calls
                rows.append((one.name, one.kind, one.call, one.rules, one.executed, block, position, taken))
            if progress:
                progress(block + 1, blocks)
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Worker:
    """The process of one treatment."""

    def __init__(self, treatment: Treatment) -> None:
        self.number = _number(treatment.call)
        package = str(Path(__file__).resolve().parents[2])
        # -I -S: nothing but labkit.linux is loaded.
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); from labkit.bench.filter_price_worker import main; main()"
        )
        argv = [sys.executable, "-I", "-S", "-c", program, package]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._write(struct.pack("=I", len(treatment.program)) + treatment.program)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            while data:
                data = data[self.process.stdin.write(data) or 0 :]
        except BrokenPipeError:
            raise self._died() from None

    def take(self, calls: int) -> int:
        """How many ns so many calls take."""
        assert self.process.stdout is not None
        self._write(struct.pack("=QQ", calls, self.number))
        answer = self.process.stdout.read(8)
        if not answer or len(answer) != 8:
            raise self._died()
        return int(struct.unpack("=Q", answer)[0])

    def _died(self) -> LabkitError:
        how = self.process.wait()
        return LabkitError(
            f"a process under a filter ended with status {how}", "does this kernel have seccomp filters?"
        )


def as_observations(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as `labkit.stats` takes it, each call beside the same one without a filter."""
    runtimes = frame["treatment"].where(~frame["kind"].str.startswith(NONE), NONE)
    return pd.DataFrame(
        {
            "condition": frame["call"],
            "metric": "call",
            "runtime": runtimes,
            "block": frame["block"],
            "value": frame["value"],
            "status": "ok",
        }
    )


def facts() -> dict[str, str]:
    """What the price depends on: the kernel, and whether it compiles BPF to machine code."""
    try:
        jit = Path("/proc/sys/net/core/bpf_jit_enable").read_text().strip()
    except OSError:
        jit = ""
    words = {"0": "no, filters are interpreted", "1": "yes", "2": "yes"}
    return {"kernel": os.uname().release, "BPF compiled to machine code": words.get(jit, "not shown by this host")}
