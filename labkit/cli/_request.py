"""The options that `labkit run` and `labkit explain` share.

Parsed by hand: argparse takes 9 ms to import, more than all the rest of the start of a container.
"""

from __future__ import annotations

import os
import sys

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labkit.images.image import Image
    from labkit.plan.plan import Plan
    from labkit.spec.model import Spec

USAGE = """usage: labkit {verb} [OPTIONS] (--image REF | --rootfs DIR | --bundle DIR) [--] [COMMAND [ARGUMENTS]]

where it runs
  --image REF           an image: busybox, debian, debian:SUITE, debian+PACKAGE+PACKAGE, or one that others made:
                        docker://HOST/NAME:TAG, NAME:TAG, oci:/PATH:TAG, docker-archive:/PATH; its own command,
                        variables, folder and user are the default
  --rootfs DIR          a folder with a root filesystem; what is written to it goes to a tmpfs
  --bundle DIR          an OCI bundle, whose config.json says everything; no COMMAND then
  --runtime NAME        labkit (default), or host, runc, crun, runsc …: labkit runtimes lists them
  --id ID               the container's name; a random one by default
limits
  --memory SIZE         such as 64M
  --cpus N              CPUs' worth of time, such as 0.5
  --pids N              the largest number of processes and threads
  --ulimit NAME=N[:M]   a limit for each process, such as nofile=1024
what it is
  --user USER[:GROUP]   a name of the image, or a number
  --env NAME=VALUE      one more variable
  --cwd DIR             the working folder
  --hostname NAME
  --volume SRC:DST[:ro] a file or folder of the host inside; :idmap keeps the disk's owners
  --read-only           nothing can be written to the root filesystem
  --writable            writes go to --rootfs DIR itself
network
  --network NETWORK     none (default), host, bridge, bridge:NAME, slirp, pasta or container:ID
  --publish [IP:]N:M    the host's port N leads to the container's port M; also N:M/udp
isolation
  --namespaces LIST     pid,network,ipc,uts,mount,cgroup; also user and time
  --userns MAP          auto, host, or ids as CONTAINER:HOST:SIZE[,…], with /… for other gids
  --time-offset CLOCK=S seconds added to the monotonic or boottime clock
  --cap-add CAP         --cap-drop CAP, or ALL
  --seccomp PROFILE     default, strict, none, or a JSON file of your own
  --new-privileges      let set-user-ID programs gain privileges
  --without STEP        leave out a step that `labkit explain` names
what it did
  --trace               say on stderr how many microseconds each step took
"""

_VALUES = {
    "bundle",
    "cpus",
    "cwd",
    "hostname",
    "id",
    "image",
    "memory",
    "namespaces",
    "network",
    "pids",
    "rootfs",
    "runtime",
    "seccomp",
    "user",
    "userns",
}
# Those that `configure` takes under the same name and as text.
_AS_THEY_ARE = ("memory", "cpus", "pids", "user", "cwd", "hostname", "network", "userns")
_LISTS = {"cap-add", "cap-drop", "env", "publish", "time-offset", "ulimit", "volume", "without"}
_FLAGS = {"new-privileges", "read-only", "trace", "writable"}


def takes_value(word: str) -> bool:
    """Whether the option `word` has its value in the next word."""
    return word.startswith("--") and word[2:] in _VALUES | _LISTS


class Request:
    """What was asked for: options by name, and the command."""

    __slots__ = ("command", "flags", "lists", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {name: [] for name in _LISTS}
        self.flags: set[str] = set()
        self.command: list[str] = []

    @property
    def runtime(self) -> str:
        """The runtime's name; labkit's own engine by default."""
        return self.values.get("runtime", "labkit")

    def spec(self) -> Spec:
        """The configuration that the options describe, or that the bundle holds."""
        places = [name for name in ("image", "rootfs", "bundle") if name in self.values]
        if len(places) != 1:
            raise UsageError(
                "give one of --image, --rootfs and --bundle", "for example: labkit run --image busybox -- echo hello"
            )
        if "bundle" in self.values:
            self._check_bundle()
            from labkit.spec.load import load_bundle

            return load_bundle(self.values["bundle"])
        if "writable" in self.flags and ("image" in self.values or "read-only" in self.flags):
            other = "--image" if "image" in self.values else "--read-only"
            raise UsageError(f"--writable does not go with {other}", "it lets a container write to --rootfs DIR")
        if not self.command:
            from labkit.images.reference import is_foreign

            # Said before an image of ours, which has no command of its own, is built for minutes.
            if not is_foreign(self.values.get("image", "")):
                raise _no_command()
        from labkit.engine.configure import configure
        from labkit.engine.image_defaults import completed

        rootfs = self.rootfs()
        command, options = completed(rootfs, self.command, self._options())
        if not command:
            raise _no_command()
        return configure(os.fspath(rootfs), command, **options)

    def _check_bundle(self) -> None:
        """A bundle says everything itself; an option that would be passed over in silence is refused."""
        if self.command:
            raise UsageError("--bundle takes no command: its config.json has one", "leave the command out")
        given = {*self.values, *self.flags, *(name for name, values in self.lists.items() if values)}
        others = sorted(given - {"bundle", "id", "runtime", "trace", "without"})
        if others:
            raise UsageError(f"--{others[0]} does not go with --bundle", "change the bundle's config.json instead")

    def rootfs(self) -> str | Image:
        """The root filesystem; an image is built, or fetched, when it is not cached."""
        if "rootfs" in self.values:
            return self.values["rootfs"]
        from labkit.images import image

        return image(self.values["image"])

    def plan(self) -> Plan:
        """The plan for labkit's own engine."""
        from labkit.engine.prepare import prepare
        from labkit.engine.state import new_id

        plan = prepare(self.spec(), self.values.get("id") or new_id())
        return plan.without(self.lists["without"]) if self.lists["without"] else plan

    def print_notes(self, plan: Plan) -> None:
        """Say on stderr what the host could not give, when somebody is there to read it."""
        if sys.stderr.isatty():
            for note in plan.notes:
                print(f"labkit: note: {note}", file=sys.stderr)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {name: self.values[name] for name in _AS_THEY_ARE if name in self.values}
        options["env"] = dict(_pair("env", text) for text in self.lists["env"])
        options["seccomp"] = self.values.get("seccomp", "default")
        options["readonly"] = "read-only" in self.flags
        options["overlay"] = "writable" not in self.flags
        options["no_new_privileges"] = "new-privileges" not in self.flags
        options["cap_add"] = self.lists["cap-add"]
        options["cap_drop"] = self.lists["cap-drop"]
        options["volumes"] = self.lists["volume"]
        options["publish"] = self.lists["publish"]
        if "namespaces" in self.values:
            options["namespaces"] = self.values["namespaces"].split(",")
        pairs = (_pair("time-offset", text) for text in self.lists["time-offset"])
        options["time_offsets"] = {clock: _whole("time-offset", seconds) for clock, seconds in pairs}
        options["rlimits"] = dict(_ulimit(text) for text in self.lists["ulimit"])
        return options


def parse(verb: str, argv: list[str]) -> Request | None:
    """The request that `argv` makes, or None when it asked for help, which is then printed."""
    request = Request()
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            request.command = words
            break
        if word in ("-h", "--help"):
            print(USAGE.format(verb=verb), end="")
            return None
        if not word.startswith("-"):
            request.command = [word, *words]
            break
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in _VALUES | _LISTS | _FLAGS:
            raise UsageError(f"unknown option {word}", f"labkit {verb} --help lists them; a command follows --")
        if name in _FLAGS:
            if equals:
                raise UsageError(f"--{name} takes no value", f"type: --{name}")
            request.flags.add(name)
            continue
        if not equals:
            if not words:
                raise UsageError(f"--{name} needs a value", f"labkit {verb} --help")
            value = words.pop(0)
            if value == "--":
                raise UsageError(f"--{name} needs a value before the --", f"labkit {verb} --help")
        if not value:
            raise UsageError(f"--{name} needs a value, not an empty one", f"labkit {verb} --help")
        if name in _LISTS:
            request.lists[name].append(value)
        else:
            request.values[name] = value
    return request


def _no_command() -> UsageError:
    return UsageError("no command was given", "put it at the end: -- COMMAND ARGUMENTS")


def _pair(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--{option} {text!r} is not NAME=VALUE", f"for example: --{option} NAME=VALUE")
    return key, value


def _whole(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise LabkitError(f"--{option} {text!r} is not a whole number", "write digits only") from None


def _ulimit(text: str) -> tuple[str, tuple[int, int]]:
    name, value = _pair("ulimit", text)
    soft, colon, hard = value.partition(":")
    return name, (_whole("ulimit", soft), _whole("ulimit", hard if colon else soft))
