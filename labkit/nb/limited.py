"""A container of one shell script under any limit of linux.resources, also those `Container(...)` has no word for."""

import os
from collections.abc import Iterable
from typing import Any

from labkit import Container


def limited(
    rootfs: str | os.PathLike[str], script: str, *, volumes: Iterable[str] = (), cgroup: str = "", **resources: Any
) -> Container:
    """A container that will run `script` in the shell of `rootfs`, with sections of `labkit.spec.model.Resources`.

    `cgroup` names its cgroups (config.json's cgroupsPath); named ones are also made in the v2 tree of a hybrid host.
    Raises LabkitError for a limit that this host, or this user, cannot keep.
    """
    spec = Container(rootfs, ["sh", "-c", script], volumes=volumes).spec
    spec.linux.cgroups_path = cgroup
    for name, section in resources.items():
        setattr(spec.linux.resources, name, section)
    return Container.from_spec(spec)
