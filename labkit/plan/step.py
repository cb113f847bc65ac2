"""A step: one named thing done to make a container, which can describe itself and apply itself.

Steps cross from the process that plans to the process that acts as plain tuples (class name, fields …) in marshal
format: both ends are the same interpreter, and nothing is imported for it.
"""

from __future__ import annotations

from labkit.linux import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar

    Kernel = Any  # labkit.linux.kernel, or a recorder with the same names

# The root's number among a scene's `trees`.
ROOT = -1

STEPS: dict[str, type[Step]] = {}


class Scene:
    """What steps share while they act: the kernel, the container's process and root, and descriptors kept open.

    The engine gives the calls by which parent and child speak: `release` lets the child go on where `wait` stands until
    then, `tell` says one word to the parent, and `created` (given whether the container is left) that all is made;
    `offer` lets the parent pass on the descriptor of a filter to the process that listens for it, with (number,
    socket's path, metadata); `borrow` returns a descriptor of a path that only the parent may search. `home` has, by
    kind, descriptors of the parent's own namespaces while it stands in others; `user_namespace` is one to clone in,
    with `pid_namespace` to number it, `mount_namespace` one for the child to enter, and `container` the pidfd of one
    that runs. `console` is a socket that a terminal's master is sent to; `fifo` is where a container that is created
    waits to be started, and `failure` where it writes what goes wrong once it has `begun`; `channel` is the child's end
    of what the two speak through, and `observer` a socket to who looks on between steps. `umask` is the maker's,
    `engine` the device and inode of the program that this process still is. `sources` has, by their number in
    config.json, what mounts show: places opened early; `entered` says that the working folder is; `slaves` says that
    what is bound passes no mount on to what it shows. `trees` has mounts made of them by the parent, and `devices` is a
    filesystem of device nodes that it made. `masks` are what covers the first file, and the first folder (True), of
    those that are covered. `placeholder` is the process that keeps a scope of systemd until the container's does.
    `surroundings` are variables that the program gets where its environment has none of the name.

    `network_namespace` is one to begin in, `kept` are sockets that the parent keeps open until the end, and `helper` is
    the pid of the program that is the container's network, and a descriptor that it ends with.
    """

    __slots__ = (
        "begun",
        "borrow",
        "cgroup",
        "channel",
        "console",
        "container",
        "created",
        "devices",
        "engine",
        "entered",
        "failure",
        "fifo",
        "helper",
        "home",
        "kept",
        "kernel",
        "masks",
        "mount_namespace",
        "network_namespace",
        "observer",
        "offer",
        "pid",
        "pid_namespace",
        "placeholder",
        "release",
        "root",
        "slaves",
        "sources",
        "surroundings",
        "tell",
        "trees",
        "umask",
        "user_namespace",
        "wait",
    )

    def __init__(
        self,
        calls: Kernel = kernel,
        release: Callable[[], None] | None = None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self.release = release
        self.wait = wait
        self.offer: Callable[[int, str, str], None] | None = None
        self.borrow: Callable[[str], int] | None = None
        self.kernel = calls
        self.pid = 0
        self.root = -1
        self.cgroup: int | None = None
        self.mount_namespace: int | None = None
        self.network_namespace: int | None = None
        self.pid_namespace: int | None = None
        self.user_namespace: int | None = None
        self.entered = False
        self.home: dict[str, int] = {}
        self.tell: Callable[[str], None] | None = None
        self.created: Callable[[bool], None] | None = None
        self.placeholder = 0
        self.channel = self.console = self.container = self.devices = self.failure = self.fifo = self.observer = -1
        self.begun = self.slaves = False
        self.engine = (0, 0)
        self.umask = 0o022
        self.sources: dict[int, int] = {}
        self.surroundings: dict[str, str] = {}
        self.masks: dict[bool, int] = {}
        self.trees: dict[int, int] = {}
        self.kept: list[Any] = []
        self.helper = (0, -1)


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

    def apply(self, scene: Scene) -> Iterator[None] | None:
        """Do it; an OSError names the path.

        A step of the parent that waits for others returns an iterator: each item is a moment to wait before it goes on,
        in which the parent makes other containers. So none waits while the parent stands in another's namespaces.
        """
        raise NotImplementedError

    def undo(self, scene: Scene) -> Iterator[None] | None:
        """Take it back in the parent, as `apply` does it; nothing to do for what ends with the process."""
        return None

    def encode(self) -> tuple[Any, ...]:
        """The step as a tuple of plain values."""
        return (type(self).__name__, *(getattr(self, name) for name in self.__slots__))


def decode(values: tuple[Any, ...]) -> Step:
    """The step that `encode` made the tuple of."""
    # Imported here, where each registers its steps: few containers have one of these, and fewer one of the latter.
    if values[0] not in STEPS:
        from labkit.plan import (  # noqa: F401
            copyup,
            enter,
            hold,
            hook,
            idmap,
            interfaces,
            join,
            namespaces,
            nodes,
            propagation,
            roots,
            scheduling,
            scope,
            sysctl,
            terminal,
        )
    if values[0] not in STEPS:
        from labkit.plan import network, users  # noqa: F401
    return STEPS[values[0]](*values[1:])
