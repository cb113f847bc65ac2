"""How a container is to be made, beside what its configuration says: what a runtime's command line can ask for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.plan.step import Step


class Manner:
    """`held`: it waits to be started; `left`: its maker does not wait for its end, and it outlives its maker.

    `kept`: what it has stays when it has ended, to be deleted later.
    `bundle` is its folder and `config` its configuration's text, both kept with its state; `root` the folder of all
    state folders ("" for the default one); `preserve` how many descriptors above 2 the program gets; `pivot` False
    moves the root in place of pivot_root; `keyring` False keeps the caller's session keyring; `console` says that a
    socket for the terminal's master is given. `early` are further steps of the parent, once the state folder is there.
    """

    __slots__ = (
        "bundle",
        "config",
        "console",
        "early",
        "held",
        "kept",
        "keyring",
        "left",
        "pivot",
        "preserve",
        "root",
    )

    def __init__(
        self,
        *,
        held: bool = False,
        kept: bool = False,
        left: bool = False,
        bundle: str = "",
        config: bytes = b"",
        root: str = "",
        preserve: int = 0,
        pivot: bool = True,
        keyring: bool = True,
        console: bool = False,
        early: tuple[Step, ...] = (),
    ) -> None:
        self.held = held
        self.kept = kept
        self.left = left
        self.bundle = bundle
        self.config = config
        self.root = root
        self.preserve = preserve
        self.pivot = pivot
        self.keyring = keyring
        self.console = console
        self.early = early
