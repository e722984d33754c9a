"""Now: how the grid is."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from starlette.requests import Request

from console.app import Console
from console.pages._picker import Picker
from console.pages._side import Side
from console.pages._site import SiteMap, Summary, event_text, events_of
from console.pages._trends import Trends
from console.pages.frame import Page, frame
from console.pulse import Pulse
from console.quantities import Wanted
from protocol.messages import Table

DEFAULT_TRACES = 6
"""Frequencies that are shown where nothing was chosen."""


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/")
    def now(request: Request) -> None:
        with frame(console, request, "now") as page, ui.element("div").classes("syms-now") as whole:
            _content(console, page, request, lambda: whole.classes(toggle="large"))


def _content(console: Console, page: Page, request: Request, enlarge: Callable[[], object]) -> None:
    with ui.element("div").classes("tiles"):
        summary = Summary(console, page)
    site = SiteMap(console, page, lambda device: side.choose(device))
    side = Side(console, page, lambda device: site.pick(device), lambda *more: trends.add(*more))
    with ui.element("div").classes("syms-panel trends"):
        with ui.element("div").classes("tools"):
            choose = ui.button(page.text("trends.choose"), icon="tune").props("flat dense no-caps").mark("choose")
            large = ui.button(icon="open_in_full", on_click=enlarge).props("flat dense").mark("large")
            large.tooltip(page.text("trends.large"))
        with ui.element("div").classes("fill"):
            trends = Trends(console, page, request.query_params)
    picker = Picker(console, page, trends)
    choose.on_click(picker.open)
    marked: list[tuple[int, str]] = []

    def tick() -> None:
        pulse = console.pulses.now(console.seconds)
        if not trends.begun:
            trends.begin(lambda: frequencies(console, page))
        site.tell(pulse)
        side.tell(pulse)
        summary.tell(pulse, site.mine)
        marks = marks_of(pulse, page)
        if marks != marked:
            marked[:] = marks
            trends.mark(marks)

    ui.timer(1.0, tick)


def marks_of(pulse: Pulse, page: Page) -> list[tuple[int, str]]:
    """Onsets of recent disturbances."""
    return [(each.onset, event_text(each, page)) for each in events_of(pulse, page)]


def frequencies(console: Console, page: Page) -> list[Wanted]:
    """Of the first devices of each region, evenly."""
    regions: dict[str, list[int]] = {}
    for device, known in sorted(page.visible(console.station).items()):
        if not Table(*known.table).spectrum:
            regions.setdefault(known.region, []).append(device)
    if not regions:
        return []
    share = max(1, DEFAULT_TRACES // len(regions))
    chosen = [device for devices in regions.values() for device in devices[:share]]
    return [Wanted(device, "frequency") for device in chosen[:DEFAULT_TRACES]]
