"""The page of an event: what all devices measured around it, where it was, and what led to what is said of it."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import run, ui
from starlette.requests import Request

from archive.folder import ArchiveError
from archive.records import Record
from console.access.permissions import may
from console.alarms import UNSEEN
from console.app import Console
from console.components.events import ClipTraces
from console.eventlist import Entry, visible
from console.eventrecord import devices_of, onset_of, record
from console.eventsearch import Search, beside
from console.eventtexts import moment, title
from console.pages._eventexport import TakeHome
from console.pages._eventpanels import EventMap, Panels
from console.pages.alarms import Act, perform
from console.pages.frame import Page, frame

TICK = 2.0
"""Seconds between two looks at an event that is not final."""


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/events/{name}")
    async def event(request: Request, name: str) -> None:
        search = Search.of(request.query_params)
        with frame(console, request, "events") as page, ui.element("div").classes("syms-event"):
            try:
                held = await run.io_bound(record, console.station, console.archive, name)
            except (ArchiveError, OSError) as fault:
                _none(page, page.text("event.gone", why=page.text.said(str(fault))), search)
                return
            if held is None:  # the console ends
                return
            if page.user.regions is not None and not _seen(console, page, held):
                _none(page, page.text("event.not_yours"), search)
                return
            EventPage(console, page, request, held, search)


def _none(page: Page, why: str, search: Search) -> None:
    with ui.element("div").classes("syms-panel gone"):
        ui.label(why).classes("syms-hint")
        ui.link(page.text("event.list"), f"/events{search.address()}").classes("q-pa-md")


def _seen(console: Console, page: Page, held: Record) -> list[int]:
    """Devices of an event that the reader may see."""
    return [each.device for each in devices_of(held, console.station.configurations()) if page.sees(each.region)]


class EventPage:
    """The content of the page."""

    def __init__(self, console: Console, page: Page, request: Request, held: Record, search: Search) -> None:
        self._console, self._page, self._held, self._search = console, page, held, search
        self._request = request
        self.picked: int | None = None
        self._entry: Entry | None = None
        regions = page.user.regions
        with ui.element("div").classes("syms-panel top"):
            self._bar(request, None if regions is None else _seen(console, page, held))
        with ui.element("div").classes("syms-panel map"):
            self._map = EventMap(page, console, self.pick)
        with ui.element("div").classes("syms-panel traces"):
            self._traces = ClipTraces(page.text, page.local, self._map.element, self.pick)
        with ui.element("div").classes("syms-panel side"):
            self._panels = Panels(console, page, self.pick)
        self._tell()
        self._look()
        self._timer = ui.timer(TICK, self._again)

    def _bar(self, request: Request, devices: list[int] | None) -> None:
        text, query = self._page.text, self._search.address()
        with ui.element("div").classes("head"):
            ui.button(icon="list", on_click=lambda: ui.navigate.to(f"/events{query}")).props("flat dense").tooltip(
                text("event.list"))  # fmt: skip
            self._older = self._turn("chevron_left", "older")
            self._newer = self._turn("chevron_right", "newer")
            self._title = ui.label().classes("what")
            self._when = ui.label().classes("figures")
            self._state = ui.label().classes("state")
            ui.space()
            self._alarm = ui.button(
                text("alarms.do_acknowledge"), icon="done_all", on_click=lambda: self._acknowledge()
            )
            self._alarm.props("dense flat no-caps color=negative").mark("acknowledge").set_visibility(False)
            ui.button(icon="link", on_click=self._share).props("flat dense").tooltip(text("event.share")).mark("share")
            TakeHome(self._console, self._page, request, self._held.id, devices)

    def _turn(self, icon: str, name: str) -> ui.button:
        return ui.button(icon=icon).props("flat dense").tooltip(self._page.text(f"event.{name}")).mark(name)

    def _share(self) -> None:
        ui.run_javascript("navigator.clipboard?.writeText(location.origin + location.pathname)")
        ui.notify(self._page.text("event.copied"))

    async def _acknowledge(self) -> None:
        alarm = self._console.station.alarms.of_event(self._held.id)
        if alarm is not None:
            await perform(self._console, self._page, self._request, [alarm.id], Act("acknowledge"))
            self._look()

    def pick(self, device: int) -> None:
        """Bring a device to the front, everywhere; again: none."""
        self.picked = None if device == self.picked else device
        self._traces.pick(self.picked)
        self._map.element.pick(self.picked)
        self._panels.pick(self.picked)

    def _tell(self) -> None:
        """All of it, anew."""
        held, text = self._held, self._page.text
        self._title.text = title(held, text)
        self._when.text = f"{moment(onset_of(held))} UTC"
        self._map.tell(held)
        self._panels.tell(held)
        revision = held.answers[-1].answer if held.answers else 0
        self._traces.load(f"/events/{quote(held.id)}/traces?answer={revision}&file={int(held.path is not None)}")

    def _look(self) -> None:
        """State and neighbours."""
        known = self._console.events.known(self._console.seconds)
        seen = visible(known.entries, self._page.user.regions)
        found = self._search.found(seen, self._page.names(self._console.station))
        entry, text = known.find(self._held.id), self._page.text
        for button, other in zip((self._older, self._newer), beside(found, self._held.id), strict=True):
            button.set_enabled(other is not None)
            address = f"/events/{quote(other.name)}{self._search.address()}" if other else ""
            button.props(f'href="{address}"' if other else "", remove="" if other else "href")
        if entry is not None:
            state = text(f"events.state_{entry.state}")
            answer = entry.event.answer
            self._state.text = text("event.answer", answer=answer, state=state) if answer else state
            self._state.classes(replace=f"state {entry.state}")
        self._entry = entry
        alarm = self._console.station.alarms.of_event(self._held.id)
        mine = alarm is not None and alarm.state in UNSEEN and may(self._page.user, "acknowledge", alarm.region)
        self._alarm.set_visibility(mine)

    async def _again(self) -> None:
        """What was said since."""
        before = self._entry
        self._look()
        entry = self._entry
        if entry is None or before is None:
            return
        if (entry.event.answer, entry.event.files) != (before.event.answer, before.event.files):
            told = await run.io_bound(record, self._console.station, self._console.archive, self._held.id)
            if told is not None:
                self._held = told
                self._tell()
