"""One limit: what to write to which file of a container's cgroup, and why."""

from __future__ import annotations

from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Limit:
    """`value` goes to `file` in the cgroup of `controller`.

    `otherwise` is the limit for a kernel that lacks the file. `unset` is what takes the limit away again where the file
    has a line for each device or interface ("254:0 0"), and "" where it has one value.
    """

    __slots__ = ("controller", "file", "otherwise", "unset", "value", "why")

    def __init__(
        self, controller: str, file: str, value: str, why: str, unset: str = "", otherwise: Limit | None = None
    ) -> None:
        self.controller = controller
        self.file = file
        self.value = value
        self.why = why
        self.unset = unset
        self.otherwise = otherwise

    def __repr__(self) -> str:
        return f"Limit({self.controller!r}, {self.file!r}, {self.value!r})"


def require(limits: Iterable[Limit], controllers: Iterable[str]) -> None:
    """Raise LabkitError for the first limit whose controller is not among `controllers`."""
    known = set(controllers)
    for limit in limits:
        if limit.controller not in known:
            raise LabkitError(
                f"{limit.file} cannot be set to {limit.value}: no cgroup here has the controller {limit.controller!r}",
                "labkit doctor shows the controllers and where they are",
            )
