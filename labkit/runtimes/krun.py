"""crun with libkrun: the same program puts its container into a small virtual machine when it is called krun.

crun says of itself whether it was built so: `+LIBKRUN` among its features in `--version`, where older ones have it, or
the annotation `run.oci.crun.libkrun` of its `features`. Debian builds it without.
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.runtimes.crun import Crun
from labkit.runtimes.host_process import VARIABLE
from labkit.runtimes.process import spawn
from labkit.runtimes.protocol import Probe

_PAGE = "build crun --with-libkrun: https://github.com/containers/crun"


class Krun(Crun):
    """The driver; everything but the name it is called by is crun's."""

    unattributed: tuple[str, ...] = ("what the host's kernel does for the guest in KVM's own threads",)

    def __init__(self) -> None:
        super().__init__()
        self.name = "crun-krun"
        self.parameters = "handler krun"

    def probe(self) -> Probe:
        """See Runtime.probe."""
        path = self.path()
        if path is not None:
            try:
                version, built = self.version(path), self.is_built_in(path)
            except LabkitError as error:
                return Probe(False, reason=error.message, remedy=error.hint)
            if not built:
                return Probe(False, version, "this crun was built without libkrun", _PAGE)
            if not os.access("/dev/kvm", os.R_OK | os.W_OK):
                return Probe(False, version, "/dev/kvm cannot be opened", "see: ls -l /dev/kvm; sudo adduser $USER kvm")
        return super().probe()

    def is_built_in(self, path: str) -> bool:
        """Whether this crun has libkrun, in its own words."""
        annotations = self.features().get("annotations", {})
        named = [name for name, value in annotations.items() if "krun" in name and value == "true"]
        return bool(named) or "+LIBKRUN" in self.call([path, "--version"]).stdout.upper()

    def spawn(self, argv: list[str], stdio: tuple[int, int, int], id: str = "") -> tuple[int, int]:
        """See OciRuntime.spawn; crun looks at the name it was called by."""
        env = self.environment() | ({VARIABLE: id} if id else {})
        named = ["krun", *argv[1:]]
        if self.thread is None:
            return spawn(argv[0], named, env, stdio)
        return self.thread.submit(spawn, argv[0], named, env, stdio).result()

    def roles(self) -> dict[str, str]:
        """See OciRuntime.roles."""
        return super().roles() | {"krun": "runtime"}
