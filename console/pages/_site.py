"""The site as a whole: figures of its frequency, and the map."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from console.app import Console
from console.components.map import COLOURINGS, STATES, Found, Map
from console.components.panels import Tiles
from console.describing import figure
from console.geometry import schematic
from console.pages.frame import Page
from console.pulse import Pulse, Roster
from protocol.clock import SECOND
from protocol.messages import Event

Places = NDArray[np.intp]
EVENT_SHOWN = 300 * SECOND
"""For so long an event stays on the map."""


class Summary:
    """The strip of figures."""

    def __init__(self, console: Console, page: Page) -> None:
        self._text, self._page, self._console = page.text, page, console
        captions = [self._text(f"site.{name}") for name in ("mean", "spread", "middle", "rocof")]
        self._element = Tiles(captions, [self._text(f"state.{name}") for name in STATES])
        self._told = 0

    def tell(self, pulse: Pulse, mine: Places) -> None:
        """`mine` [k]: places of the devices that the reader may see."""
        all_ = self._page.user.regions is None
        whole = pulse.spreads[0] if all_ else pulse.among(mine)
        nominal = float(np.median(pulse.roster.nominal)) if pulse.roster.device.size else 50.0
        caption = self._text("site.inertia" if pulse.roster.weighted else "site.mean", count=whole.devices)
        values: list[tuple[str, str, str | None]] = [
            (f"{figure(whole.centre, 4)} Hz", f"{_signed((whole.centre - nominal) * 1000)} mHz", caption),
            (f"{figure((whole.greatest - whole.least) * 1000, 1)} mHz", _range(whole.least, whole.greatest), None),
            (f"{figure((whole.high - whole.low) * 1000, 1)} mHz", _range(whole.low, whole.high), None),
            (f"{_signed(whole.rocof * 1000)} mHz/s", "", None),
        ]
        counts = np.bincount(pulse.state[mine], minlength=len(STATES)).tolist()
        self._element.tell(values, counts)
        past = [(at, spreads[0]) for at, spreads in self._console.pulses.past] if all_ else [(pulse.newest, whole)]
        more = [(each.least, each.centre, each.greatest) for at, each in past if at > self._told]
        if more:
            self._told = past[-1][0]
            self._element.append(more)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + figure(value, 1)


def _range(low: float, high: float) -> str:
    return f"{figure(low, 4)} … {figure(high, 4)}"


class SiteMap:
    """The map, with what it shows and how it is coloured."""

    def __init__(self, console: Console, page: Page, on_pick: Callable[[int], None]) -> None:
        self._console, self._page, text = console, page, page.text
        self._roster: Roster | None = None
        self.mine: Places = np.zeros(0, np.intp)
        """[k] Places of the devices that the reader may see."""
        self._colouring, self._schematic = "state", False
        self._events: list[str] = []
        with ui.element("div").classes("syms-panel map"):
            with ui.element("div").classes("head"):
                ui.label(text("map.title")).classes("title")
                ui.space()
                self._note = (
                    ui.label().classes("text-xs").style("color: var(--ink-3); white-space: nowrap; overflow: hidden")
                )
                ui.toggle(
                    {name: text(f"map.{name}") for name in COLOURINGS}, value="state",
                    on_change=lambda event: self._show(colouring=event.value),
                ).props("dense flat no-caps toggle-color=primary").mark("colouring")  # fmt: skip
                self._switch = ui.toggle(
                    {False: text("map.map"), True: text("map.schematic")}, value=False,
                    on_change=lambda event: self._show(schematic=event.value),
                ).props("dense flat no-caps toggle-color=primary").mark("layout")  # fmt: skip
                fit = ui.button(icon="fit_screen").props("flat dense").tooltip(text("map.fit"))
            with ui.element("div").classes("fill"):
                self._element = Map(text, on_pick=on_pick)
        fit.on_click(self._element.fit)
        ground = console.ground
        if ground.areas or ground.ways or ground.lines or ground.names:
            self._element.set_ground(ground)

    def _show(self, *, colouring: str | None = None, schematic: bool | None = None) -> None:
        self._colouring = self._colouring if colouring is None else colouring
        self._schematic = self._schematic if schematic is None else schematic
        self._element.show_as(self._colouring, self._schematic)

    def tell(self, pulse: Pulse) -> None:
        """How it is this second."""
        if pulse.roster is not self._roster:
            self._take(pulse.roster)
        self._element.tell(pulse.state[self.mine], pulse.deviation[self.mine], _centre(pulse, self.mine))
        shown = [each for each in events_of(pulse, self._page) if pulse.newest - each.onset <= EVENT_SHOWN]
        shown = [each for each in shown if _is_placed(each)]
        said = [f"{each.id} {each.answer}" for each in shown]
        if said != self._events:
            self._events = said
            self._element.locate([self._found(each) for each in shown])

    def _take(self, roster: Roster) -> None:
        first = self._roster is None
        self._roster = roster
        self.mine = np.flatnonzero([self._page.sees(region) for region in roster.regions])
        regions = [roster.regions[at] for at in self.mine]
        drawn = schematic(regions)
        rows = []
        for (x, y), at in zip(drawn.places, self.mine, strict=True):
            latitude, longitude = (None if math.isnan(each) else round(float(each), 5) for each in roster.place[at])
            known = latitude is not None and longitude is not None
            rows.append((int(roster.device[at]), roster.names[at], roster.regions[at], longitude if known else None,
                         latitude if known else None, x, y, roster.nominal[at]))  # fmt: skip
        self._element.set_devices(rows, drawn.boxes)
        nowhere = sum(row[3] is None for row in rows)
        self._note.text = self._page.text("map.nowhere", count=nowhere) if 0 < nowhere < len(rows) else ""
        if first and rows and nowhere > len(rows) / 2:
            self._switch.value = True

    def pick(self, device: int | None) -> None:
        """Point at a device."""
        self._element.pick(device)

    def _found(self, event: Event) -> Found:
        major, minor, bearing = event.ellipse if len(event.ellipse) == 3 else (0.0, 0.0, 0.0)
        return Found(event.longitude, event.latitude, major, minor, bearing, event_text(event, self._page))


def event_text(event: Event, page: Page) -> str:
    """Kind and size, as `generator trip −61 mHz`."""
    size = "" if math.isnan(event.size_mhz) else f" {_signed(event.size_mhz)} mHz"
    size = size if math.isnan(event.size_mw) else f" {_signed(event.size_mw)} MW"
    return page.text.of("kind", event.kind) + size


def events_of(pulse: Pulse, page: Page) -> list[Event]:
    """Recent disturbances, of which the reader may see one of the devices."""
    told = zip(pulse.roster.device.tolist(), pulse.roster.regions, strict=True)
    mine = {device for device, region in told if page.sees(region)}
    return [each for each in pulse.events if each.disturbance and mine & {*each.device.tolist(), *each.nearest}]


def _is_placed(event: Event) -> bool:
    return not math.isnan(event.latitude) and not math.isnan(event.longitude)


def _centre(pulse: Pulse, mine: Places) -> float:
    """mHz from nominal."""
    deviation = pulse.deviation[mine]
    told = deviation[~np.isnan(deviation)]
    return float(told.mean()) if told.size else 0.0
