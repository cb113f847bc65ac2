"""A plan as a table in HTML, for a notebook and the site; and what other tables need."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labkit.plan.plan import Plan

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_HEADINGS = ("number", "who", "step", "what", "system call", "why")


def escape(text: str) -> str:
    """`text` for any place in HTML, its control characters and what is no Unicode shown as Python writes them.

    As html.escape, which costs 5 ms to import.
    """
    return "".join(_shown(character) for character in text.encode(errors="backslashreplace").decode())


def _shown(character: str) -> str:
    if character in _ENTITIES:
        return _ENTITIES[character]
    return character if character.isprintable() or character == "\n" else repr(character)[1:-1]


def code(text: str) -> str:
    """`text`, escaped, as something a computer reads or writes."""
    return f"<code>{escape(text)}</code>"


def framed(caption: str, rows: Iterable[str]) -> str:
    """A table of rows in HTML, which scrolls, also by keyboard, where it is too wide."""
    name = escape(caption)
    return (
        f'<div role="region" aria-label="{name}" tabindex="0" style="overflow-x: auto">'
        f'<table class="dataframe"><caption>{name}</caption>{"".join(rows)}</table></div>'
    )


def plan_table(plan: Plan) -> str:
    """The plan's steps, a row each, and under them its notes."""
    heading = "".join(f'<th scope="col">{name}</th>' for name in _HEADINGS)
    rows = [
        f'<tr><td>{number}</td><td>{who}</td><th scope="row">{escape(name)}</th><td>{escape(what)}</td>'
        f"<td>{code(call)}</td><td>{escape(why)}</td></tr>"
        for number, (who, name, what, call, why) in enumerate(plan.rows(), 1)
    ]
    table = framed(f"Plan of container {plan.id}", [f"<thead><tr>{heading}</tr></thead><tbody>", *rows, "</tbody>"])
    return table + "".join(f"<p>Note: {escape(note)}</p>" for note in plan.notes)
