"""Show a system-call filter, compare two, or find the smallest that a command needs."""

from __future__ import annotations

import os
import sys

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.calls import Calls
    from labkit.spec.model import Seccomp, Spec

USAGE = """usage: labkit seccomp show [PROFILE] [--cap-add CAP] [--cap-drop CAP] [--json | --bpf]
       labkit seccomp diff PROFILE PROFILE [--cap-add CAP] [--cap-drop CAP] [--json]
       labkit seccomp trace --output FILE [--merge FILE] [--check] [OPTIONS of run] [--] COMMAND

show    a profile (default: default) as a table of what is done with which calls; as JSON, to begin one's own with; or
        the filter that libseccomp compiles it to, instruction by instruction
diff    what two profiles do differently; exit status 1 when there is something
trace   run a command in a container, and write the smallest profile that allows all the system calls it made. With
        --merge, what the profile in that file allows is allowed too, so that several runs add up. With --check the
        command is run again under what was written. A call that the vDSO answers (clock_gettime on most hosts) is
        none, and not seen

PROFILE is default, strict, none, or a JSON file: linux.seccomp of config.json, or Docker's form. What a profile allows
can depend on the container's capabilities: by default Docker's fourteen, with --cap-add and --cap-drop as of
`labkit run`.
"""
_CAPABILITY_OPTIONS = {"cap-add": True, "cap-drop": True}


def main(argv: list[str]) -> int:
    """`labkit seccomp show | diff | trace`."""
    if not argv:
        raise UsageError("labkit seccomp needs a command", "show, diff or trace; labkit seccomp --help says more")
    verb, *words = argv
    if verb in ("-h", "--help") or (verb != "trace" and {"-h", "--help"} & set(words)):
        print(USAGE, end="")
        return 0
    verbs = {"show": _show, "diff": _diff, "trace": _trace}
    if verb not in verbs:
        raise UsageError(f"{verb!r} is not a command of labkit seccomp", "show, diff or trace")
    return verbs[verb](words)


def _options(verb: str, words: list[str], known: dict[str, bool]) -> tuple[dict[str, list[str]], list[str]]:
    """The options of `known` (by name, whether it has a value) at the beginning and between; and the other words."""
    found: dict[str, list[str]] = {name: [] for name in known}
    others = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word[2:].partition("=")
        if not word.startswith("--") or name not in known:
            if word.startswith("-"):
                raise UsageError(f"labkit seccomp {verb}: unknown option {word}", "labkit seccomp --help lists them")
            others.append(word)
        elif not known[name]:
            found[name].append("yes")
        elif equals or rest:
            found[name].append(value if equals else rest.pop(0))
        else:
            raise UsageError(f"--{name} needs a value", "labkit seccomp --help")
    return found, others


def _profile(name: str, options: dict[str, list[str]]) -> Seccomp:
    from labkit.engine.configure import capability_names
    from labkit.spec import default
    from labkit.spec.seccomp_profiles import profile
    from labkit.spec.seccomp_table import NO_FILTER

    names = capability_names(default.CAPABILITIES, options["cap-add"], options["cap-drop"])
    return profile(name, names) or NO_FILTER


def _show(words: list[str]) -> int:
    options, names = _options("show", words, {**_CAPABILITY_OPTIONS, "json": False, "bpf": False})
    if len(names) > 1:
        raise UsageError("labkit seccomp show takes one profile", "labkit seccomp diff compares two")
    if options["json"] and options["bpf"]:
        raise UsageError("--json does not go with --bpf", "the filter itself has no JSON")
    name = names[0] if names else "default"
    profile = _profile(name, options)
    if options["json"]:
        from labkit.spec.document import encode

        print(encode(profile.dump(), "  "))
    elif name == "none":
        print("no filter: every system call reaches the kernel")
    elif options["bpf"]:
        print("\n".join(disassembly(profile)))
    else:
        _print_profile(name, profile)
    return 0


def disassembly(profile: Seccomp) -> list[str]:
    """The compiled filter, a line for each instruction."""
    from labkit.engine.filter import program
    from labkit.linux.classic_bpf import disassemble
    from labkit.linux.libseccomp import syscall_name

    return disassemble(program(profile), syscall_name)


def _print_profile(name: str, profile: Seccomp) -> None:
    from labkit.cli._table import show
    from labkit.engine.filter import program
    from labkit.spec.seccomp_table import rows, settings

    length = len(program(profile)) // 8
    for what, value in (("profile", name), *settings(profile).items(), ("compiled", f"{length} BPF instructions")):
        print(f"{what + ':':<15}{value}")
    table = [
        (what, when or ("always" if names else "else"), " ".join(names) or "every other call")
        for what, when, names in rows(profile)
    ]
    counted = [f"{len(names):>3}" if names else "" for _, _, names in rows(profile)]
    show(
        ("what", "when", "n", "system calls"),
        [(what, when, count, names) for (what, when, names), count in zip(table, counted, strict=True)],
    )


def _diff(words: list[str]) -> int:
    options, names = _options("diff", words, {**_CAPABILITY_OPTIONS, "json": False})
    if len(names) != 2:
        raise UsageError("labkit seccomp diff needs two profiles", "for example: labkit seccomp diff default strict")
    from labkit.spec.seccomp_table import difference, settings

    one, other = (_profile(name, options) for name in names)
    calls = difference(one, other)
    mine, theirs = settings(one), settings(other)
    general = [(key, mine[key], theirs[key]) for key in mine if key != "default" and mine[key] != theirs[key]]
    if options["json"]:
        from labkit.spec.document import encode

        document = {
            "profiles": names,
            "settings": [{"setting": key, "values": [left, right]} for key, left, right in general],
            "calls": [{"does": [left, right], "names": list(called)} for left, right, called in calls],
        }
        print(encode(document, "  "))
    elif calls or general:
        from labkit.cli._table import show

        rows = [(left, right, f"{len(called):>3}", " ".join(called)) for left, right, called in calls]
        rows += [(left, right, "", f"({key})") for key, left, right in general]
        show((names[0], names[1], "n", "system calls"), rows)
    else:
        print("the profiles do the same")
    return 1 if calls or general else 0


def _trace(words: list[str]) -> int:
    from labkit.cli._request import parse

    own, rest = _own_options(words)
    if rest[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if "output" not in own:
        raise UsageError("labkit seccomp trace needs --output FILE", "the profile is written there")
    request = parse("seccomp trace", rest)
    if request is None:
        return 0
    refused = [name for name in ("seccomp", "runtime", "bundle") if name in request.values]
    if refused or request.lists["without"]:
        name = refused[0] if refused else "without"
        raise UsageError(f"--{name} does not go with labkit seccomp trace", "labkit seccomp --help lists its options")
    spec = request.spec()
    more = _merged(own["merge"], spec) if "merge" in own else None
    _check_writable(own["output"])
    status, calls = _recorded(spec)
    found = calls.profile(more)
    _write(own["output"], found)
    _report(own["output"], calls, found)
    if "check" in own:
        again = _again(request.spec(), found)
        print(f"labkit: under {own['output']} its exit status is {again}, without it was {status}", file=sys.stderr)
        return status if again == status else 1
    return status


def _own_options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options of trace itself, and what is left for the parser of `labkit run`."""
    from labkit.cli._request import takes_value

    own: dict[str, str] = {}
    rest: list[str] = []
    todo = list(words)
    while todo and todo[0] != "--":
        word = todo.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if word == "--check":
            own[name] = "yes"
        elif word.startswith("--") and name in ("output", "merge"):
            if not equals and (not todo or todo[0] == "--"):
                raise UsageError(f"--{name} needs a value", "labkit seccomp --help")
            own[name] = value if equals else todo.pop(0)
        else:
            rest.append(word)
            if not word.startswith("-"):
                break  # The command.
            if takes_value(word) and todo:
                rest.append(todo.pop(0))
    return own, [*rest, *todo]


def _merged(path: str, spec: Spec) -> Seccomp:
    from labkit.linux.libc import MACHINE
    from labkit.spec.seccomp_file import load_file

    sets = spec.process.capabilities
    return load_file(path, sets.bounding if sets else (), MACHINE, os.uname().release)


def _check_writable(path: str) -> None:
    """Before the command runs: what it does may not be done twice."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise LabkitError(f"{path}: cannot be written", "--output is a file in a folder that is there")


def _recorded(spec: Spec) -> tuple[int, Calls]:
    from labkit.engine.calls import record
    from labkit.engine.container import Container

    def run(container: Container) -> int:
        try:
            return container.start().wait()
        finally:
            container.delete()

    return record(spec, run)


def _again(spec: Spec, profile: Seccomp) -> int:
    from labkit.engine.container import Container

    spec.linux.seccomp = profile
    container = Container.from_spec(spec)
    try:
        return container.start().wait()
    finally:
        container.delete()


def _write(path: str, profile: Seccomp) -> None:
    from labkit.spec.document import encode

    partial = f"{path}.{os.getpid()}"
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(encode(profile.dump(), "  ") + "\n")
        os.replace(partial, path)
    except OSError as error:
        if os.path.exists(partial):
            os.unlink(partial)
        raise LabkitError(f"{path}: {error.strerror}", "the command has run; write the profile elsewhere") from error


def _report(path: str, calls: Calls, profile: Seccomp) -> None:
    count = sum(calls.counts.values())
    allowed = len({name for rule in profile.rules for name in rule.names})
    print(f"labkit: {count} calls seen; {path} allows {allowed} different ones", file=sys.stderr)
    for number in calls.unnamed():
        print(f"labkit: call {number} has no name here, and is not in it", file=sys.stderr)
