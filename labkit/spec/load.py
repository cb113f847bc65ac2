"""Reading a bundle's config.json."""

from __future__ import annotations

import os

from labkit.errors import LabkitError, SpecError
from labkit.spec.model import Spec
from labkit.spec.validate import validate


def load_bundle(folder: str) -> Spec:
    """The checked configuration of the bundle `folder`, its root path made absolute.

    Raises LabkitError when the bundle cannot be read and SpecError when its configuration breaks a rule.
    """
    import json

    path = os.path.join(folder, "config.json")
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read().decode("utf-8"))
    except OSError as error:
        hint = "a bundle is a folder with config.json and the root filesystem it names"
        raise LabkitError(f"{path}: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise LabkitError(f"{path}: not UTF-8 at byte {error.start}", "JSON text is UTF-8 (RFC 8259)") from error
    except json.JSONDecodeError as error:
        raise LabkitError(f"{path}: line {error.lineno}: {error.msg}", "check it with: python3 -m json.tool") from error
    except RecursionError as error:
        raise SpecError("/", "is nested too deeply") from error
    spec = Spec.load(document, "")
    validate(spec)
    spec.root.path = os.path.normpath(os.path.join(os.path.abspath(folder), spec.root.path))
    return spec
