"""A heat map of completeness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from console.components import LIBRARY
from console.texts import Texts

F8 = NDArray[np.float64]


class Heat(ui.element, component="heat.js", esm=LIBRARY):
    """A row for each device, a cell for each hour or day."""

    def __init__(self, text: Texts) -> None:
        super().__init__()
        steps = [text(f"completeness.{name}") for name in ("good", "fair", "poor", "bad", "nothing")]
        self._props["texts"] = {"steps": steps, "none": text("completeness.not_expected")}

    def tell(self, names: Sequence[str], cells: Sequence[tuple[str, str]], shares: F8, wholes: F8) -> None:
        """`cells` [c]: short and long text of each; `shares` [d, c], `wholes` [d]: 0 to 1, NaN = not expected."""
        self.run_method("tell", list(names), list(cells), _floor(shares), _floor(wholes))


def _floor(shares: F8) -> F8:
    """What is missing is never rounded away."""
    found: F8 = np.floor(shares * 1e4) / 1e4
    return found
