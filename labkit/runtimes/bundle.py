"""The OCI bundle that every runtime is given: a folder with config.json, and a root filesystem elsewhere.

All runtimes get the same text. It asks for what a container usually has: Docker's capabilities and system-call filter,
the six namespaces of `runc spec`, limits of memory, CPU and processes, and a read-only root, so that one image serves
every sandbox.
"""

from __future__ import annotations

import json
import os

from labkit.spec import default
from labkit.spec.model import Cpu, IdMapping, Memory, Namespace, Pids, Resources, Spec
from labkit.spec.seccomp_default import default_profile

# The newest version that every runtime we know accepts: crun 1.8 refuses "1.2.0".
OCI_VERSION = "1.0.2"
MEMORY = 512 * 2**20
PIDS = 512
_PERIOD = 100_000


def spec(rootfs: str, args: tuple[str, ...]) -> Spec:
    """The configuration that is measured.

    For an ordinary user it has a user namespace that maps its one id, and no limits, since no runtime could set them
    without a delegated cgroup.
    """
    made = default.spec(os.path.abspath(rootfs), args)
    made.oci_version = OCI_VERSION
    made.root.readonly = True
    made.linux.seccomp = default_profile(default.CAPABILITIES, os.uname().machine)
    if os.geteuid() == 0:
        made.linux.resources.memory = Memory(limit=MEMORY, swap=MEMORY)
        made.linux.resources.cpu = Cpu(quota=(os.cpu_count() or 1) * _PERIOD, period=_PERIOD)
        made.linux.resources.pids = Pids(limit=PIDS)
    else:
        made.linux.resources = Resources()
        made.linux.namespaces += (Namespace(kind="user"),)
        made.linux.uid_mappings = (IdMapping(host_id=os.geteuid(), size=1),)
        made.linux.gid_mappings = (IdMapping(host_id=os.getegid(), size=1),)
        made.mounts = tuple(mount for mount in made.mounts if mount.kind != "cgroup")
        for mount in made.mounts:
            # The terminals' group is not in the map.
            mount.options = tuple(option for option in mount.options if not option.startswith("gid="))
    return made


def write(folder: str, configuration: Spec) -> str:
    """Write `configuration` as a bundle in `folder`, made if it is missing; returns the folder's absolute path."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(configuration.dump(), file, indent=1)
    return os.path.abspath(folder)
