"""The profiles of system-call filters that can be named, and files that hold one."""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.linux.libc import MACHINE
from labkit.spec.seccomp import Seccomp
from labkit.spec.seccomp_default import default_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    # A profile: its name, the path of its file, the object in that, or what is made of it.
    Wanted = str | os.PathLike[str] | Mapping[str, Any] | Seccomp | None

NAMES = ("default", "strict", "none")


def profile(wanted: Wanted, capabilities: tuple[str, ...]) -> Seccomp | None:
    """The filter that is wanted for a container with the bounding set `capabilities`; None for none.

    A text with a slash in it or .json at its end is a file's path. Raises LabkitError for what is no profile.
    """
    if wanted == "default":
        return default_profile(capabilities, MACHINE)
    if wanted is None or wanted == "none" or isinstance(wanted, Seccomp):
        return wanted if isinstance(wanted, Seccomp) else None
    # Imported here: few containers have one of these.
    if wanted == "strict":
        from labkit.spec.seccomp_strict import strict_profile

        return strict_profile()
    from labkit.spec.seccomp_file import load_document, load_file

    release = os.uname().release
    if not isinstance(wanted, str | os.PathLike):
        return load_document(wanted, "seccomp", capabilities, MACHINE, release)
    path = os.fspath(wanted)
    if isinstance(wanted, str) and "/" not in path and not path.endswith(".json"):
        hint = f"the profiles are {', '.join(NAMES)}; a file is named by a path with a slash, or with .json at its end"
        raise LabkitError(f"no seccomp profile {path!r}", hint)
    return load_file(path, capabilities, MACHINE, release)
