"""JSON text read and written without `json`, whose imports take longer than all that labkit does with it (RFC 8259)."""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t\n\r"


class _Scanning:
    """The settings that json.JSONDecoder gives its scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_SETTINGS: Any = _Scanning


def decode(document: str) -> Any:
    """json.loads(document). Raises what that raises: ValueError, and RecursionError."""
    try:
        value, end = make_scanner(_SETTINGS)(document, len(document) - len(document.lstrip(_BLANKS)))
        if not document[end:].strip(_BLANKS):
            return value
    except (StopIteration, ValueError, SystemError):
        pass  # SystemError: without `json` in memory the scanner finds no JSONDecodeError to raise.
    import json

    # Here only to say what is wrong, in the words people know.
    return json.loads(document)


def encode(value: Any, indent: str | None = None, margin: str = "") -> str:
    """`value`, of the types that JSON has, as text: without blanks, or with `indent` for each level."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, int | float):
        return repr(value)
    inner = "" if indent is None else margin + indent
    if isinstance(value, dict):
        colon = ":" if indent is None else ": "
        items = [f"{encode_basestring_ascii(key)}{colon}{encode(item, indent, inner)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [encode(item, indent, inner) for item in value]
        opening, closing = "[", "]"
    if indent is None or not items:
        return opening + ",".join(items) + closing
    lines = ",\n".join(inner + item for item in items)
    return f"{opening}\n{lines}\n{margin}{closing}"
