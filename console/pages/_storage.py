"""What is kept where: archive and journals, how they grow, how long there is room."""

from __future__ import annotations

import math

from nicegui import run, ui

from console.app import Console
from console.components.panels import Facts, Section
from console.flows import Process, bytes_
from console.pages._processes import number
from console.pages.frame import Page
from console.storage import Room

JOURNAL = ("journal_bytes", "journal_segments", "journal_waiting_bytes", "journal_slowest_ms", "journal_dropped_rows",
           "journal_dropped_words")  # fmt: skip
BAD = ("journal_dropped_rows", "journal_dropped_words")
FEW_DAYS = 7.0
"""With fewer days of room left the figure is marked."""


class Storage:
    """See the module."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page
        self._shape: list[str] = []
        with ui.element("div").classes("syms-panel disks"):
            with ui.element("div").classes("head"):
                ui.label(page.text("storage.disks")).classes("title")
            with ui.element("div").classes("fill"):
                self._disks = Facts()
        with ui.element("div").classes("syms-panel journals"):
            with ui.element("div").classes("head"):
                ui.label(page.text("storage.journals")).classes("title")
            with ui.element("div").classes("fill"):
                self._journals = Facts()

    async def tell(self, now: float) -> None:
        """Journals this second; disks a minute ago at most."""
        found = self._console.flows.processes(now)
        room = await run.io_bound(self._console.stored.room.now)
        if room is None:  # the console ends
            return
        writers = {name: each for name, each in found.items() if JOURNAL[0] in each.counters}
        shape = [*writers, "", *(each.what for each in room.disks)]
        if shape != self._shape:
            self._shape = shape
            self._set_rows(writers, room)
        self._disks.tell(self._of_disks(room))
        self._journals.tell([
            ("!" if name in BAD and each.counters.get(name) else "") + number(each.counters.get(name, math.nan), name)
            for each in writers.values()
            for name in JOURNAL
        ])  # fmt: skip

    def _set_rows(self, writers: dict[str, Process], room: Room) -> None:
        text = self._page.text
        rows = ("folder", "used", "files", "free", "size", "share")
        sections = [
            Section(text(f"storage.{each.what}"), [""], [(text(f"storage.{name}"), None) for name in rows])
            for each in room.disks
        ]
        ahead = ("growth", "days")
        sections.append(Section(text("storage.future"), [""], [(text(f"storage.{name}"), None) for name in ahead]))
        self._disks.set_rows(sections)
        columns = [text(f"storage.{name.removeprefix('journal_')}") for name in JOURNAL]
        self._journals.set_rows([Section(text("storage.writer"), columns, [(name, None) for name in writers])])

    def _of_disks(self, room: Room) -> list[str]:
        text, told = self._page.text, []
        for each in room.disks:
            told += [str(each.folder), bytes_(each.used), f"{each.files:,}", bytes_(each.free), bytes_(each.size),
                     f"{100 * each.free / max(each.size, 1):.1f} %"]  # fmt: skip
        days = room.days
        unknown = text("storage.unknown")
        told.append(f"{bytes_(room.growth)}" if room.growth == room.growth else unknown)
        told.append(unknown if days != days else f"{'!' if days < FEW_DAYS else ''}{days:,.0f}")
        return told
