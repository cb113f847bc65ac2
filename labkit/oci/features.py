"""`labkit-oci features`: what this runtime knows, for its callers (OCI runtime-spec: features.md)."""

from __future__ import annotations

import errno

from labkit.errors import UsageError
from labkit.linux.capabilities import NUMBERS
from labkit.linux.libc import syscall
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.scheduling import MEMORY_POLICIES, MEMORY_POLICY_FLAGS
from labkit.linux.seccomp import (
    ACTIONS,
    ARCHITECTURES,
    FILTER_FLAGS,
    OPERATORS,
    SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_SET_MODE_FILTER,
)
from labkit.oci.options import parse
from labkit.plan.options import recognized
from labkit.spec.document import encode
from labkit.spec.hooks import Hooks
from labkit.spec.model import Linux, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

USAGE = "USAGE:\n   labkit-oci features"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the features."""
    _, others = parse(words, {}, {}, anywhere=True)
    if others:
        raise UsageError('"features" requires exactly 0 argument(s)', "see --help")
    print(encode(document(), "    "))
    return 0


def document() -> Document:
    """The features, from the tables by which configurations are read and carried out."""
    from labkit import __version__

    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": Spec.PROPERTIES["oci_version"][2],
        "hooks": [name for name, _, _ in Hooks.PROPERTIES.values()],
        "mountOptions": recognized(),
        "linux": _linux(),
        "annotations": {
            "org.opencontainers.runc.checkpoint.enabled": "false",
            "labkit.version": __version__,
        },
        # No annotation changes what is done.
        "potentiallyUnsafeConfigAnnotations": [],
    }


def _linux() -> Document:
    known = {name for name, _, _ in Linux.PROPERTIES.values()}
    return {
        "namespaces": sorted(NAMESPACES),
        "capabilities": list(NUMBERS),
        # A scope is asked for from systemd's manager of the system, never from a user's.
        "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": False, "rdma": True},
        "seccomp": {
            "enabled": True,
            "actions": sorted(ACTIONS),
            "operators": sorted(OPERATORS),
            "archs": sorted(ARCHITECTURES),
            "knownFlags": sorted(FILTER_FLAGS),
            "supportedFlags": sorted(name for name in FILTER_FLAGS if _supported(name)),
        },
        "apparmor": {"enabled": True},
        "selinux": {"enabled": True},
        "intelRdt": {"enabled": "intelRdt" in known},
        "memoryPolicy": {"modes": list(MEMORY_POLICIES), "flags": list(MEMORY_POLICY_FLAGS)},
        "mountExtensions": {"idmap": {"enabled": True}},
        "netDevices": {"enabled": "netDevices" in known},
    }


def _supported(flag: str) -> bool:
    """Whether this kernel knows the flag: it looks at flags first and then for the program, which is not there."""
    bits = FILTER_FLAGS[flag]
    if flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
        bits |= SECCOMP_FILTER_FLAG_NEW_LISTENER
    try:
        syscall("seccomp", SECCOMP_SET_MODE_FILTER, bits, None)
    except OSError as error:
        return error.errno == errno.EFAULT
    return True
