"""What create and run have in common: their options, the bundle, the plan, and what is written when it is made."""

from __future__ import annotations

from labkit.engine import state
from labkit.engine.prepare import prepare
from labkit.errors import LabkitError, UsageError
from labkit.linux import os
from labkit.linux.process import close_from
from labkit.oci import log
from labkit.oci.options import FLAG, VALUE, number, one, parse
from labkit.plan import filesystems
from labkit.plan.execute import DEFAULT_PATH
from labkit.plan.manner import Manner
from labkit.spec.load import load_text, read_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.notify import Listener
    from labkit.plan.plan import Plan
    from labkit.plan.step import Step
    from labkit.spec.model import Spec

OPTIONS = {
    "bundle": VALUE,
    "config": VALUE,
    "console-socket": VALUE,
    "pid-file": VALUE,
    "no-pivot": FLAG,
    "no-new-keyring": FLAG,
    "preserve-fds": VALUE,
}
# What runc says when a container is made.
COMPLETE = "init: closing the pipe to signal completion"
LETTERS = {"b": "bundle", "f": "config", "h": "help"}
USAGE = """
   --bundle value, -b value  the bundle's folder; the current one by default
   --config value, -f value  the configuration; config.json in the bundle by default
   --console-socket value    the Unix socket that gets the terminal's master
   --pid-file value          the file to write the process's pid to
   --no-pivot                do not use pivot_root, for a root on a ramdisk
   --no-new-keyring          keep the caller's session keyring
   --preserve-fds value      pass so many more descriptors, from 3 on
"""


class Request:
    """A container that was asked for: its specification, its plan and the options.

    `listener` hears, where somebody wants to know, when it is ready; None for one that is started later.
    """

    __slots__ = ("id", "listener", "options", "plan", "spec")

    def __init__(self, words: list[str], table: dict[str, str], letters: dict[str, str], root: str) -> None:
        options, others = parse(words, table, letters, anywhere=False)
        self.id = one(others)
        self.options = options
        held = bool(options.get("detach", True))
        state.check_free(self.id, root)
        folder = os.path.realpath(options["bundle"] or ".")
        text = read_config(folder, options["config"] or "config.json")
        self.spec = load_text(text, folder)
        if exchangeable(self.spec):
            # Imported here: few programs are.
            from labkit.linux.interpreter import run_unwritable

            run_unwritable()
        # As runc: below the caller's own cgroup, by the container's id.
        self.spec.linux.cgroups_path = self.spec.linux.cgroups_path or self.id
        preserve = keep_open(number(options["preserve-fds"] or "0", "--preserve-fds") + _listened(self.spec))
        console = console_is_given(self.spec, options["console-socket"], held)
        self.listener, early = _told(self.spec, f"{root}/{self.id}", held)
        manner = Manner(
            held=held,
            kept=bool(options.get("keep")),
            left=held,
            bundle=folder,
            config=text,
            root=root,
            preserve=preserve,
            pivot=not options["no-pivot"],
            keyring=not options["no-new-keyring"],
            console=console,
            early=early,
        )
        self.plan: Plan = prepare(self.spec, self.id, manner)
        # Again: what the plan takes for another's may be that of one who was quicker to take the id.
        state.check_free(self.id, root)
        log.notes(self.plan)


def exchangeable(spec: Spec) -> bool:
    """Whether its program may lie on a volume: who has that as well could exchange it after GuardInterpreter's look."""
    command = spec.process.args[0]
    search = next((entry[5:] for entry in spec.process.env if entry.startswith("PATH=")), DEFAULT_PATH)
    places = [command] if "/" in command else [f"{folder}/" for folder in search.split(":")]
    volumes = [
        filesystems.place(mount)
        for mount in spec.mounts
        if filesystems.binds(mount) and not {"ro", "rro"} & {*mount.options}
    ]
    return any(place == volume or place.startswith(f"{volume}/") for place in places for volume in volumes)


def _listened(spec: Spec) -> int:
    """How many descriptors the caller passes by systemd's protocol, which goes on inside (sd_listen_fds(3))."""
    text = os.getenv("LISTEN_FDS")
    # Without LISTEN_PID they are taken for its own, as crun does; with another's they were passed to that one.
    own = str(os.getpid())
    if not text.isdecimal() or int(text) == 0 or os.getenv("LISTEN_PID", own) != own:
        return 0
    spec.process.env += (f"LISTEN_FDS={text}", "LISTEN_PID=1")
    return int(text)


def _told(spec: Spec, folder: str, held: bool) -> tuple[Listener | None, tuple[Step, ...]]:
    """Who listens for the manager of services that wants to know when the program is ready, and the steps for it."""
    manager = os.getenv("NOTIFY_SOCKET")
    if not manager:
        return None, ()
    # Imported here: few callers are services.
    from labkit.engine import notify

    return notify.prepare(spec, manager, folder, held, log.warning)


def keep_open(count: int) -> int:
    """Close the descriptors above `count` from 3 on; returns `count`.

    What the caller has left open is not for the container, which may wait for long before its execve closes it. Of the
    `count` some may be closed: who counts generously gets those that are there (as crun).
    """
    if count > os.sysconf("SC_OPEN_MAX"):
        raise UsageError(f"there cannot be {count} more descriptors", "see: ulimit -n")
    for descriptor in range(3, 3 + count):
        try:
            os.fstat(descriptor)
        except OSError as error:
            log.debug(f"descriptor {descriptor} is not open, and not passed: {error.strerror}")
    close_from(3 + count)
    return count


def console_is_given(spec: Spec, socket: str, held: bool) -> bool:
    """Whether a terminal is opened and somebody gets it: the console socket of `held` ones, else who runs it."""
    # In the words of runc, which its callers know.
    terminal = spec.process.terminal
    if held and terminal and not socket:
        raise LabkitError(
            "cannot allocate tty if runc will detach without setting console socket", "use --console-socket"
        )
    if socket and not (held and terminal):
        raise LabkitError(
            "cannot use console socket if runc will not detach or allocate tty",
            "it needs process.terminal true, and create or --detach",
        )
    return terminal


def connect(path: str) -> int:
    """The connected console socket, -1 where no path is given."""
    if not path:
        return -1
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket

    channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        channel.connect(path)
    except OSError as error:
        raise LabkitError(f"console socket {path}: {error.strerror}", "somebody must listen on it first") from error
    return channel.detach()


def write_pid(path: str, pid: int) -> None:
    """Write a pid file, whole or not at all."""
    if not path:
        return
    folder, _, name = os.path.abspath(path).rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(str(pid))
        os.rename(temporary, path)
    except OSError as error:
        raise LabkitError(f"pid file {path}: {error.strerror}", "give another with --pid-file") from error


def stored_spec(folder: str, bundle: str) -> Spec:
    """The configuration with which the container in the state folder `folder` was made."""
    return load_text(read_config(folder), bundle)
