"""What a foreign image says of how it is to be run: read from an OCI image layout, with nothing in it trusted.

Source: OCI image specification, image-layout.md, manifest.md and config.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

# A layout's descriptions are a few KB; a hostile one could fill the memory.
_LARGEST = 4 * 2**20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(machine: str) -> str:
    """The specification's word for a machine as uname(2) names it."""
    return _ARCHITECTURES.get(machine, machine)


def read(layout: Path, what: str) -> dict[str, Any]:
    """Entrypoint and Cmd together as `args`, `env` by name, `cwd` and `user`: those that the layout's one image has.

    Raises LabkitError for an image of another machine or system, and for what breaks the specification.
    """
    try:
        index = _json(layout / "index.json")
        manifest = _json(_blob(layout, index["manifests"][0]["digest"]))
        document = _json(_blob(layout, manifest["config"]["digest"]))
        made_for = f"{document.get('os', 'linux')}/{document.get('architecture')}"
        found = _execution(document.get("config") or {})
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise LabkitError(
            f"{what}: its configuration is malformed: {type(error).__name__}: {error}",
            "the OCI image specification has the rules: config.md",
        ) from error
    wanted = f"linux/{architecture(os.uname().machine)}"
    if made_for != wanted:
        raise LabkitError(f"{what} is made for {made_for}, this host is {wanted}", "ask for another tag")
    return found


def _execution(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if args := _texts(config, "Entrypoint") + _texts(config, "Cmd"):
        found["args"] = args
    if entries := _texts(config, "Env"):
        # A name without a value is no variable; Docker passes over it, too.
        pairs = [entry.partition("=") for entry in entries]
        found["env"] = {name: value for name, equals, value in pairs if name and equals}
    if cwd := _text(config, "WorkingDir"):
        if not cwd.startswith("/"):
            raise ValueError(f"WorkingDir {cwd!r} is not absolute")
        found["cwd"] = cwd
    if user := _text(config, "User"):
        found["user"] = user
    return found


def _texts(config: dict[str, Any], name: str) -> list[str]:
    values = config.get(name) or []
    if not isinstance(values, list):
        raise TypeError(f"{name} is not a list")
    return [_checked(name, value) for value in values]


def _text(config: dict[str, Any], name: str) -> str:
    return _checked(name, config.get(name) or "")


def _checked(name: str, value: object) -> str:
    # execve(2) ends each text at its first NUL.
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{name} has {value!r}, which is no text")
    return value


def _blob(layout: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    # It becomes a path.
    if algorithm != "sha256" or len(name) != 64 or name.strip("0123456789abcdef"):
        raise ValueError(f"{digest!r} is not a digest")
    return layout / "blobs/sha256" / name


def _json(path: Path) -> Any:
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ValueError(f"{path.name} has more than {_LARGEST} bytes")
    return json.loads(text)
