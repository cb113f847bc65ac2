"""`host`: the same program with no isolation at all, the baseline of every ratio."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from labkit.errors import LabkitError
from labkit.images.elf import is_static
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.protocol import Probe
from labkit.spec.load import load_bundle


class Host:
    """Starts the bundle's program straight from its root filesystem, which asks for a static one.

    A program that needs libraries would find the host's instead of the image's, and the comparison would be of two
    libraries; so it is refused.
    """

    name = "host"
    parameters = ""

    def probe(self) -> Probe:
        """See Runtime.probe; always available."""
        return Probe(True, platform.release())

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, list[str], dict[str, str]]] = {}

    def start(self, bundle: str, id: str, stdio: tuple[int, int, int]) -> ProcessSandbox:
        """See Runtime.start; a bundle is read once, so that nothing of a later start is read before it is timed.

        Raises LabkitError for a program that is not in the root filesystem, or not static.
        """
        if bundle not in self._found:
            spec = load_bundle(bundle)
            args = list(spec.process.args)
            env = dict(entry.split("=", 1) for entry in spec.process.env)
            self._found[bundle] = (_static(locate(spec.root.path, args[0], spec.process.env), args[0]), args, env)
        asked, pid = spawn(*self._found[bundle], stdio)
        return ProcessSandbox(asked, pid, lambda: self.remove(id))

    def remove(self, id: str) -> None:
        """Nothing: what has no isolation has no name by which it could be found."""

    def cool(self) -> None:
        """Nothing is kept that another runtime would not read from its bundle."""


def locate(rootfs: str, command: str, env: tuple[str, ...]) -> str:
    """The path on the host of a program of the image. Raises LabkitError, with exit status 126 or 127."""
    folders = [""]
    if "/" not in command:
        path = next((entry[5:] for entry in env if entry.startswith("PATH=")), "/bin:/usr/bin")
        folders = [f"{folder}/" for folder in path.split(":")]
    for folder in folders:
        # Where a link's target is absolute it means the image's file, not the host's.
        place = _inside(rootfs, f"{folder}{command}")
        if place is None:
            continue
        if os.path.isdir(place):
            if "/" in command:
                raise LabkitError(f"{command}: is a folder", "name a program in it", 126)
            continue
        if not os.access(place, os.X_OK):
            raise LabkitError(f"{command}: permission denied", "check the file's permissions", 126)
        return place
    raise LabkitError(f"{command}: command not found in the image", "check the name, the image and PATH", 127)


def _static(place: str, command: str) -> str:
    if not is_static(Path(place)):
        raise LabkitError(
            f"{command} is not a static program, so without isolation it would use the host's libraries",
            "run it by --runtime labkit --namespaces mount --seccomp none, which only enters the image",
            126,
        )
    return place


def _inside(rootfs: str, path: str) -> str | None:
    """The host's path of `path` as a process chrooted at `rootfs` would find it; None where there is nothing."""
    place = os.path.normpath("/" + path.lstrip("/"))
    for _ in range(40):  # path_resolution(7) gives up after 40 links.
        whole = rootfs + place
        if not os.path.islink(whole):
            return whole if os.path.exists(whole) else None
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(whole)))
    return None
