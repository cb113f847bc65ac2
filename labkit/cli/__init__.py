"""`labkit` for people: one module a verb."""

from __future__ import annotations

import os
import sys

from labkit.errors import LabkitError

TYPE_CHECKING = False


def main(argv: list[str] | None = None) -> int:
    """Run `labkit VERB …`; every LabkitError becomes one line with a hint and its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(arguments)
    except LabkitError as error:
        print(f"labkit: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("labkit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: as quiet a death as any filter's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        print(f"labkit: {about}{error.strerror}", file=sys.stderr)
        return 125


def _dispatch(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        print(_usage())
        return 0 if arguments else 2
    if verb == "--version":
        from labkit import __version__

        print(f"labkit {__version__}")
        return 0
    if verb not in _verbs():
        raise LabkitError(f"{verb!r} is not a labkit command", f"the commands are {', '.join(_verbs())}", 2)
    module = __import__(f"labkit.cli.{verb}", fromlist=["main"])
    return int(module.main(arguments[1:]))


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
