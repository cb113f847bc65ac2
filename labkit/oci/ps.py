"""`labkit-oci ps`: the processes inside a container, by the host's pids."""

from __future__ import annotations

import os
import sys

from labkit.cgroups.processes import pids
from labkit.engine import state
from labkit.errors import LabkitError, UsageError
from labkit.oci.options import VALUE, parse
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = """USAGE:
   labkit-oci ps [command options] <container-id> [ps options]

   [ps options] are those of ps(1), -ef by default; its output must have a column PID

OPTIONS:
   --format value, -f value  table (default) or json
"""


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the processes."""
    given, others = parse(words, {"format": VALUE}, {"f": "format"}, anywhere=False)
    if not others:
        raise UsageError("at least 1 argument is needed, the container ID", "see --help")
    found = state.load(others[0], options["root"])
    inside = pids(found.cgroups) if found.cgroups else [found.pid] if found.runs() else []
    if given["format"] == "json":
        print(encode(inside))
        return 0
    if given["format"] not in ("", "table"):
        raise LabkitError(f"invalid format option: {given['format']}", "use table or json")
    rows = _ps(others[1:] or ["-ef"])
    column = rows[0].split().index("PID") if rows and "PID" in rows[0].split() else -1
    if column < 0:
        raise LabkitError("couldn't find PID field in ps output", "give ps options whose output has a column PID")
    print(rows[0])
    for row in rows[1:]:
        fields = row.split()
        if len(fields) > column and fields[column].isdecimal() and int(fields[column]) in inside:
            print(row)
    return 0


def _ps(arguments: list[str]) -> list[str]:
    """The lines that ps(1) prints."""
    program = next((path for path in ("/bin/ps", "/usr/bin/ps") if os.path.exists(path)), "")
    if not program:
        raise LabkitError("ps is not installed", "sudo apt-get install procps, or use --format json")
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.posix_spawn(program, ["ps", *arguments], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as output:
        text = output.read()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise LabkitError(f"ps {' '.join(arguments)} failed", "see ps(1) for its options")
    return text.splitlines()
