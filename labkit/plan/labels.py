"""Labels of security modules: AppArmor's profiles and SELinux's contexts (config.md, Linux Process)."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.plan.facts import Facts
from labkit.plan.step import Scene, Step
from labkit.spec.model import Spec


class LabelOnExec(Step):
    __slots__ = ("label", "module")
    label: str
    module: str
    call = "write /proc/self/attr/exec"
    why = "it holds from the next execve on; now, while the host's procfs is there, which no image can have prepared"

    def describe(self) -> str:
        return f"let the program run under {self.module}'s {self.label}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.label_on_exec(self.module, self.label)


def label_steps(spec: Spec, facts: Facts) -> list[Step]:
    """The steps for the program's labels; raises SpecError where the host has nobody to heed them."""
    process = spec.process
    wanted = (
        ("/process/apparmorProfile", "AppArmor", process.apparmor_profile),
        ("/process/selinuxLabel", "SELinux", process.selinux_label),
    )
    for pointer, module, label in wanted:
        if label and module not in facts.security_modules:
            raise SpecError(pointer, f"{module} is not enabled on this host", "see: cat /sys/kernel/security/lsm")
    return [LabelOnExec(label, module) for pointer, module, label in wanted if label]


def labelled(spec: Spec) -> bool:
    """Whether any label is given."""
    return bool(spec.process.apparmor_profile or spec.process.selinux_label or spec.linux.mount_label)
