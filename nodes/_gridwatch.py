"""The grid of a station that runs, for the windows of one detector: read again when the site file changes.

Tables that can't be read any more are an alarm; places are then told by coordinates alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from algorithms.electrical import Network, prepared
from nodes import _grid
from nodes._faults import Faulty
from nodes._node import Place
from nodes._site import Site
from nodes._sitewatch import SiteWatch
from protocol.clock import Now


class GridWatch:
    """See the module."""

    def __init__(self, place: Place) -> None:
        self.watch = SiteWatch(place, Site.model_validate({"station": "", **place.site}))
        self._grid: _grid.Grid | None = None
        self._faults: list[str] = []

    def start(self, now: Now) -> None:
        """The process begins."""
        self.watch.start(now)
        self._read()

    def look(self, now: Now) -> None:
        """Take up a changed site file."""
        if (site := self.watch.look(now)) is not None:
            self.watch.take(site, now)
            self._read()

    def _read(self) -> None:
        site, self._grid, self._faults = self.watch.site, None, []
        if site.network is not None:
            try:
                grid = _grid.load(site.network, site.devices)
                self._grid = replace(grid, network=prepared(grid.network))
            except Faulty as faulty:
                self._faults = [f"places without the network: {fault}" for fault in faulty.faults[:1]]

    def network(self, devices: Iterable[int]) -> Network | None:
        """With the buses of these devices; None: there is none."""
        return self._grid.of(devices) if self._grid else None

    @property
    def response(self) -> float:
        """MW/Hz; NaN = not known"""
        return self.watch.site.frequency_response or math.nan

    @property
    def inertia(self) -> float:
        """MW·s; NaN = not known"""
        return self.watch.site.inertia or math.nan

    @property
    def alarms(self) -> list[str]:
        return [*self._faults, *self.watch.alarms]
