"""`labkit-oci state`: a container's state as JSON (runtime.md, State)."""

from __future__ import annotations

from labkit.engine import state
from labkit.oci.options import one, parse
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labkit.engine.state import State

USAGE = "USAGE:\n   labkit-oci state <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the state."""
    _, others = parse(words, {}, {}, anywhere=True)
    print(encode(document(state.load(one(others), options["root"])), "  "))
    return 0


def document(found: State) -> dict[str, Any]:
    """The state as the specification has it, and with what runc adds."""
    status = found.status()
    values = found.values
    shown = {
        "ociVersion": values["ociVersion"],
        "id": found.id,
        "pid": found.pid if status != "stopped" else 0,
        "status": status,
        "bundle": values["bundle"],
        "rootfs": values["rootfs"],
        "created": values["created"],
    }
    if values["annotations"]:
        shown["annotations"] = values["annotations"]
    return shown | {"owner": owner(values["uid"])}


def owner(uid: int) -> str:
    """The name of the user who made it, "" for root as runc has it."""
    if uid == 0:
        return ""
    from pwd import getpwuid

    try:
        return getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
