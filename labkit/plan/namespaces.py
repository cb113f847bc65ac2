"""Steps by which the process gets what clone3(2) alone does not give it of its namespaces."""

from __future__ import annotations

from labkit.linux.namespaces import CLONE_NEWCGROUP
from labkit.plan.step import Scene, Step


class AwaitParent(Step):
    __slots__ = ("until",)
    until: str
    call = "recvmsg"
    why = "only a process outside can do it; all that does not need it is done meanwhile"

    def describe(self) -> str:
        return f"wait until {self.until}"

    def apply(self, scene: Scene) -> None:
        assert scene.wait is not None
        scene.wait()


class BecomeRoot(Step):
    __slots__ = ()
    call = "setresgid, setresuid"
    why = "the process still has its outer ids, which the maps may not contain"

    def describe(self) -> str:
        return "become user 0 of the new user namespace"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_user(0, 0, None)


class EnterCgroupNamespace(Step):
    __slots__ = ()
    call = "unshare(CLONE_NEWCGROUP)"
    why = "after the process was put in its cgroups: the namespace's root is where its maker stands"

    def describe(self) -> str:
        return "see its own cgroups as the root of the cgroup trees"

    def apply(self, scene: Scene) -> None:
        scene.kernel.unshare(CLONE_NEWCGROUP)


class EnterTimeNamespace(Step):
    __slots__ = ("offsets",)
    offsets: str
    call = "unshare(CLONE_NEWTIME), write /proc/self/timens_offsets, setns"
    why = "offsets can be set only while the namespace has no member"

    def describe(self) -> str:
        return "shift the monotonic and boot-time clocks: " + ", ".join(self.offsets.split("\n"))

    def apply(self, scene: Scene) -> None:
        scene.kernel.enter_time_namespace(self.offsets)
