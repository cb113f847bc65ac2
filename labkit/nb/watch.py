"""A running container watched in the notebook until its end.

In JupyterLab it is a widget with a button. When the container has ended, and from the beginning where nobody could
press a button, it is a figure and a sentence, which stay in the notebook and in the page that is made of it.
"""

import threading
import time
from html import escape

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, DisplayHandle, display

from labkit import Container
from labkit.cgroups.sample import Sampler
from labkit.errors import LabkitError
from labkit.nb import monitor
from labkit.nb.attended import attended
from labkit.nb.displays import drawn, labelled, say, show
from labkit.nb.recorder import Recorder

_DRAWN_EVERY = 0.5
# A screen reader reads the sentence whenever it changes.
_SAID_EVERY = 3.0


def watch(container: Container, seconds: float = 8.0, interval: float = 0.05) -> None:
    """Show what `container` uses from now on, read every `interval` seconds, until its end.

    One that was created and not started is started once it has been read, so that all of its life is seen. Where nobody
    sits in front of the notebook, it looks for at most `seconds`. LabkitError when it does not run.
    """
    if attended():
        Watch(container, interval)
        return
    with Sampler(container.cgroups) as sampler, Recorder(sampler.read, interval) as recorder:
        _begin(container, recorder)
        recorder.over(seconds)
    frame, allowed = monitor.rates(recorder.frame()), monitor.limits(container)
    words = monitor.in_words(frame, allowed), monitor.status(container)
    try:
        show(monitor.figure(frame, allowed), *words)
    except LabkitError:
        say(*words)  # There is nothing to draw.


def _begin(container: Container, recorder: Recorder) -> None:
    recorder.begun()
    if container.status == "created":
        container.start()


class Watch:
    """The widget: a button, a picture and a sentence, whose place a figure takes in the end."""

    def __init__(self, container: Container, interval: float) -> None:
        self._container = container
        self._allowed = monitor.limits(container)
        self._sampler = Sampler(container.cgroups)
        self._recorder = Recorder(self._sampler.read, interval)
        _begin(container, self._recorder)
        self._drawing = threading.Event()
        self._drawing.set()
        self.button = widgets.Button(description="Stop", tooltip=f"Stop or start watching container {container.id}")
        self.button.on_click(self._pressed)
        self.picture, self.words = widgets.HTML(), widgets.HTML()
        self._handle: DisplayHandle | None = display(
            widgets.VBox([self.button, self.picture, self.words]), display_id=True
        )
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def over(self, timeout: float | None = None) -> bool:
        """Whether the figure has taken the widget's place; waits for that up to `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _pressed(self, _: widgets.Button) -> None:
        """Leave the picture as it is, or go on with it; what happens meanwhile is recorded in either case."""
        if self._drawing.is_set():
            self._drawing.clear()
        else:
            self._drawing.set()
        self.button.description = "Stop" if self._drawing.is_set() else "Start"

    def _watch(self) -> None:
        drawn_last = said_last = float("-inf")
        while not self._recorder.over(_DRAWN_EVERY):
            now = time.monotonic()
            if self._drawing.is_set() and now - drawn_last >= _DRAWN_EVERY:
                frame = self._frame()
                words = monitor.in_words(frame, self._allowed)
                self._draw(frame, words)
                if now - said_last >= _SAID_EVERY:
                    self.words.value = f'<p role="status">{escape(words)}</p>'
                    said_last = now
                drawn_last = time.monotonic()
        self._finish()

    def _frame(self) -> pd.DataFrame:
        return monitor.thinned(monitor.rates(self._recorder.frame()))

    def _draw(self, frame: pd.DataFrame, words: str) -> None:
        try:
            self.picture.value = labelled(monitor.figure(frame, self._allowed), words)
        except LabkitError:
            pass  # Nothing to draw yet.

    def _finish(self) -> None:
        """Put the figure of all that was seen in the widget's place."""
        self._sampler.close()
        frame = self._frame()
        words = f"{monitor.in_words(frame, self._allowed)} {monitor.status(self._container)}"
        try:
            shown = HTML(drawn(monitor.figure(frame, self._allowed), words))
        except LabkitError:
            shown = HTML(f"<p>{escape(words)}</p>")
        if self._handle is not None:
            self._handle.update(shown)
