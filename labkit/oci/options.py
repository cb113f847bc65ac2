"""Options as Go's flag package reads them, whose rules runc's callers know: one dash or two, a value after = or blank.

By hand: argparse takes as long to import as the rest of `labkit-oci state` takes to run.
"""

from __future__ import annotations

from labkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a table of options says of each: takes nothing, one value, or as many as it is given times.
FLAG, VALUE, LIST = "flag", "value", "list"


def parse(
    words: list[str], table: dict[str, str], letters: dict[str, str], anywhere: bool
) -> tuple[dict[str, Any], list[str]]:
    """(options by name, the other words) of a command line.

    `table` has the kind of each option by its name, `letters` the names of those with a short form. Options end at
    `--`, and, unless they may stand `anywhere`, at the first word that is none. Options that were not given stand as
    False, "" or []. Raises UsageError.
    """
    options: dict[str, Any] = {name: {FLAG: False, VALUE: "", LIST: []}[kind] for name, kind in table.items()}
    others: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return options, others + queue
        if word[:1] != "-" or word == "-" or word[1:].isdigit():
            others.append(word)
            if not anywhere:
                return options, others + queue
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = letters.get(name, name)
        kind = table.get(name)
        if kind is None:
            raise UsageError(f"flag provided but not defined: {word.partition('=')[0]}", "see --help")
        if kind == FLAG:
            options[name] = _truth(word, value) if equals else True
            continue
        if not equals:
            if not queue:
                raise UsageError(f"flag needs an argument: {word}", "see --help")
            value = queue.pop(0)
        if kind == LIST:
            options[name].append(value)
        else:
            options[name] = value
    return options, others


def _truth(word: str, value: str) -> bool:
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise UsageError(f"invalid boolean value {value!r} for {word.partition('=')[0]}", "use true or false")


def one(words: list[str], what: str = "container ID") -> str:
    """The only word; raises UsageError for none or more."""
    if len(words) != 1:
        raise UsageError(f"exactly 1 argument is needed, the {what}, not {len(words)}", "see --help")
    return words[0]


def number(text: str, what: str) -> int:
    """A whole number that is not negative."""
    if not text.isascii() or not text.isdecimal():
        raise UsageError(f"{what} {text!r} is not a whole number", "see --help")
    return int(text)
