"""Rows as a table in the terminal."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# In characters: of a column that is not the last, and of a table that is written to no terminal.
_WIDEST = 28
_WIDTH = 120


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print `rows` as wide as the terminal, or 120 characters; the last column has what room the others leave."""
    from labkit.cli.reproduce import lacking

    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError as error:
        raise lacking(error) from error
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", show_lines=True)
    for column in columns:
        last = column == columns[-1]
        table.add_column(column, overflow="fold", max_width=None if last else _WIDEST, ratio=1 if last else None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table)
