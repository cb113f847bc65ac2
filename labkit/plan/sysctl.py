"""The step that sets kernel parameters of the container's namespaces."""

from __future__ import annotations

import os

from labkit.plan.step import Scene, Step


class WriteSysctl(Step):
    """`settings` has (path below /proc/sys, value); `fresh` tells whether a procfs may be mounted for it."""

    __slots__ = ("fresh", "settings")
    fresh: bool
    settings: tuple[tuple[str, str], ...]
    call = "fsopen(proc) or open_tree(/proc), openat2(RESOLVE_IN_ROOT), write"
    # CVE-2025-52881: through a /proc that the image could prepare, these writes went to files of its choice.
    why = "in a procfs attached nowhere, which no mount or symlink of the image can stand for"

    def describe(self) -> str:
        return "set " + ", ".join(f"{path.replace('/', '.')} = {value}" for path, value in self.settings)

    def apply(self, scene: Scene) -> None:
        procfs = scene.kernel.fsmount("proc", ()) if self.fresh else _hosts(scene)
        try:
            for path, value in self.settings:
                _write(scene, procfs, path, value)
        finally:
            os.close(procfs)


def _hosts(scene: Scene) -> int:
    place = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return int(scene.kernel.open_tree(place))
    finally:
        os.close(place)


def _write(scene: Scene, procfs: int, path: str, value: str) -> None:
    file = scene.kernel.openat2(procfs, f"/sys/{path}", os.O_WRONLY)
    try:
        os.write(file, value.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"/proc/sys/{path}") from error
    finally:
        os.close(file)
