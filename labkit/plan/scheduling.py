"""Steps that say how the kernel is to schedule the program, and which system it is to show it."""

from __future__ import annotations

from labkit.plan.step import Scene, Step


class SetPersonality(Step):
    __slots__ = ("domain",)
    domain: str
    call = "personality"
    why = "uname(2) then names the machine that programs of this kind expect; before a filter could forbid it"

    def describe(self) -> str:
        return f"run programs as on {self.domain}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.personality(self.domain)


class SetIoPriority(Step):
    __slots__ = ("kind", "priority")
    kind: str
    priority: int
    call = "ioprio_set"
    why = "its turn at the disks; the real-time class needs CAP_SYS_NICE or CAP_SYS_ADMIN, which goes later"

    def describe(self) -> str:
        return f"set the I/O priority to {self.kind}, {self.priority}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.ioprio_set(self.kind, self.priority)


class SetScheduler(Step):
    __slots__ = ("deadline", "flags", "nice", "period", "policy", "priority", "runtime")
    deadline: int
    flags: tuple[str, ...]
    nice: int
    period: int
    policy: str
    priority: int
    runtime: int
    call = "sched_setattr"
    why = "its turn at the CPUs; real-time policies need CAP_SYS_NICE, which goes later"

    def describe(self) -> str:
        return f"be scheduled by {self.policy}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.sched_setattr(
            self.policy, self.flags, self.nice, self.priority, self.runtime, self.deadline, self.period
        )
