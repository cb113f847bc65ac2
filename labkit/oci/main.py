"""The entry of `labkit-oci`: global options, the verb's module, and errors as runc reports them."""

from __future__ import annotations

from labkit.errors import LabkitError, SpecError, StepError, UsageError
from labkit.linux import os
from labkit.oci import log
from labkit.oci.options import FLAG, VALUE, parse

_VERBS = {
    "checkpoint": "not supported",
    "create": "create a container",
    "delete": "delete any resources held by the container",
    "events": "display container events such as OOM notifications, cpu, memory and IO usage statistics",
    "exec": "execute a new process inside the container",
    "features": "show the enabled features",
    "kill": "send the specified signal (default: SIGTERM) to the container's init process",
    "list": "list containers started with the given root",
    "pause": "suspend all processes inside the container",
    "ps": "display the processes running inside a container",
    "restore": "not supported",
    "resume": "resume all processes that have been previously paused",
    "run": "create and run a container",
    "spec": "create a new specification file",
    "start": "execute the user-defined process in a created container",
    "state": "output the state of a container",
    "stats": "display the container's statistics once",
    "update": "update container resource constraints",
}
_OPTIONS = {
    "root": VALUE,
    "log": VALUE,
    "log-format": VALUE,
    "debug": FLAG,
    "systemd-cgroup": FLAG,
    "rootless": VALUE,
    "criu": VALUE,
    "help": FLAG,
    "version": FLAG,
}
# Whose command line and messages these are; its callers look for the name in them.
_LIKE = "runc"
_LIKE_VERSION = "1.1.5"
# In the words of crun, whose callers look for them.
_FEATURES = "+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF"
_USAGE = """NAME:
   labkit-oci, used as runc - Open Container Initiative runtime

USAGE:
   labkit-oci [global options] command [command options] [arguments...]

COMMANDS:
{commands}

GLOBAL OPTIONS:
   --debug             write debug lines to the log
   --log value         the log's file; stderr by default
   --log-format value  text (default) or json
   --root value        the folder of the containers' states
   --systemd-cgroup    let systemd make the cgroups; cgroupsPath is then slice:prefix:name
   --rootless value    true, false or auto; accepted, and seen from the configuration
   --help, -h          show help
   --version, -v       print the version
"""


def run(words: list[str]) -> int:
    """The exit status of one command line."""
    failed = 1
    try:
        options, others = parse(words, _OPTIONS, {"h": "help", "v": "version"}, anywhere=False)
        log.configure(options["log"], options["log-format"] or "text", options["debug"])
        if options["version"]:
            return _version()
        if options["help"] or not others or others[0] in ("help", "h"):
            return _help(others[1:])
        verb, *rest = others
        if verb not in _VERBS and {"-h", "--help"} & set(rest):
            raise UsageError(f"No help topic for '{verb}'", f"the commands are {', '.join(_VERBS)}")
        if verb not in _VERBS:
            raise UsageError(f"no such command: {verb}", f"the commands are {', '.join(_VERBS)}")
        failed = 255 if verb == "exec" else 1
        if any(word in ("-h", "--help", "-help") for word in rest[: 1 if verb == "exec" else None]):
            return _help([verb])
        module = __import__(f"labkit.oci.{verb}", fromlist=["main"])
        options["root"] = _root(options["root"])
        log.debug(f"labkit-oci {verb} begins, with the state folder {options['root']}")
        return int(module.main(rest, options))
    except LabkitError as error:
        log.error(words_of(error))
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        log.error(f"{about}{error.strerror}")
    except KeyboardInterrupt:
        return 130
    return failed


def _root(given: str) -> str:
    from labkit.engine import state

    if not given:
        return state.root()
    folder = os.path.abspath(given)
    try:
        os.makedirs(folder, 0o711, exist_ok=True)
    except OSError as error:
        raise LabkitError(f"{folder}: {error.strerror}", "give another folder with --root") from error
    return folder


def _help(verbs: list[str]) -> int:
    if verbs and verbs[0] in _VERBS:
        usage = str(__import__(f"labkit.oci.{verbs[0]}", fromlist=["main"]).USAGE).strip()
        print(f"NAME:\n   labkit-oci, used as {_LIKE} {verbs[0]} - {_VERBS[verbs[0]]}\n\n{usage}")
        return 0
    commands = "\n".join(f"   {verb:<12}{what}" for verb, what in _VERBS.items())
    print(_USAGE.format(commands=commands), end="")
    return 0


def _version() -> int:
    from labkit import __version__

    print(f"labkit-oci {__version__}, used as {_LIKE} version {_LIKE_VERSION}\ncommit: {__version__}\nspec: 1.2.0")
    print(_FEATURES)
    return 0


def words_of(error: LabkitError) -> str:
    """The error in one line; a program that cannot be run in the words that runc's callers look for."""
    step, number = (error.step, error.errno) if isinstance(error, StepError) else ("", 0)
    if step in ("FindProgram", "Execute"):
        command = error.message.removeprefix(f"{step}: ").rpartition(": ")[0]
        what = "executable file not found in $PATH"
        if error.exit_status == 126:
            what = os.strerror(number).lower()
        elif "/" in command:
            what = f"stat {command}: no such file or directory"
        return f'unable to start container process: exec: "{command}": {what} ({error.hint})'
    if isinstance(error, SpecError):
        return f"invalid configuration: {error}"
    if step:
        return f"unable to start container process: {error}"
    return str(error)
