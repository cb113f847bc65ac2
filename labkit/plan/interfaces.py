"""The parent's step that gives the container a network interface of the host (config-linux.md, Network devices)."""

from __future__ import annotations

from labkit.plan.step import Scene, Step


class MoveInterface(Step):
    """Nothing is undone: with its namespace a virtual interface ends, and a physical one returns to the host's."""

    __slots__ = ("name", "new_name")
    name: str
    new_name: str
    call = "setns, socket(AF_NETLINK), RTM_NEWLINK with IFLA_NET_NS_FD, RTM_NEWADDR"
    why = "an interface is in one network namespace at a time; its addresses would be lost on the way"

    def describe(self) -> str:
        renamed = f" as {self.new_name}" if self.new_name != self.name else ""
        return f"move the interface {self.name} to the container's network namespace{renamed}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.move_interface(self.name, self.new_name, f"/proc/{scene.pid}/ns/net")
