"""A step: one named thing done to make a container, which can describe itself and apply itself.

Steps cross from the process that plans to the process that acts as plain tuples (class name, fields …) in marshal
format: both ends are the same interpreter, and nothing is imported for it.
"""

from __future__ import annotations

from labkit.linux import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    Kernel = Any  # labkit.linux.kernel, or a recorder with the same names

STEPS: dict[str, type[Step]] = {}


class Scene:
    """What steps share while they act: the kernel, the container's process and root, and descriptors kept open.

    `release` lets the child go on from an AwaitParent, where `wait` stands until then; the engine gives both. `home`
    has, by kind, descriptors of the parent's own namespaces while it stands in others.
    """

    __slots__ = ("cgroup", "home", "kernel", "pid", "release", "root", "wait")

    def __init__(
        self,
        calls: Kernel = kernel,
        release: Callable[[], None] | None = None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self.release = release
        self.wait = wait
        self.kernel = calls
        self.pid = 0
        self.root = -1
        self.cgroup: int | None = None
        self.home: dict[str, int] = {}


class Step:
    """The base of all steps; a subclass gives its fields as __slots__, `call` and `why`, and apply().

    `call` names the system calls for `labkit explain`. `undo`, where a subclass has it, is what the parent does when
    the container is gone or could not be made; it must not fail when apply() never ran.
    """

    __slots__: tuple[str, ...] = ()
    call: ClassVar[str] = ""
    why: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        STEPS[cls.__name__] = cls

    def __init__(self, *fields: Any) -> None:
        for name, value in zip(self.__slots__, fields, strict=True):
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}{tuple(getattr(self, name) for name in self.__slots__)}"

    def describe(self) -> str:
        """What this step does, in a few words."""
        raise NotImplementedError

    def apply(self, scene: Scene) -> None:
        """Do it; an OSError names the path."""
        raise NotImplementedError

    def undo(self, scene: Scene) -> None:
        """Take it back in the parent; nothing to do for what ends with the process."""

    def encode(self) -> tuple[Any, ...]:
        """The step as a tuple of plain values."""
        return (type(self).__name__, *(getattr(self, name) for name in self.__slots__))


def decode(values: tuple[Any, ...]) -> Step:
    """The step that `encode` made the tuple of."""
    return STEPS[values[0]](*values[1:])
