"""`labkit-oci exec`: run one more process in a running container."""

from __future__ import annotations

import os

from labkit.engine import execute, foreground, state
from labkit.engine.hooks import wait_through
from labkit.engine.parent import life
from labkit.errors import UsageError
from labkit.linux import kernel
from labkit.linux.interpreter import run_unwritable
from labkit.linux.terminal import window_size
from labkit.oci import bundle, log
from labkit.oci.options import FLAG, LIST, VALUE, number, parse
from labkit.plan.manner import Manner
from labkit.spec.load import read_json
from labkit.spec.model import CapabilitySets, ConsoleSize, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labkit.plan.plan import Plan
    from labkit.spec.model import Spec

_OPTIONS = {
    "additional-gids": LIST,
    "apparmor": VALUE,
    "cap": LIST,
    "cgroup": LIST,
    "console-socket": VALUE,
    "cwd": VALUE,
    "detach": FLAG,
    "env": LIST,
    "ignore-paused": FLAG,
    "no-new-privs": FLAG,
    "no-subreaper": FLAG,
    "pid-file": VALUE,
    "preserve-fds": VALUE,
    "process": VALUE,
    "process-label": VALUE,
    "tty": FLAG,
    "user": VALUE,
}
_LETTERS = {
    "g": "additional-gids",
    "c": "cap",
    "d": "detach",
    "e": "env",
    "p": "process",
    "t": "tty",
    "u": "user",
}
USAGE = """USAGE:
   labkit-oci exec [command options] <container-id> <command> [command options]  || -p process.json <container-id>

OPTIONS:
   --additional-gids value, -g value  an additional group
   --apparmor value                   the AppArmor profile
   --cap value, -c value              a capability more
   --cgroup value                     [CONTROLLER,…:]PATH of a cgroup below the container's own
   --console-socket value             the Unix socket that gets the terminal's master
   --cwd value                        the working folder
   --detach, -d                       do not wait for the process's end
   --env value, -e value              a variable, NAME=VALUE
   --ignore-paused                    go on in a paused container
   --no-new-privs                     set no_new_privs
   --no-subreaper                     accepted; this runtime is no subreaper
   --pid-file value                   the file to write the process's pid to
   --preserve-fds value               pass so many more descriptors, from 3 on
   --process value, -p value          process.json, in place of the command
   --process-label value              the SELinux label
   --tty, -t                          give it a terminal
   --user value, -u value             UID[:GID]
"""


def main(words: list[str], options: dict[str, Any]) -> int:
    """Run the process; the exit status is its own."""
    # Most often done by the launcher already, and sooner.
    run_unwritable()
    given, others = parse(words, _OPTIONS, _LETTERS, anywhere=False)
    if not others:
        raise UsageError("at least 1 argument is needed, the container ID", "see --help")
    found = state.load(others[0], options["root"])
    spec = bundle.stored_spec(found.folder, found.values["bundle"])
    spec.process = _process(spec, given, others[1:])
    detach = given["detach"]
    console = bundle.console_is_given(spec, given["console-socket"], detach)
    preserve = bundle.keep_open(number(given["preserve-fds"] or "0", "--preserve-fds"))
    manner = Manner(left=detach, preserve=preserve, console=console)
    plan = execute.prepare(found, spec, manner, given["cgroup"], given["ignore-paused"])
    log.notes(plan)
    return _run(plan, spec, given)


def _run(plan: Plan, spec: Spec, given: dict[str, Any]) -> int:
    def running(pid: int) -> None:
        log.made(pid, "setns_init: about to exec")
        bundle.write_pid(given["pid-file"], pid)

    if given["detach"]:
        console = bundle.connect(given["console-socket"])
        stdio = (0, 1, 2, console) if console >= 0 else (0, 1, 2)
        wait_through(life(plan, stdio, lambda pid, pidfd: running(pid), kernel))
        return 0
    if not spec.process.terminal:
        return foreground.run(plan, running=running)
    from labkit.engine.relay import run_with_terminal

    return run_with_terminal(plan, running)


def _process(spec: Spec, given: dict[str, Any], command: list[str]) -> Process:
    """The process to run: that of process.json, or the container's own with what the options change."""
    if given["process"]:
        wanted = Process.load(read_json(given["process"]), "")
        wanted.terminal = wanted.terminal or given["tty"]
        return wanted
    if not command:
        raise UsageError("process args cannot be empty", "name the command, or give --process")
    wanted = spec.process
    wanted.args = tuple(command)
    wanted.cwd = given["cwd"] or wanted.cwd
    wanted.terminal = given["tty"]
    wanted.console_size = _own_size() if wanted.terminal else None
    for entry in given["env"]:
        if entry.find("=") < 1:
            raise UsageError(f"--env {entry!r} is not NAME=VALUE", "see --help")
    wanted.env += tuple(given["env"])
    wanted.no_new_privileges = wanted.no_new_privileges or given["no-new-privs"]
    wanted.apparmor_profile = given["apparmor"] or wanted.apparmor_profile
    wanted.selinux_label = given["process-label"] or wanted.selinux_label
    if given["user"]:
        uid, _, gid = given["user"].partition(":")
        wanted.user.uid = number(uid, "the uid of --user")
        if gid:
            wanted.user.gid = number(gid, "the gid of --user")
    wanted.user.additional_gids += tuple(number(gid, "--additional-gids") for gid in given["additional-gids"])
    if given["cap"]:
        wanted.capabilities = _with_capabilities(wanted.capabilities or CapabilitySets(), tuple(given["cap"]))
    return wanted


def _with_capabilities(sets: CapabilitySets, more: tuple[str, ...]) -> CapabilitySets:
    """The sets with more in all but the inheritable and ambient ones (CVE-2022-29162)."""
    for name in ("bounding", "effective", "permitted"):
        setattr(sets, name, tuple(dict.fromkeys((*getattr(sets, name), *more))))
    return sets


def _own_size() -> ConsoleSize | None:
    if not os.isatty(0):
        return None
    rows, columns = window_size(0)
    return ConsoleSize(height=rows, width=columns)
