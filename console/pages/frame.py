"""What stands around every page: where one is, where one may go, the time, who one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import may
from console.access.users import User
from console.access.who import require
from console.alarms import unseen
from console.api.now import seen
from console.app import Console
from console.components import LOOKS, STYLES
from console.components.bar import Clock
from console.model import Station
from console.texts import LANGUAGES, Texts, speaks
from protocol.messages import Configuration

PAGES = {"now": "/", "events": "/events", "alarms": "/alarms", "station": "/station", "export": "/export"}
"""Name of each page (its text is `app.<name>`) -> where it is."""
ADMIN = "/admin"
LANGUAGE, LOOK, TIMES = "syms_language", "syms_look", "syms_times"
"""Cookies of what a reader chose."""
ALARMS_SHOWN = 12


@dataclass(frozen=True)
class Page:
    """What the content of a page needs to know of its reader."""

    text: Texts
    user: User
    """As he was when the page was opened; what he does asks anew (`console.access.who.acting`)."""
    local: bool
    """Times in the zone of the reader's browser, not in UTC."""

    def sees(self, region: str) -> bool:
        """Whether the reader may see what is in a region."""
        return self.user.regions is None or region in self.user.regions

    def visible(self, station: Station) -> dict[int, Configuration]:
        """The devices that the reader may see, by number."""
        return seen(station, self.user.regions)

    def names(self, station: Station) -> set[str] | None:
        """Those of the devices that the reader may see; None: all."""
        return None if self.user.regions is None else {each.name for each in self.visible(station).values()}


def reader(request: Request) -> Page:
    """Who it is, and what he chose, else what he has in the file of users, else what his browser asks for.

    Raises Forbidden.
    """
    user = require(request, "view")
    wanted = request.cookies.get(LANGUAGE) or user.language or request.headers.get("accept-language", "")
    return Page(Texts(speaks(wanted)), user, request.cookies.get(TIMES) == "local")


@contextmanager
def frame(console: Console, request: Request, here: str) -> Iterator[Page]:
    """The frame of a page; its content is made inside."""
    page = reader(request)
    text = page.text
    ui.add_head_html("".join(f'<link rel="stylesheet" href="{LOOKS}/{file}">' for file in STYLES))
    ui.page_title(f"{text('app.' + here)} · {console.station.name}")
    look = ui.dark_mode({"dark": True, "light": False}.get(request.cookies.get(LOOK, "")))
    with ui.header().classes("syms-bar items-center"):
        ui.label(console.station.name).classes("station")
        for name, path in PAGES.items():
            ui.link(text(f"app.{name}"), path).classes("place" + " here" * (name == here))
        ui.space()
        _alarms(console, page)
        shown = Clock(text, page.local)
        _choices(page, shown, look)

    def tick() -> None:
        shown.tell(console.clock().utc, console.station.newest())

    ui.timer(1.0, tick)
    yield page


def _alarms(console: Console, page: Page) -> None:
    """How many there are; what they say when one points at it."""
    text = page.text
    link = ui.link("", PAGES["alarms"]).classes("alarms").mark("alarms")
    with link:
        count, said = ui.label(), ui.tooltip().style("white-space: pre-line; max-width: 480px")
    before: list[list[str]] = []

    def show() -> None:
        alarms = _said(console, page)
        if before == [alarms]:
            return
        before[:] = [alarms]
        count.text = text("frame.alarms", count=len(alarms)) if alarms else text("frame.no_alarms")
        link.classes(add="some") if alarms else link.classes(remove="some")
        more = [text("frame.more", count=len(alarms) - ALARMS_SHOWN)] if len(alarms) > ALARMS_SHOWN else []
        said.text = "\n".join([*alarms[:ALARMS_SHOWN], *more])
        said.set_visibility(bool(alarms))

    ui.timer(1.0, show)


def _said(console: Console, page: Page) -> list[str]:
    """What is to be acknowledged; where nobody keeps alarms, what processes say of themselves."""
    desk = console.station.alarms
    if not desk.there:
        return list(console.pulses.now(console.seconds).alarms) if page.user.regions is None else []
    return [page.text.said(each.text) for each in unseen(desk.standing()[1]) if page.sees(each.region)]


def _choices(page: Page, shown: Clock, look: ui.dark_mode) -> None:
    """Language, UTC or local time, light or dark."""
    text = page.text

    def turn(dark: bool) -> None:
        look.value = dark
        shown.remember(LOOK, "dark" if dark else "light", False)

    with ui.button(icon="person").props("flat dense color=white").mark("user"), ui.menu():
        who = text("app.signed_in", name=page.user.name, role=text(f"role.{page.user.role}"))
        ui.item_label(who).classes("q-pa-sm")
        ui.separator()
        if may(page.user, "users"):
            ui.menu_item(text("app.admin"), lambda: ui.navigate.to(ADMIN))
        ui.menu_item(text("app.password"), lambda: ui.navigate.to("/password"))
        ui.menu_item(text("app.sign_out"), lambda: ui.navigate.to("/logout"))
    with ui.button(icon="settings").props("flat dense color=white").mark("choices"), ui.menu():
        for name, called in LANGUAGES.items():
            with ui.menu_item(called, on_click=lambda name=name: shown.remember(LANGUAGE, name, True)):
                ui.space()
                ui.icon("check").set_visibility(name == text.language)
        ui.separator()
        for local in (False, True):
            chosen = "local" if local else "utc"
            with ui.menu_item(text(f"frame.{chosen}"), lambda chosen=chosen: shown.remember(TIMES, chosen, True)):
                ui.space()
                ui.icon("check").set_visibility(local == page.local)
        ui.separator()
        ui.menu_item(text("frame.dark"), on_click=lambda: turn(True))
        ui.menu_item(text("frame.light"), on_click=lambda: turn(False))
