"""What stands around every page: where one is, where one may go, the time, who one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import ui
from starlette.requests import Request

from console.app import Console
from console.texts import Texts, speaks

PAGES = {"now": "/", "events": "/events", "station": "/station"}
"""Name of each page (its text is `app.<name>`) -> where it is."""


@dataclass(frozen=True)
class Page:
    """What the content of a page needs to know of its reader."""

    text: Texts


@contextmanager
def frame(console: Console, request: Request, here: str) -> Iterator[Page]:
    """The frame of a page; its content is made inside."""
    text = Texts(speaks(request.headers.get("accept-language", "")))
    ui.page_title(f"{text('app.' + here)} · {console.station.name}")
    with ui.header(elevated=True).classes("items-center gap-4 py-1"):
        ui.label(console.station.name).classes("text-lg font-medium")
        for name, path in PAGES.items():
            ui.link(text(f"app.{name}"), path).classes("text-white no-underline px-2" + " border-b-2" * (name == here))
        ui.space()
    with ui.column().classes("w-full p-2 gap-2"):
        yield Page(text)
