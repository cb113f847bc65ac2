"""Steps that say how the kernel is to serve the program: with time, memory and disks, and as which system."""

from __future__ import annotations

import labkit.linux.scheduling  # noqa: F401  (see kernel)
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


class SetAffinity(Step):
    __slots__ = ("cpus", "moment")
    cpus: tuple[int, ...]
    moment: str
    call = "sched_setaffinity"
    why = "the CPUs on which exec's process runs (config.md, execCPUAffinity)"

    def describe(self) -> str:
        return f"run on the CPUs {', '.join(map(str, self.cpus))} {self.moment}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_affinity(self.cpus)


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


class SetMemoryPolicy(Step):
    __slots__ = ("flags", "mode", "nodes")
    flags: tuple[str, ...]
    mode: str
    nodes: tuple[int, ...]
    call = "set_mempolicy"
    why = "kept over execve; after the process has entered its cgroups, within whose memory nodes it holds"

    def describe(self) -> str:
        where = f" on the memory nodes {', '.join(map(str, self.nodes))}" if self.nodes else ""
        return f"take memory by {self.mode}{where}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.set_mempolicy(self.mode, self.flags, self.nodes)
