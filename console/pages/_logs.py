"""The log of a process, as its file in the runtime folder says."""

from __future__ import annotations

from pathlib import Path

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import Forbidden, may
from console.access.who import current, require
from console.app import Console
from console.components.lines import Lines
from console.logs import Tail
from console.pages.frame import Page

LAST = 200
"""Lines that are shown at first."""
WANTED = (200, 1000, 2000)


class LogPanel:
    """See the module."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._request = console, page, request
        self._tail: Tail | None = None
        self._process = ""
        text = page.text
        with ui.element("div").classes("syms-panel log"):
            with ui.element("div").classes("head"):
                ui.label(text("log.title")).classes("title")
                ui.space()
                if not may(page.user, "logs"):
                    return self._refuse()
                self._filter = ui.input(placeholder=text("log.filter"), on_change=self._show)
                self._filter.props("dense borderless clearable debounce=400").classes("log-filter").mark("log-filter")
                self._lines = ui.select(list(WANTED), value=LAST, on_change=self._show).props(
                    "dense borderless options-dense"
                )
                self._follow = ui.switch(text("log.follow"), value=True, on_change=self._show).props("dense size=xs")
            with ui.element("div").classes("fill"):
                self._element = Lines()

    def _refuse(self) -> None:
        ui.label(self._page.text("log.not_yours")).classes("note")

    def turn(self, process: str | None) -> None:
        """To the log of another process."""
        if process is None or process == self._process or not may(self._page.user, "logs"):
            return
        self._process = process
        self._show()

    def _show(self) -> None:
        if self._process not in self._console.flows.last():
            return
        try:
            require(self._request, "logs", None, self._process)
        except Forbidden as why:
            return self._element.set_lines([str(why)])
        self._tail = Tail(Path(self._console.run, "logs", f"{self._process}.log"))
        try:
            self._element.set_lines(self._tail.last(int(self._lines.value), self._filter.value or ""))
        except OSError as fault:
            self._tail = None
            self._element.set_lines([self._page.text("log.none", why=fault.strerror or str(fault))])

    def go_on(self) -> None:
        """What was written since."""
        if self._tail is None or not self._follow.value:
            return
        try:
            if not may(current(self._request), "logs"):
                return
            self._element.append(self._tail.more(self._filter.value or ""))
        except (OSError, Forbidden):
            self._tail = None
