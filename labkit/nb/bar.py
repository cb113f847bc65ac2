"""A bar in a notebook's output while something is measured."""

from IPython.display import HTML, DisplayHandle, display


class Bar:
    """A context: shown at the first progress that it is told, and removed at the end."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show `done` of `total` trials, and what is measured now."""
        shown = HTML(f'<progress value="{done}" max="{total}"></progress> {done} of {total} trials: {what}')
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.update(HTML(""))
