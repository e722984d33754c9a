"""Which share of what was expected the archive holds: as a picture, and as a table."""

from __future__ import annotations

import numpy as np
from nicegui import run, ui

from archive.completeness import GOAL, Completeness
from archive.folder import ArchiveError
from archive.layout import moment
from console.app import Console
from console.components.grid import Column, Grid
from console.components.heat import Heat
from console.pages.frame import Page

FIGURES = ("expected", "missing", "invalid", "unsynchronised", "aside", "late")


class Completenesses:
    """Of the devices of the reader's regions."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page
        self._told: Completeness | None = None
        text = page.text
        with ui.element("div").classes("syms-panel heat"):
            with ui.element("div").classes("head"):
                self._title = ui.label(text("completeness.title")).classes("title").mark("whole")
                self._note = ui.label().classes("note")
                ui.space()
                spans = {False: text("completeness.hours"), True: text("completeness.days")}
                self._days = ui.toggle(spans, value=False, on_change=self._look)
                self._days.props("dense flat no-caps toggle-color=primary").mark("span")
            with ui.element("div").classes("fill"):
                self._heat = Heat(text)
        with ui.element("div").classes("syms-panel table"), ui.element("div").classes("fill"):
            self._grid = Grid(text, text("completeness.only"))

    async def tell(self, now: float) -> None:
        """As it was found at most a minute ago."""
        await self._look()

    async def _look(self) -> None:
        stored = self._console.stored
        try:
            found = await run.io_bound((stored.days if self._days.value else stored.hours).now)
        except (ArchiveError, OSError) as fault:
            self._note.text = self._page.text.said(str(fault))
            return
        if found is None or found is self._told:  # None: the console ends
            return
        self._told = found
        self._show(found.only(np.array([self._page.sees(each.region) for each in found.configurations], np.bool_)))

    def _show(self, found: Completeness) -> None:
        text = self._page.text
        whole = found.whole()
        self._title.text = text("completeness.whole", share=_percent(whole)) if whole == whole else text(
            "completeness.title"
        )  # fmt: skip
        self._title.classes(add="low") if whole < GOAL else self._title.classes(remove="low")
        unheard = ", ".join(found.unheard) if self._page.user.regions is None else ""
        self._note.text = text("completeness.unheard", names=unheard) if unheard else text("completeness.goal")
        share, wholes = found.share, found.of_devices()
        order = np.argsort(np.where(np.isfinite(wholes), wholes, 2.0), kind="stable")
        names = [found.devices[at] for at in order.tolist()]
        days = bool(self._days.value)
        cells = [_cell(start, days) for start in found.start.tolist()]
        self._heat.tell(names, cells, share[order], wholes[order])
        columns = [Column(text("completeness.share"), text("completeness.title"), percent=True)]
        columns += [Column(text(f"completeness.{name}"), text(f"completeness.{name}_tip")) for name in FIGURES]
        self._grid.set_rows(
            [text("grid.device"), text("device.region"), text("completeness.reached")], columns,
            [(found.devices[at], found.configurations[at].region) for at in order.tolist()],
        )  # fmt: skip
        low = (wholes < GOAL)[order].tolist()
        marks = [(text("completeness.no") if each else text("completeness.yes"), each) for each in low]
        self._grid.tell(_figures(found, wholes)[order], marks)


def _figures(found: Completeness, wholes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> (
    np.ndarray[tuple[int, int], np.dtype[np.float64]]
):  # fmt: skip
    """[d, 1 + f] share and `FIGURES` of each device"""
    missing = np.maximum(found.expected - found.archived, 0)
    parts = [found.expected, missing, found.invalid, found.unsynchronised, found.aside]
    late = np.where(np.isfinite(found.late).any(axis=1), np.nansum(found.late, axis=1), np.nan)
    return np.column_stack([wholes, *(each.sum(axis=1) for each in parts), late]).astype(np.float64)


def _percent(share: float) -> str:
    """Never rounded up to 100 %."""
    return f"{np.floor(share * 1e4) / 1e2:.2f}"


def _cell(start: int, days: bool) -> tuple[str, str]:
    """Of a cell, in UTC: in little room, and whole."""
    at = moment(start)
    return (f"{at:%m-%d}", f"{at:%Y-%m-%d} UTC") if days else (f"{at:%H:%M}", f"{at:%Y-%m-%d %H:%M} UTC")
