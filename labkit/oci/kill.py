"""`labkit-oci kill`: send a signal to a container (runtime.md, Kill)."""

from __future__ import annotations

import _signal

from labkit.engine import lifecycle, state
from labkit.errors import UsageError
from labkit.oci.options import FLAG, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = """USAGE:
   labkit-oci kill [command options] <container-id> [signal]

   [signal] is TERM by default; a name, with or without SIG, or a number

OPTIONS:
   --all, -a  send the signal to all processes inside the container
"""


def main(words: list[str], options: dict[str, Any]) -> int:
    """Send the signal."""
    given, others = parse(words, {"all": FLAG}, {"a": "all"}, anywhere=True)
    if not 1 <= len(others) <= 2:
        raise UsageError(f"1 or 2 arguments are needed, the container ID and a signal, not {len(others)}", "see --help")
    number = signal_number(others[1] if len(others) > 1 else "TERM")
    lifecycle.kill(state.load(others[0], options["root"]), number, given["all"])
    return 0


def signal_number(text: str) -> int:
    """The number of a signal given as number or as name, with or without SIG."""
    if text.isascii() and text.isdecimal():
        number = int(text)
    else:
        name = text.upper().removeprefix("SIG")
        number = int(getattr(_signal, f"SIG{name}", 0)) if name.isidentifier() else 0
        for base, start in (("RTMIN", _signal.SIGRTMIN), ("RTMAX", _signal.SIGRTMAX)):
            offset = name.removeprefix(base)
            if offset != name and offset[1:].isdecimal():
                number = start + int(offset)
    # 0 sends nothing and asks whether it could be sent (kill(2)).
    if not 0 <= number < _signal.NSIG or (number == 0 and text != "0"):
        raise UsageError(f'unknown signal "{text}"', "signal(7) lists them")
    return number
