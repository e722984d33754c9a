"""Events: all that there were, the newest first, as they are found; what is looked for stands in the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nicegui import ui
from starlette.requests import Request

from console.app import Console
from console.components.events import Days, EventRows
from console.eventlist import Known, visible
from console.eventsearch import DAY, PER_PAGE, Search
from console.eventtexts import GROUPS, row
from console.pages.frame import Page, frame
from protocol.clock import SECOND

TICK = 1.0
"""Seconds between two looks at what came."""
KINDS = (*GROUPS, "unknown")


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/events")
    def events(request: Request) -> None:
        with frame(console, request, "events") as page, ui.element("div").classes("syms-eventlist"):
            EventList(console, page, Search.of(request.query_params))


class EventList:
    """The content of the page."""

    def __init__(self, console: Console, page: Page, search: Search) -> None:
        self._console, self._page, self._search = console, page, search
        self._shown: tuple[int, Search] | None = None
        text = page.text
        with ui.element("div").classes("syms-panel filters"), ui.element("div").classes("head"):
            self._filters()
        with ui.element("div").classes("syms-panel days"):
            self._days = Days(text("events.per_day"), self._pick_day)
        with ui.element("div").classes("syms-panel list"):
            with ui.element("div").classes("fill"):
                self._rows = EventRows(text, page.local)
            with ui.element("div").classes("head foot"):
                self._note = ui.label().classes("note")
                ui.space()
                self._newer = self._turn("chevron_left", "newer", -1)
                self._count = ui.label().classes("figures").mark("count")
                self._older = self._turn("chevron_right", "older", 1)
        ui.timer(TICK, self.look)
        ui.timer(0, self.look, once=True)

    def _turn(self, icon: str, name: str, pages: int) -> ui.button:
        def turn() -> None:
            self._look_for(page=max(1, self._search.page + pages))

        return ui.button(icon=icon, on_click=turn).props("flat dense").tooltip(self._page.text(f"events.pages_{name}"))

    def _filters(self) -> None:
        text, search = self._page.text, self._search
        kinds = {name: text.of("kind", name) for name in KINDS}
        chosen = [each for each in search.kind if each in kinds]
        self._many(ui.select(kinds, multiple=True, value=chosen), "any_kind", "kind", 170)
        regions = self._regions()
        chosen = [each for each in search.region if each in regions]
        self._many(ui.select(regions, multiple=True, value=chosen), "any_region", "region", 140)
        self._one(ui.input(value=search.since).props("type=date"), "since", "since", 128)
        self._one(ui.input(value=search.until).props("type=date"), "until", "until", 128)
        self._one(ui.number(value=search.mhz or None, min=0), "least_mhz", "mhz", 84)
        self._one(ui.number(value=search.sure or None, min=0, max=100), "least_sure", "sure", 84)
        self._one(ui.input(value=search.text), "text", "text", 130)
        rejected = ui.checkbox(text("events.rejected"), value=search.rejected).props("dense size=xs").mark("rejected")
        rejected.on_value_change(lambda event: self._look_for(rejected=bool(event.value), page=1))
        ui.space()
        ui.button(text("events.all"), icon="filter_alt_off", on_click=lambda: ui.navigate.to("/events")).props(
            "flat dense"
        )

    def _regions(self) -> list[str]:
        known = self._page.visible(self._console.station)
        return sorted({each.region for each in known.values() if each.region})

    def _many(self, field: ui.select, caption: str, name: str, width: int) -> None:
        field.props(f'dense options-dense borderless stack-label label="{self._page.text(f"events.{caption}")}"')
        field.style(f"width: {width}px").classes("field").mark(name)
        field.on_value_change(lambda event: self._look_for(**{name: tuple(event.value or ())}, page=1))

    def _one(self, field: Any, caption: str, name: str, width: int) -> None:
        text = self._page.text(f"events.{caption}")
        field.props(f'dense borderless stack-label debounce=400 label="{text}"').style(f"width: {width}px")
        field.classes("field").mark(name)
        empty = getattr(Search(), name)
        field.on_value_change(lambda event: self._look_for(**{name: event.value or empty}, page=1))

    def _pick_day(self, day: int) -> None:
        said = f"{datetime.fromtimestamp(day * DAY / SECOND, UTC):%Y-%m-%d}"
        again = (self._search.since, self._search.until) == (said, said)
        query = replace(self._search, since="" if again else said, until="" if again else said, page=1)
        ui.navigate.to(f"/events{query.address()}")

    def _look_for(self, **more: Any) -> None:
        query = replace(self._search, **more).checked()
        if query != self._search:
            self._search = query
            ui.navigate.history.replace(f"/events{query.address()}")
            self.look()

    def look(self) -> None:
        """Show what changed."""
        known = self._console.events.known(self._console.seconds)
        if self._shown == (known.revision, self._search) and not known.reading:
            return
        self._shown = (known.revision, self._search)
        self._tell(known)

    def _tell(self, known: Known) -> None:
        text, search = self._page.text, self._search
        mine = visible(known.entries, self._page.user.regions)
        names = self._page.names(self._console.station)
        found = search.found(mine, names)
        before, shown = search.shown(found)
        query = replace(search, page=1).address()
        self._rows.set_rows([row(each, text, query, names) for each in shown],
                            "" if shown else text("events.reading" if known.reading else "events.none"))  # fmt: skip
        first, stop = search.span()
        self._days.tell(search.days(mine, names), first // DAY if search.since else None,
                        stop // DAY - 1 if search.until else None)  # fmt: skip
        last = before + len(shown)
        self._count.text = text("events.page", first=before + bool(shown), last=last, count=len(found))
        self._newer.set_enabled(before > 0)
        self._older.set_enabled(last < len(found))
        if before // PER_PAGE + 1 != search.page:
            self._search = replace(search, page=before // PER_PAGE + 1)
        fault = text("events.fault", why=known.fault) if known.fault else ""
        self._note.text = fault or (text("events.reading") if known.reading else "")
