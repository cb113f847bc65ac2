"""A compile job: gcc makes a program of several files, as make(1) would, one after the other."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import MEMORY, SCRATCH, Workload, seconds, timed

_UNITS = 3
_HEAD = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n"
_FUNCTION = """\
struct entry_{n} {{ char name[{size}]; long count; struct entry_{n} *next; }};

long add_{n}(struct entry_{n} **list, const char *name, long count)
{{
    for (struct entry_{n} *one = *list; one; one = one->next)
        if (strcmp(one->name, name) == 0)
            return one->count += count * {n};
    struct entry_{n} *made = calloc(1, sizeof *made);
    if (!made)
        return -1;
    snprintf(made->name, sizeof made->name, "%s-%d", name, {n});
    made->count = count % {size};
    made->next = *list;
    *list = made;
    return made->count;
}}

"""


def files(scratch: str, scale: float) -> None:
    """The sources: lists, in functions that are alike."""
    for unit in range(_UNITS):
        each = max(1, round(8 * scale))
        numbers = range(unit * each, (unit + 1) * each)
        text = _HEAD + "".join(_FUNCTION.format(n=n, size=16 + n) for n in numbers)
        if unit == 0:
            text += 'int main(void)\n{\n    struct entry_0 *list = NULL;\n    return (int)add_0(&list, "a", 0);\n}\n'
        with open(f"{scratch}/unit{unit}.c", "w", encoding="ascii") as file:
            file.write(text)


def args(scale: float) -> tuple[str, ...]:
    """gcc(1): each file, then the program of all; what is between them is in memory."""
    objects = [f"{MEMORY}/unit{unit}.o" for unit in range(_UNITS)]
    steps = [f"gcc -O2 -c -o {made} {SCRATCH}/unit{unit}.c" for unit, made in enumerate(objects)]
    return timed(" && ".join([*steps, f"gcc -o {SCRATCH}/program {' '.join(objects)}"]))


def parse(text: str) -> list[Measurement]:
    """How long it took."""
    return [Measurement("run_time", "s", seconds(text))]


WORKLOAD = Workload(
    "compile",
    "applications",
    "gcc -O2 of 3 files and their link",
    ("gcc", "libc6-dev"),
    args,
    parse,
    "run_time",
    higher=False,
    core=True,
    files=files,
)
