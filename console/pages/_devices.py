"""All that is counted of devices, as a table."""

from __future__ import annotations

import numpy as np
from nicegui import ui

from console.app import Console
from console.components.grid import Column, Grid, Mark
from console.counts import Counts, base, kind_of
from console.pages.frame import Page

MEASURES = ("_ms", "score")
FAULTS = ("corrupt", "refused", "lost", "bad_now")
CONNECTED = ("connected", "receiver_connected", "balancer_connected")


class Devices:
    """Those of the reader's regions."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page
        self._before: Counts | None = None
        with ui.element("div").classes("syms-panel"), ui.element("div").classes("fill"):
            self._element = Grid(page.text, page.text("grid.only"))

    async def tell(self, now: float) -> None:
        """How it is this second."""
        counts = self._console.counting.now(now)
        mine = np.flatnonzero([self._page.sees(region) for region in counts.regions])
        if not counts.same_rows(self._before):
            self._set_rows(counts, mine)
        self._before = counts
        off = self._off(counts)
        marks = [self._mark(counts, at, bool(off[at])) for at in mine.tolist()]
        self._element.tell(counts.values[mine], marks)

    def _set_rows(self, counts: Counts, mine: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        text = self._page.text
        columns: list[Column] = []
        titled: set[str] = set()
        for name in counts.columns:
            short, kind = base(name), kind_of(name)
            title = text.of("count", short)
            tip = f"{text.of('node_kind', kind)}: {short}" if kind else short
            if short in titled:
                title = f"{title} · {text.of('node_kind', kind)}"
            titled.add(short)
            digits = 1 if short.endswith(MEASURES) else 0
            columns.append(Column(title, tip, digits=digits, fault=short in FAULTS))
        rows = [(counts.names[at], counts.links[at], counts.regions[at]) for at in mine.tolist()]
        captions = [text("grid.device"), text("device.link"), text("device.region"), text("grid.state")]
        self._element.set_rows(captions, columns, rows)

    def _off(self, counts: Counts) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """[m] devices that nobody has a connection of."""
        places = [counts.columns.index(name) for name in CONNECTED if name in counts.columns]
        told = counts.values[:, places]
        known = np.isfinite(told).any(axis=1)
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = known & (np.nansum(told, axis=1) == 0)
        return found

    def _mark(self, counts: Counts, at: int, off: bool) -> Mark:
        text = self._page.text
        said = [text("grid.disconnected")] if off else []
        said += [text.of("fault", flag) for flag in counts.flags[at]]
        return ", ".join(said) or text("grid.fine"), bool(said)
