"""What a program takes for granted and a configuration may not give: its working folder and HOME."""

from __future__ import annotations

import _stat as stat

from labkit.linux import os
from labkit.plan.step import Scene, Step

_LARGEST = 4 * 2**20


class MakeWorkingFolder(Step):
    __slots__ = ("path",)
    path: str
    call = "openat2(RESOLVE_IN_ROOT), mkdirat"
    why = "as runc and crun; before anything becomes read-only"

    def describe(self) -> str:
        return f"make the working folder {self.path} where it is missing"

    def apply(self, scene: Scene) -> None:
        try:
            os.close(scene.kernel.open_or_make(scene.root, self.path, True))
        except OSError:
            pass  # Where it cannot be made, or is no folder, EnterFolder says so.


class FindHome(Step):
    __slots__ = ("uid",)
    uid: int
    call = "open, read /etc/passwd"
    why = "the environment has no HOME, which programs look for (as runc and crun)"

    def describe(self) -> str:
        return f"look for the home folder of user {self.uid}"

    def apply(self, scene: Scene) -> None:
        scene.surroundings["HOME"] = home_of(self.uid)


def home_of(uid: int, path: str = "/etc/passwd") -> str:
    """The home folder of user `uid` by the file passwd(5), "/" where it does not say."""
    try:
        # The image is hostile: O_NONBLOCK, since opening a FIFO would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return "/"
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        lines = os.read(descriptor, _LARGEST).split(b"\n") if regular else []
    except OSError:
        return "/"
    finally:
        os.close(descriptor)
    for line in lines:
        fields = line.split(b":")
        if len(fields) >= 6 and fields[2] == str(uid).encode() and fields[5] and b"\0" not in fields[5]:
            return os.fsdecode(fields[5])
    return "/"
