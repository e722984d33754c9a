"""Traces over time, live and from the archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from nicegui import ui
from nicegui.events import GenericEventArguments
from numpy.typing import NDArray

from console.components import LIBRARY
from console.decimation import Points
from console.texts import Texts
from protocol.clock import MILLISECOND, SECOND

COLOURS = (
    *("#3987e5", "#199e70", "#d97a1f", "#c2528b", "#8a6fd1", "#b59a00", "#3aa6b9", "#d0574c", "#6f9a2b", "#8d7a6b"),
    *("#5b74a8", "#4fb58e", "#e0a25a", "#b36fa3", "#6a5acd", "#9c8b2f", "#2f7f8f", "#a8483f", "#4d7a1f", "#6e6259"),
)
"""Of traces, as they come; to be seen on light and on dark ground."""
MOST = len(COLOURS)
"""Traces of one element."""
TEXTS = ("pause", "live", "span", "earlier", "later", "closer", "wider", "picture", "csv", "remove", "empty")


@dataclass(frozen=True)
class Line:
    """What is said of a trace before its values."""

    id: str
    label: str
    unit: str
    """Those of one unit share a pane."""
    colour: str
    digits: int | None = None
    """Behind the point; None: as fits the size."""


@dataclass(frozen=True)
class View:
    """What the reader wants to see."""

    live: bool
    since: int
    """ns UTC"""
    until: int
    columns: int
    """Pixels, about: more points than that are not seen."""
    span: float
    """Seconds that are shown while it is live."""


class Trend(ui.element, component="trend.js", esm=LIBRARY):
    """See the module; it fills what is around it."""

    def __init__(
        self,
        text: Texts,
        *,
        span: float = 60.0,
        title: str = "",
        local: bool = False,
        files: bool = True,
        on_view: Callable[[View], Any] | None = None,
        on_remove: Callable[[str], Any] | None = None,
    ) -> None:
        """`span` in seconds; `local`: in the browser's time zone; `files`: whether the reader may take tables home;
        `on_view` when he looks at another stretch, `on_remove` when a trace's name is clicked."""
        super().__init__()
        self._props |= {"span": span, "title": title, "local": local, "files": files}
        self._props["texts"] = {name: text(f"trend.{name}") for name in TEXTS}
        if on_view:
            self.on("view", lambda event: on_view(view_of(event.args)))
        if on_remove:
            self.on("remove", lambda event: on_remove(_text(event)))

    def set_lines(self, lines: Sequence[Line]) -> None:
        """These, in this order; those that were there keep their values."""
        self.run_method("set_traces", [asdict(each) for each in lines[:MOST]])

    def append(self, blocks: Sequence[tuple[str, int, int, NDArray[np.float32]]]) -> None:
        """(id, time of the first value [ns UTC], step [ns], values [n]) that are newer than those before."""
        told = [(id_, first / MILLISECOND, step / MILLISECOND, values) for id_, first, step, values in blocks]
        self.run_method("append", told)

    def past(self, since: int, until: int, found: dict[str, Points]) -> None:
        """All that there is of [since, until) [ns UTC], by id."""
        blocks = [
            (id_, each.time / MILLISECOND, each.value, each.low, each.high) for id_, each in found.items()
        ]  # fmt: skip
        self.run_method("past", since / MILLISECOND, until / MILLISECOND, blocks)

    def annotate(self, marks: Sequence[tuple[int, str]]) -> None:
        """Instants [ns UTC] with a label."""
        self.run_method("mark", [(at / MILLISECOND, text) for at, text in marks])

    def point(self, at: int | None) -> None:
        """A moment [ns UTC] that is pointed at (replay); None: none."""
        self.run_method("point", None if at is None else at / MILLISECOND)

    def show(self, since: int, until: int) -> None:
        """Look at [since, until) [ns UTC]; `on_view` follows."""
        self.run_method("show", since / MILLISECOND, until / MILLISECOND)

    def busy(self, is_: bool) -> None:
        """More is being fetched; `past` ends it."""
        self.run_method("busy", is_)

    def tell(self, text: str) -> None:
        """A line beside the buttons; "" for none."""
        self.run_method("tell", text)

    def forget(self) -> None:
        """Forget all values."""
        self.run_method("clear")


def view_of(told: dict[str, Any]) -> View:
    """What a browser says it looks at, within bounds. Raises ValueError, TypeError, KeyError for what is no view."""
    since, until = (int(float(told[name]) * MILLISECOND) for name in ("from", "until"))
    if not 0 <= since < until <= 1 << 62:
        raise ValueError(f"{since} to {until} is no stretch of time")
    span = min(max(1.0, float(told["span"])), 7 * 86400.0)  # of NaN 1.0, too
    until = max(until, since + SECOND // 1000)
    return View(bool(told["live"]), since, until, min(max(int(told["columns"]), 100), 4000), span)


def _text(event: GenericEventArguments) -> str:
    return str(event.args)
