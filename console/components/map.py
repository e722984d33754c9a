"""The site from above: devices where they are, or grouped by region; background, lines of the network, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from console.components import LIBRARY
from console.ground import Ground
from console.texts import Texts

STATES = ("ok", "silent", "clock", "bad", "alarm")
"""In the order of `console.pulse.State`."""
COLOURINGS = ("state", "frequency", "relative")
"""By state; by deviation from nominal frequency, or from the centre."""


@dataclass(frozen=True)
class Found:
    """Where an event was."""

    longitude: float
    latitude: float
    major: float
    """km; 0: not known"""
    minor: float
    bearing: float
    """Degrees from north."""
    text: str


class Map(ui.element, component="map.js", esm=LIBRARY):
    """See the module; it fills what is around it."""

    def __init__(self, text: Texts, *, on_pick: Callable[[int], Any] | None = None) -> None:
        """`on_pick` gets the number of a device that is clicked."""
        super().__init__()
        self._props["texts"] = {
            "states": [text(f"state.{name}") for name in STATES],
            "empty": text("app.no_data"),
            **{name: text(f"map.by_{name}") for name in COLOURINGS},
        }
        self._props |= {"colouring": "state", "schematic": False}
        if on_pick:
            self.on("pick", lambda event: on_pick(int(event.args)))

    def show_as(self, colouring: str, schematic: bool) -> None:
        """One of COLOURINGS; by place or by region."""
        self._props |= {"colouring": colouring, "schematic": schematic}
        self.update()

    def set_ground(self, ground: Ground) -> None:
        """What lies under and between the devices."""
        told = {"areas": ground.areas, "ways": ground.ways, "lines": ground.lines, "names": ground.names}
        self.run_method("set_ground", told)

    def set_devices(self, rows: Sequence[Sequence[Any]], boxes: Sequence[Sequence[Any]]) -> None:
        """(number, name, region, longitude, latitude, x, y, nominal frequency) of each, None where it is not known;
        regions of the schematic (x, y, width, height, name)."""
        self.run_method("set_devices", rows, boxes)

    def tell(self, states: NDArray[np.uint8], deviation: NDArray[np.float64], centre: float) -> None:
        """[m] `State` and mHz from nominal (NaN: none) of the devices in their order, and of the centre."""
        said = "".join(map(str, states.tolist()))
        self.run_method("tell", said, np.round(deviation, 1), centre)

    def locate(self, found: Sequence[Found]) -> None:
        """Where events were, until told otherwise."""
        told = [(each.longitude, each.latitude, each.major, each.minor, each.bearing, each.text) for each in found]
        self.run_method("locate", told)

    def pick(self, device: int | None) -> None:
        """Point at a device."""
        self.run_method("pick", device)

    def fit(self) -> None:
        """Look at all of it."""
        self.run_method("fit")
