"""What stands beside the map: a device, its phasors and spectra; the regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from nicegui import ui

from console.app import Console
from console.components.panels import Facts, Phasors, Section
from console.describing import Block, described, figure, values_of
from console.pages._spectrum import Spectra
from console.pages.frame import Page
from console.pulse import Pulse
from console.quantities import Wanted, names, source
from console.traces import at_times, memory
from protocol.messages import Configuration, Table

EVERY = 0.5
"""Seconds between two looks at a device."""
TABS = ("device", "phasors", "spectrum", "regions")
AS_MEASURED = ""


class Side:
    """The panel, of one device."""

    def __init__(
        self, console: Console, page: Page, on_choose: Callable[[int], None], on_add: Callable[..., None]
    ) -> None:
        """`on_choose` gets the device; `on_add` quantities for the trends."""
        self._console, self._page, self._on_choose, self._on_add = console, page, on_choose, on_add
        self.device: int | None = None
        self._pulse: Pulse | None = None
        self._regions: list[str] = []
        text = page.text
        with ui.element("div").classes("syms-panel side"):
            with ui.element("div").classes("head"), ui.tabs().props("dense inline-label") as self._tabs:
                for name in TABS:
                    ui.tab(name, text(f"side.{name}"))
            with ui.element("div").classes("head"):
                self._choice = ui.select({}, with_input=True, on_change=lambda event: self._chosen(event.value))
                self._choice.props("dense borderless options-dense").classes("grow").mark("device")
                self._add = ui.button(text("side.add"), icon="add_chart", on_click=self._add_all).props("flat dense")
            with ui.tab_panels(self._tabs, value="device", animated=False).classes("fill"):
                with ui.tab_panel("device").classes("h-full"):
                    self._facts = Facts()
                with ui.tab_panel("phasors").classes("h-full"):
                    self._diagram = Diagram(console, page)
                with ui.tab_panel("spectrum").classes("h-full"):
                    self._spectra = Spectra(console, page)
                with ui.tab_panel("regions").classes("h-full"):
                    self._table = Facts()
        self._tabs.on_value_change(lambda: self._show())
        self._shape: list[Block] = []
        ui.timer(EVERY, self._look)

    def tell(self, pulse: Pulse) -> None:
        """How it is this second."""
        if self._pulse is None or pulse.roster is not self._pulse.roster:
            roster = pulse.roster
            seen = [
                (int(d), n)
                for d, n, r in zip(roster.device, roster.names, roster.regions, strict=True)
                if self._page.sees(r)
            ]
            self._choice.set_options(dict(seen))
            if self.device is None and seen:
                self._choice.value = seen[0][0]
        self._pulse = pulse
        if self._tabs.value == "regions":
            self._tell_regions(pulse)

    def choose(self, device: int) -> None:
        """Show this one."""
        self._choice.value = device

    def _chosen(self, device: Any) -> None:
        if isinstance(device, int) and device in self._page.visible(self._console.station):
            self.device = device
            self._show()
            self._on_choose(device)

    def _show(self) -> None:
        self._shape = []
        self._regions = []
        if self.device is not None:
            self._diagram.choose(self.device)
            self._spectra.choose(self.device)
        self._look()
        if self._pulse is not None:
            self.tell(self._pulse)

    def _look(self) -> None:
        known = self._console.station.configurations().get(self.device) if self.device is not None else None
        if known is None:
            return
        if self._tabs.value == "device":
            self._tell_device(known)
        elif self._tabs.value == "phasors":
            self._diagram.tell()
        elif self._tabs.value == "spectrum":
            self._spectra.tell()

    def _tell_device(self, known: Configuration) -> None:
        station = self._console.station
        flags = station.flagged().get(known.device, [])
        utc = self._console.clock().utc
        blocks = described(known, station.reading(known.device), flags, utc, self._page.text)
        if [_head(block) for block in blocks] != [_head(block) for block in self._shape]:
            self._facts.set_rows(
                [Section(each.title, each.columns, [(name, None) for name, _ in each.rows]) for each in blocks]
            )
        self._shape = blocks
        self._facts.tell(values_of(blocks))

    def _tell_regions(self, pulse: Pulse) -> None:
        text = self._page.text
        whole = self._page.user.regions is None
        spreads = [each for each in pulse.spreads if (self._page.sees(each.region) if each.region else whole)]
        rows = [each.region or text("site.whole") for each in spreads]
        if rows != self._regions:
            self._regions = rows
            columns = [text(f"site.{name}") for name in ("count", "centre", "least", "greatest", "width")]
            self._table.set_rows([Section(text("site.regions"), columns, [(name, None) for name in rows])])
        self._table.tell([
            value
            for each in spreads
            for value in (str(each.devices), figure(each.centre, 4), figure(each.least, 4), figure(each.greatest, 4),
                          figure((each.greatest - each.least) * 1000, 1))
        ])  # fmt: skip

    def _add_all(self) -> None:
        """What of the device is most often wanted."""
        known = self._console.station.configurations().get(self.device) if self.device is not None else None
        if known is not None:
            volts = [
                name for name, unit in zip(names(known, "magnitude"), known.phasor_units, strict=False) if unit == "V"
            ]
            more = [Wanted(known.device, "magnitude", volts[0])] if volts else []
            self._on_add(Wanted(known.device, "frequency"), *more)


def _head(block: Block) -> tuple[str, list[str]]:
    return block.title, [name for name, _ in block.rows]


class Diagram:
    """Phasors of a device, as measured or against one of them or another device's."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page, self._known = console, page, None
        self._wanted: list[Wanted] = []
        with ui.element("div").classes("w-full h-full flex flex-col flex-nowrap"):
            with ui.element("div").classes("line"):
                ui.label(page.text("side.reference")).style("color: var(--ink-2); white-space: nowrap")
                self._reference = ui.select(
                    {AS_MEASURED: page.text("side.as_measured")}, value=AS_MEASURED, with_input=True
                )
                self._reference.props("dense options-dense borderless").classes("grow").mark("reference")
            with ui.element("div").classes("w-full").style("flex: 1 1 0; min-height: 0"):
                self._element = Phasors()

    def choose(self, device: int) -> None:
        """Of this device."""
        station = self._console.station
        known = self._page.visible(station)
        mine = known.get(device)
        if mine is None or Table(*mine.table).spectrum:
            return
        self._wanted = [Wanted(device, "magnitude", name) for name in names(mine, "magnitude")]
        told = [source(mine, each.quantity, each.name) for each in self._wanted]
        self._element.set_names(
            [(each.name, how.unit if how else "") for each, how in zip(self._wanted, told, strict=True)]
        )
        options = {AS_MEASURED: self._page.text("side.as_measured")}
        options |= {Wanted(device, "angle", each.name).id: each.name for each in self._wanted}
        for other in known.values():
            if other.device != device and not Table(*other.table).spectrum and other.phasors:
                options[Wanted(other.device, "angle", names(other, "angle")[0]).id] = f"{other.name} {other.phasors[0]}"
        kept = self._reference.value if self._reference.value in options else AS_MEASURED
        self._reference.set_options(options, value=kept)

    def tell(self) -> None:
        """How they are now."""
        station = self._console.station
        if not self._wanted or (found := station.reading(self._wanted[0].device)) is None:
            return
        row = found[0]
        known = station.configurations()[self._wanted[0].device]
        size: list[float] = []
        angle: list[float] = []
        for each in self._wanted:
            for quantity, into in (("magnitude", size), ("angle", angle)):
                how = source(known, quantity, each.name)
                into.append(float(how.compute(row.values[how.channels][:, None])[0]) if how else np.nan)
        turned = np.array(angle) - self._turn(row.time)
        self._element.tell(np.array(size), 180 - (180 - turned) % 360)

    def _turn(self, at: int) -> float:
        """Degrees that are taken off all angles."""
        if not self._reference.value:
            return 0.0
        wanted = Wanted.of(self._reference.value)
        time_, values = memory(self._console.station, wanted, at - 1_000_000, at + 1_000_000)
        return float(at_times(time_, values, np.array([at]), 2_000_000)[0])
