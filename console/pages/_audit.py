"""The audit log: what was done last, and whether the log is whole."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from nicegui import run, ui
from starlette.requests import Request

from console.access.permissions import Forbidden
from console.access.who import Access, find, require
from console.components.grid import Grid
from console.pages.frame import Page

LAST = 1000
"""Lines that are shown."""
FIELDS = ("user", "role", "address", "action", "object", "detail")


class AuditLog:
    """See the module."""

    def __init__(self, page: Page, request: Request) -> None:
        self._page, self._request = page, request
        text = page.text
        with ui.element("div").classes("syms-panel audit"):
            with ui.element("div").classes("head"):
                ui.label(text("audit.title")).classes("title")
                self._verdict = ui.label().classes("note").mark("verdict")
                ui.space()
                ui.button(text("audit.verify"), icon="verified", on_click=self._verify).props("flat dense no-caps")
                ui.button(icon="refresh", on_click=self._look).props("flat dense").mark("refresh")
            with ui.element("div").classes("fill"):
                self._lines = Grid(text, text("audit.only"))
        ui.timer(0.1, self._look, once=True)

    def _access(self) -> Access:
        """Raises Forbidden."""
        require(self._request, "audit")
        visit = find(self._request)
        if visit is None:
            raise Forbidden("you are not signed in")
        return visit.access

    async def _look(self) -> None:
        text, access = self._page.text, self._access()
        found: list[dict[str, Any]] | None = await run.io_bound(lambda: list(deque(access.audit.lines(), LAST)))
        if found is None:  # the console ends
            return
        captions = [text("audit.time"), *(text(f"audit.{name}") for name in FIELDS), text("audit.outcome")]
        newest = found[::-1]
        rows = [
            (
                str(line.get("utc", ""))[:19].replace("T", " "),
                *(self._told(line, name) for name in FIELDS),
            )
            for line in newest
        ]
        self._lines.set_rows(captions, [], rows)
        outcomes = [str(line.get("outcome", "")) for line in newest]
        marks = [(text.of("outcome", each), each in ("refused", "failed")) for each in outcomes]
        self._lines.tell(np.zeros((len(rows), 0)), marks)

    def _told(self, line: dict[str, Any], name: str) -> str:
        """Roles and actions in the reader's language; the rest as it stands in the log."""
        value = str(line.get(name, ""))
        if name == "action":
            return self._page.text.of("action", value.replace(" ", "_"))
        return self._page.text.of("role", value) if name == "role" else value

    async def _verify(self) -> None:
        text, access = self._page.text, self._access()
        verdict = await run.io_bound(access.audit.verify)
        if verdict is None:  # the console ends
            return
        whole = text("audit.whole", lines=verdict.lines)
        self._verdict.text = text("audit.touched", why="; ".join(verdict.faults[:3])) if verdict.faults else whole
