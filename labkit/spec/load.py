"""Reading a bundle's config.json."""

from __future__ import annotations

from labkit.errors import LabkitError, SpecError
from labkit.linux import os
from labkit.spec.document import decode
from labkit.spec.model import Spec
from labkit.spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# runc's own configurations have 3 KiB, Docker's with its filter 20.
_LARGEST = 16 * 2**20


def load_bundle(folder: str) -> Spec:
    """The checked configuration of the bundle `folder`, its root path made absolute.

    Raises LabkitError when the bundle cannot be read and SpecError when its configuration breaks a rule.
    """
    return load_text(read_config(folder), folder)


def read_config(folder: str, name: str = "config.json") -> bytes:
    """The text of the bundle's configuration, in the file `name` counted from the bundle on."""
    return _read(os.path.join(folder, name), "a bundle is a folder with config.json and its root filesystem")


def read_json(path: str) -> Any:
    """The decoded content of a JSON file; LabkitError says what is wrong with it."""
    return _decode(_read(path, "check the path"), path)


def _read(path: str, hint: str) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise LabkitError(f"{path}: {error.strerror}", hint) from error
    if len(data) > _LARGEST:
        raise LabkitError(f"{path}: is larger than {_LARGEST // 2**20} MiB", "is it the right file?")
    return data


def _decode(data: bytes, path: str) -> Any:
    try:
        return decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LabkitError(f"{path}: not UTF-8 at byte {error.start}", "JSON text is UTF-8 (RFC 8259)") from error
    except ValueError as error:
        # JSONDecodeError has both; plain ValueError is int()'s, for a number of more than 4300 digits.
        line, words = getattr(error, "lineno", 0), getattr(error, "msg", str(error))
        place = f"line {line}: {words}" if line else words
        raise LabkitError(f"{path}: {place}", "check it with: python3 -m json.tool") from error
    except RecursionError as error:
        raise SpecError("/", "is nested too deeply") from error


def load_text(data: bytes, folder: str) -> Spec:
    """The checked configuration with this text; its relative paths begin in the bundle `folder`."""
    document = _decode(data, os.path.join(folder, "config.json"))
    spec = Spec.load(document, "")
    validate(spec)
    base = os.path.abspath(folder)
    spec.root.path = os.path.normpath(os.path.join(base, spec.root.path))
    for mount in spec.mounts:
        # config.md, mounts: the source of a bind mount is absolute or relative to the bundle.
        if mount.source and (mount.kind == "bind" or "bind" in mount.options or "rbind" in mount.options):
            mount.source = os.path.normpath(os.path.join(base, mount.source))
    return spec


def _open(path: str, flags: int) -> int:
    # A fifo that nobody writes to would never be opened.
    return os.open(path, flags | os.O_NONBLOCK)
