"""`labkit` for people: one module a verb."""

from __future__ import annotations

import os
import sys

# Not the module, whose name is the verb's here.
from gc import disable as disable_collection

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False


def main(argv: list[str] | None = None) -> int:
    """Run `labkit VERB …`; every LabkitError becomes one line with a hint and its exit status."""
    if argv is not None:
        return _status(argv)
    _open_stdio()
    quick = sys.argv[1:2] == ["run"]
    if quick:
        # A process that lives for 30 ms has nothing to collect, and would look for it twenty times while importing.
        disable_collection()
    status = _status(sys.argv[1:])
    if quick:
        # Everything is undone and flushed: tearing the interpreter down as well takes longer than a small container.
        os._exit(status)
    return status


def _open_stdio() -> None:
    """Give a program that was started with 0, 1 or 2 closed the null device there, as the C library asks for.

    Otherwise the next file or socket to be opened takes the number, and the container would have it as its stdio.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))


def _status(arguments: list[str]) -> int:
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except LabkitError as error:
        print(f"labkit: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_status
    except _Terminated as terminated:
        print("labkit: terminated", file=sys.stderr)
        return 128 + int(terminated.args[0])
    except KeyboardInterrupt:
        print("labkit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: as quiet a death as any filter's.
        _discard_output()
        return 141
    except OSError as error:
        from labkit.engine.hint import hint

        about = f"{error.filename}: " if error.filename else ""
        print(f"labkit: {about}{error.strerror}", file=sys.stderr)
        print(
            f"hint: {hint('', error.errno) or 'that is the word of the operating system; see errno(3)'}",
            file=sys.stderr,
        )
        _discard_output()
        return 125


def _discard_output() -> None:
    """What is still buffered for a stdout that takes nothing more goes nowhere, and is not complained of at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise UsageError("no command was given", f"labkit --help explains {', '.join(_verbs())}")
    verb = arguments[0]
    if verb in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if verb == "--version":
        from labkit import __version__

        print(f"labkit {__version__}")
        return 0
    if verb not in _verbs():
        raise UsageError(f"{verb!r} is not a labkit command", f"the commands are {', '.join(_verbs())}")
    if verb != "run":
        _heed_signals()
    module = __import__(f"labkit.cli.{verb}", fromlist=["main"])
    return int(module.main(arguments[1:]))


class _Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, with its number: a closed terminal is an end as orderly as a Ctrl-C."""


def _heed_signals() -> None:
    import signal

    def terminate(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise _Terminated(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, terminate)


def _verbs() -> list[str]:
    folder = os.path.dirname(__file__)
    return sorted(name.removesuffix(".py") for name in os.listdir(folder) if name.endswith(".py") and name[0] != "_")


def _usage() -> str:
    lines = ["usage: labkit COMMAND …", ""]
    for verb in _verbs():
        module = __import__(f"labkit.cli.{verb}", fromlist=["main"])
        first = (module.__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {verb:<10} {first}")
    return "\n".join([*lines, "", "labkit COMMAND --help says more."])
