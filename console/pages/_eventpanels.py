"""What stands beside the traces of an event: where it was, and what led to what is said of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nicegui import run, ui

from archive.folder import ArchiveError
from archive.records import Record
from console.app import Console
from console.components.events import ModesPlot
from console.components.map import Found, Map
from console.components.panels import Facts, Section
from console.eventfacts import Sheet, answers, arrivals, bad, statements, suspicions, verdicts, why
from console.eventrecord import devices_of, measured, onset_of
from console.eventtexts import title
from console.geometry import schematic
from console.modes import Modes, modes_of
from console.pages.frame import Page

TABS = ("why", "arrivals", "suspicions", "bad", "modes", "answers")


class EventMap:
    """The devices of an event, coloured by frequency; where it was."""

    def __init__(self, page: Page, console: Console, on_pick: Callable[[int], None]) -> None:
        self._page, self._console = page, console
        text = page.text
        with ui.element("div").classes("head"):
            ui.label(text("event.map")).classes("title")
            ui.space()
            self._colouring = ui.toggle(
                {name: text(f"map.{name}") for name in ("frequency", "relative")}, value="frequency",
                on_change=lambda: self._show(),
            ).props("dense flat no-caps toggle-color=primary")  # fmt: skip
            fit = ui.button(icon="fit_screen").props("flat dense").tooltip(text("map.fit"))
        with ui.element("div").classes("fill"):
            self.element = Map(text, on_pick=on_pick)
        fit.on_click(self.element.fit)
        self._schematic = False
        self._told: list[int] = []

    def _show(self) -> None:
        self.element.show_as(str(self._colouring.value), self._schematic)

    def tell(self, held: Record) -> None:
        """Where everything is."""
        known = self._console.station.configurations()
        looked = [each for each in devices_of(held, known) if self._page.sees(each.region)]
        if [each.device for each in looked] != self._told:
            self._told = [each.device for each in looked]
            drawn = schematic([each.region for each in looked])
            rows = []
            for each, (x, y) in zip(looked, drawn.places, strict=True):
                there = each.latitude == each.latitude and each.longitude == each.longitude
                place = (each.longitude, each.latitude) if there else (None, None)
                nominal = known[each.device].nominal if each.device in known else 50
                rows.append((each.device, each.name, each.region, *place, x, y, nominal))
            self._schematic = sum(row[3] is None for row in rows) > len(rows) / 2
            ground = self._console.ground
            if ground.areas or ground.ways or ground.lines or ground.names:
                self.element.set_ground(ground)
            self.element.set_devices(rows, drawn.boxes)
            self._show()
        said = held.counting if held.answers else None
        if said is not None and said.disturbance and not math.isnan(said.latitude + said.longitude):
            major, minor, bearing = said.ellipse if len(said.ellipse) == 3 else (0.0, 0.0, 0.0)
            text = title(held, self._page.text)
            self.element.locate([Found(said.longitude, said.latitude, major, minor, bearing, text)])


class Panels:
    """The tabs."""

    def __init__(self, console: Console, page: Page, on_pick: Callable[[int], None]) -> None:
        self._page = page
        text = page.text
        with ui.element("div").classes("head"), ui.tabs().props("dense inline-label") as tabs:
            for name in TABS:
                ui.tab(name, text(f"event.{name}"))
        self._facts: dict[str, Facts] = {}
        with ui.tab_panels(tabs, value="why", animated=False, keep_alive=True).classes("fill"):
            for name in TABS:
                with ui.tab_panel(name).classes("h-full"):
                    if name == "modes":
                        self._modes = ModesPanel(console, page)
                    else:
                        self._facts[name] = Facts(on_pick)
        self._sheets: dict[str, list[Sheet]] = {}
        self._tabs = tabs
        tabs.on_value_change(lambda: self._show())

    def tell(self, held: Record) -> None:
        """What is said of an event now."""
        text, sees = self._page.text, self._page.sees
        self._sheets = {name: [] for name in self._facts}
        if held.answers:
            said = held.counting
            self._sheets |= {
                "why": [statements(held, text, sees), *why(said, text, sees)],
                "arrivals": arrivals(said, text, sees),
                "suspicions": suspicions(said, text, sees),
                "bad": bad(said, text, sees),
                "answers": answers(held, text),
            }
        else:
            self._sheets["why"] = verdicts(held, text, sees)
        self._show()
        self._modes.tell(held)

    def _show(self) -> None:
        """The one that is seen: an element that is not there yet can't be told anything."""
        facts = self._facts.get(str(self._tabs.value))
        if facts is None:
            self._modes.show()
            return

        def tell() -> None:
            sheets = self._sheets.get(str(self._tabs.value), [])
            facts.set_rows([
                Section(sheet.title, sheet.columns, [(row.name, row.device) for row in sheet.rows]) for sheet in sheets
            ])  # fmt: skip
            facts.tell([value for sheet in sheets for row in sheet.rows for value in row.values])

        ui.timer(0.05, tell, once=True)

    def pick(self, device: int | None) -> None:
        """A device was chosen: its modes are shown."""
        self._modes.pick(device)


@dataclass
class _Asked:
    device: int
    revision: int


class ModesPanel:
    """Intrinsic mode functions of a device that is chosen."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page
        self._held: Record | None = None
        self._found: Modes | None = None
        self._asked: _Asked | None = None
        with ui.element("div").classes("w-full h-full flex flex-col flex-nowrap"):
            with ui.element("div").classes("w-full flex items-center gap-2 px-2"):
                self._choice = ui.select({}, label=None, with_input=True, on_change=lambda: self._choose())
                self._choice.props("dense options-dense borderless").classes("grow").mark("modes-device")
                self._note = ui.label().classes("text-xs").style("color: var(--ink-2)")
            with ui.element("div").classes("w-full").style("flex: 1 1 0; min-height: 0"):
                self._element = ModesPlot(page.text)
        self._seen = False

    def tell(self, held: Record) -> None:
        """Of this event."""
        self._held, self._asked = held, None
        known = self._console.station.configurations()
        options = {each.device: each.name for each in devices_of(held, known) if self._page.sees(each.region)}
        nearest = held.counting.nearest if held.answers else []
        first = next((device for name in nearest for device, called in options.items() if called == name), None)
        value = self._choice.value if self._choice.value in options else first or next(iter(options), None)
        self._choice.set_options(options, value=value)

    def pick(self, device: int | None) -> None:
        """Of this device."""
        if device is not None and device in self._choice.options:
            self._choice.value = device

    def show(self) -> None:
        """It is seen now."""
        self._seen = True
        if self._found is not None and self._held is not None:
            ui.timer(0.05, lambda: self._tell_element(), once=True)
        self._choose()

    def _tell_element(self) -> None:
        if self._held is not None:
            self._element.tell(self._found, onset_of(self._held))

    def _choose(self) -> None:
        device, held = self._choice.value, self._held
        if not self._seen or held is None or not isinstance(device, int):
            return
        asked = _Asked(device, len(held.answers))
        if asked != self._asked:
            self._asked = asked
            ui.timer(0.05, lambda: self._bring(asked, held), once=True)

    async def _bring(self, asked: _Asked, held: Record) -> None:
        text = self._page.text
        self._note.text = text("modes.working")
        note = ""
        self._found = None
        try:
            self._found = await run.io_bound(self._made, held, asked.device)
            note = text("modes.few") if self._found is None else ""
        except (ArchiveError, OSError, ValueError) as fault:
            note = text("modes.failed", why=text.said(str(fault)))
        if asked == self._asked:
            self._note.text = note
            self._tell_element()

    def _made(self, held: Record, device: int) -> Modes | None:
        """In a thread."""
        found = measured(self._console.station, held, [device])
        if not found or np.isfinite(found[0].frequency).sum() < 16:
            return None
        return modes_of(found[0])
