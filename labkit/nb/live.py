"""A figure of what is being recorded, drawn again and again in its place in the notebook until that is over."""

from collections.abc import Callable

import pandas as pd
from IPython.display import SVG, DisplayHandle, display
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.nb.attended import attended
from labkit.nb.recorder import Recorder
from labkit.plots import style

Draw = Callable[[pd.DataFrame], Figure]
_EVERY = 0.4


def follow(recorder: Recorder, draw: Draw) -> None:
    """Show `draw` of what `recorder` has, as it grows, and once more at its end.

    Where nobody sits in front of the notebook, only at its end: drawing takes time from what is recorded.
    """
    handle: DisplayHandle | None = None
    while not recorder.over(_EVERY if attended() else None):
        handle = _show(recorder, draw, handle)
    _show(recorder, draw, handle)


def _show(recorder: Recorder, draw: Draw, handle: DisplayHandle | None) -> DisplayHandle | None:
    try:
        picture = SVG(style.svg(draw(recorder.frame())))
    except LabkitError:
        return handle  # Nothing to draw yet.
    if handle is not None:
        handle.update(picture)
        return handle
    made: DisplayHandle | None = display(picture, display_id=True)
    return made
