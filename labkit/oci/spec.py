"""`labkit-oci spec`: write a config.json to begin with, the one that runc 1.1 writes (runc-spec(8))."""

from __future__ import annotations

import os

from labkit.errors import LabkitError, UsageError
from labkit.oci.options import FLAG, VALUE, parse
from labkit.spec.default import MASKED_PATHS, PATH, READONLY_PATHS, mounts
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

USAGE = """USAGE:
   labkit-oci spec [command options]

OPTIONS:
   --bundle value, -b value  the folder to write config.json in; the current one by default
   --rootless                write one for a user who is not root
"""
# Not the newest: crun refuses a version that it does not know, and nothing here needs one.
_VERSION = "1.0.2"
_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
# With the cgroup namespace where v2 is all there is.
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount")


def main(words: list[str], options: dict[str, Any]) -> int:
    """Write the file; one that is there already is an error."""
    given, others = parse(words, {"bundle": VALUE, "rootless": FLAG}, {"b": "bundle"}, anywhere=True)
    if others:
        raise UsageError('"spec" requires exactly 0 argument(s)', "give the folder with --bundle")
    if given["bundle"]:
        try:
            os.chdir(given["bundle"])
        except OSError as error:
            words_of_os = (error.strerror or "").lower()
            raise LabkitError(f"chdir {given['bundle']}: {words_of_os}", "make the folder first") from error
    only_v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    text = encode(document(only_v2, (os.geteuid(), os.getegid()) if given["rootless"] else None), "\t")
    try:
        descriptor = os.open("config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise LabkitError("File config.json exists. Remove it first", "or give another folder with --bundle") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


def document(only_v2: bool, user: tuple[int, int] | None) -> Document:
    """The configuration; with `user`, the uid and gid of one who is not root, one that he can run."""
    found: Document = {
        "ociVersion": _VERSION,
        "process": _process(),
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "runc",
        "mounts": [mount.dump() for mount in mounts()],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in (*_NAMESPACES, *(("cgroup",) if only_v2 else ()))],
            "maskedPaths": list(MASKED_PATHS[:10]),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }
    del found["mounts"][0]["options"]
    if user is not None:
        found["mounts"] = [_for_user(mount) for mount in found["mounts"]]
        found["linux"] = _linux_for_user(found["linux"], *user)
    return found


def _process() -> Document:
    return {
        "terminal": True,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [PATH, "TERM=xterm"],
        "cwd": "/",
        "capabilities": {name: list(_CAPABILITIES) for name in ("bounding", "effective", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def _for_user(mount: Document) -> Document:
    if mount["destination"] == "/sys":
        # sysfs can be mounted by the owner of the network namespace only.
        options = ["rbind", "nosuid", "noexec", "nodev", "ro"]
        return {"destination": "/sys", "type": "none", "source": "/sys", "options": options}
    if "options" in mount:
        # No other id than one is mapped.
        mount["options"] = [option for option in mount["options"] if not option.startswith(("uid=", "gid="))]
    return mount


def _linux_for_user(linux: Document, uid: int, gid: int) -> Document:
    kinds = [entry for entry in linux["namespaces"] if entry["type"] != "network"]
    mapped: Document = {
        "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
    }
    rest = {name: value for name, value in linux.items() if name != "resources"}
    return mapped | rest | {"namespaces": [*kinds, {"type": "user"}]}
