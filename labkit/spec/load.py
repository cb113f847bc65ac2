"""Reading a bundle's config.json."""

from __future__ import annotations

import os
from _json import make_scanner

from labkit.errors import LabkitError, SpecError
from labkit.spec.model import Spec
from labkit.spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# runc's own configurations have 3 KiB, Docker's with its filter 20.
_LARGEST = 16 * 2**20
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


def load_bundle(folder: str) -> Spec:
    """The checked configuration of the bundle `folder`, its root path made absolute.

    Raises LabkitError when the bundle cannot be read and SpecError when its configuration breaks a rule.
    """
    path = os.path.join(folder, "config.json")
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise LabkitError(f"{path}: is larger than {_LARGEST // 2**20} MiB", "is it the right file?")
        document = _decode(data.decode("utf-8"))
    except OSError as error:
        hint = "a bundle is a folder with config.json and the root filesystem it names"
        raise LabkitError(f"{path}: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise LabkitError(f"{path}: not UTF-8 at byte {error.start}", "JSON text is UTF-8 (RFC 8259)") from error
    except ValueError as error:
        # JSONDecodeError has both; plain ValueError is int()'s, for a number of more than 4300 digits.
        line, words = getattr(error, "lineno", 0), getattr(error, "msg", str(error))
        place = f"line {line}: {words}" if line else words
        raise LabkitError(f"{path}: {place}", "check it with: python3 -m json.tool") from error
    except RecursionError as error:
        raise SpecError("/", "is nested too deeply") from error
    spec = Spec.load(document, "")
    validate(spec)
    base = os.path.abspath(folder)
    spec.root.path = os.path.normpath(os.path.join(base, spec.root.path))
    for mount in spec.mounts:
        # config.md, mounts: the source of a bind mount is absolute or relative to the bundle.
        if mount.source and (mount.kind == "bind" or "bind" in mount.options or "rbind" in mount.options):
            mount.source = os.path.normpath(os.path.join(base, mount.source))
    return spec


def _decode(document: str) -> Any:
    """json.loads(document), without `json` and the `re` it imports, which cost more than all else of this module."""
    try:
        value, end = make_scanner(_SETTINGS)(document, len(document) - len(document.lstrip(_BLANKS)))
        if not document[end:].strip(_BLANKS):
            return value
    except (StopIteration, ValueError, SystemError):
        pass  # SystemError: without `json` in memory the scanner finds no JSONDecodeError to raise.
    import json

    # Here only to say what is wrong, in the words people know.
    return json.loads(document)
