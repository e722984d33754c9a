"""What a panel shows of a device or of the site: figures, tables, phasors, spectra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from console.components import LIBRARY

F8 = NDArray[np.float64]


class Tiles(ui.element, component="tiles.js", esm=LIBRARY):
    """A strip of figures, the first one with a small trend, and how many devices are in which state."""

    def __init__(self, captions: Sequence[str], states: Sequence[str]) -> None:
        super().__init__()
        self._props |= {"captions": list(captions), "states": list(states)}

    def tell(self, values: Sequence[tuple[str, str, str | None]], counts: Sequence[int]) -> None:
        """(value, what stands below, caption if it is another one) of each; devices in each state."""
        self.run_method("tell", values, counts)

    def append(self, points: Sequence[tuple[float, float, float]]) -> None:
        """(least, centre, greatest) of each further second."""
        self.run_method("append", points)


@dataclass(frozen=True)
class Section:
    """Rows with as many values as there are columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Any]]
    """(name, what `on_pick` gets; None: it can't be clicked)"""


class Facts(ui.element, component="facts.js", esm=LIBRARY):
    """A table of named values in sections."""

    def __init__(self, on_pick: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        if on_pick:
            self.on("pick", lambda event: on_pick(event.args))
        self._told: list[str] = []

    def set_rows(self, sections: Sequence[Section]) -> None:
        """What is told of; values follow."""
        told = [{"title": each.title, "columns": each.columns, "rows": each.rows} for each in sections]
        self._told = []
        self.run_method("set_rows", told)

    def tell(self, values: list[str]) -> None:
        """All values in order; "!" before one says that it is not as it should be."""
        if values != self._told:
            self._told = values
            self.run_method("tell", values)


class Phasors(ui.element, component="phasors.js", esm=LIBRARY):
    """Voltages and currents of a device."""

    def set_names(self, names: Sequence[tuple[str, str]]) -> None:
        """(name, unit) of each: kV or A."""
        self.run_method("set_names", names)

    def tell(self, sizes: F8, angles: F8) -> None:
        """In their order; degrees; NaN: none."""
        self.run_method("tell", np.round(sizes, 4), np.round(angles, 2))


class Bars(ui.element, component="bars.js", esm=LIBRARY):
    """A spectrum."""

    def set_axis(self, components: Sequence[float], unit: str, names: Sequence[str], caption: str) -> None:
        """Orders (unit "") or frequencies ("Hz"); the phasors, and what stands before their totals."""
        at = [int(each) if float(each).is_integer() else each for each in components]
        self.run_method("set_axis", at, unit, names, caption)

    def tell(self, values: F8, of: str, summary: Sequence[str]) -> None:
        """[p, k] in the unit `of`, and a text for each phasor where none is pointed at."""
        self.run_method("tell", np.round(values, 4), of, summary)
