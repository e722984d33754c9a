"""A table of many rows, which browsers sort and filter by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from console.components import LIBRARY
from console.counts import changes
from console.texts import Texts


@dataclass(frozen=True)
class Column:
    """Of figures."""

    title: str
    tip: str
    digits: int = 0
    percent: bool = False
    """A share, told in per cent and never rounded up."""
    fault: bool = False
    """Anything but nought is no good."""


Mark = tuple[str, bool]
"""(text in the last column of texts, whether the row is in trouble)"""


class Grid(ui.element, component="grid.js", esm=LIBRARY):
    """Names first, then figures; what changed alone is sent."""

    def __init__(self, text: Texts, only: str, on_pick: Callable[[int], None] | None = None) -> None:
        """`only`: what the switch says that leaves out rows without trouble; `on_pick` gets the place of a row."""
        super().__init__()
        self._props["texts"] = {"filter": text("grid.filter"), "only": only}
        if on_pick:
            self.on("pick", lambda event: on_pick(int(event.args)))
        self._values: NDArray[np.float64] | None = None
        self._marks: list[Mark] = []

    def set_rows(self, captions: Sequence[str], columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Captions of the texts, figures, and the texts of each row; the last text is told by `tell`."""
        self._values, self._marks = None, [("", False)] * len(rows)
        self.run_method("set_rows", list(captions), [asdict(each) for each in columns], [[*row, ""] for row in rows])

    def tell(self, values: NDArray[np.float64], marks: Sequence[Mark]) -> None:
        """[m, c], and what stands in the last column of texts."""
        row, column, value = changes(values, self._values)
        told: list[tuple[int, str, bool]] = [
            (at, *mark) for at, (mark, before) in enumerate(zip(marks, self._marks, strict=True)) if mark != before
        ]
        if row.size or told:
            self._values, self._marks = values, list(marks)
            self.run_method("tell", row.tolist(), column.tolist(), _plain(value), told)


def _plain(value: NDArray[np.float64]) -> list[Any]:
    """Whole numbers without a point, three digits else; None for NaN."""
    return [None if each != each else int(each) if each == int(each) else each for each in np.round(value, 4).tolist()]
