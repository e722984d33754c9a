"""Alarms: those that stand; acknowledge, comment and shelve them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import Forbidden, may
from console.access.users import AccessFault
from console.access.who import acting
from console.alarms import Refused, Unanswered
from console.app import Console
from console.components.events import AlarmRows
from console.eventtexts import moment
from console.pages.frame import Page, frame
from console.texts import Texts
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Alarm

TICK = 0.5
"""Seconds between two looks at what changed."""
AT_MOST = 500
"""Alarms that are shown."""
MINUTE = 60 * SECOND
SPANS = {30: "minutes", 120: "minutes", 8: "hours", 24: "hours", 72: "hours"}
ACTIONS = {"acknowledge": "acknowledge", "comment": "comment", "shelve": "shelve", "unshelve": "shelve"}
"""What is done -> the permission that it needs."""
ICONS = {"acknowledge": "done_all", "comment": "comment", "shelve": "snooze", "unshelve": "alarm_on"}


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/alarms")
    def alarms(request: Request) -> None:
        with frame(console, request, "alarms") as page, ui.element("div").classes("syms-alarmlist"):
            AlarmList(console, page, request)


@dataclass(frozen=True)
class Act:
    """What somebody wants to have done."""

    action: str
    text: str = ""
    span: int = 0
    """ns for which it is shelved."""


async def perform(console: Console, page: Page, request: Request, ids: Sequence[str], act: Act) -> None:
    """Do something to some alarms, as far as the reader may, and say what came of it."""
    text, done, troubles = page.text, 0, dict[str, None]()
    for id_ in ids:
        alarm = console.station.alarms.find(id_)
        if alarm is None:
            continue
        object_, detail = f"alarm {id_} {alarm.subject}", act.text
        try:
            with acting(request, ACTIONS[act.action], object_, alarm.region, detail) as user:
                utc = console.clock().utc
                asked = console.station.alarms.ask(act.action, id_, user.name, utc, act.text, act.span)
                await asyncio.wrap_future(asked)
            done += 1
        except Unanswered:
            troubles[text("alarms.unanswered")] = None
            break
        except (Refused, Forbidden, AccessFault) as fault:
            troubles[text("alarms.refused", why=text.said(str(fault)))] = None
    if done:
        ui.notify(text("alarms.done", count=done), type="positive")
    for trouble in troubles:
        ui.notify(trouble, type="warning", multi_line=True)


class AlarmList:
    """The content of the page."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._request = console, page, request
        self._shown: tuple[int, bool] | None = None
        self._ids: list[str] = []
        text = page.text
        with ui.element("div").classes("syms-panel list"):
            with ui.element("div").classes("head"):
                ui.label(text("alarms.title")).classes("title")
                self._count = ui.label().classes("note")
                ui.space()
                self._chosen = ui.label()
                self._buttons = [self._button(action) for action in ACTIONS if may(page.user, ACTIONS[action])]
                if self._buttons:
                    ui.button(text("alarms.all"), icon="select_all", on_click=lambda: self._all()).props("flat dense")
            with ui.element("div").classes("fill"):
                self._rows = AlarmRows(text, page.local, self._choose)
        self._choose([])
        ui.timer(TICK, self._look)

    def _button(self, action: str) -> ui.button:
        async def act() -> None:
            wanted = Act(action) if action in ("acknowledge", "unshelve") else await self._wanted(action)
            if wanted is not None:
                await perform(self._console, self._page, self._request, self._ids, wanted)
                self._rows.choose(False)

        text = self._page.text(f"alarms.do_{action}")
        return ui.button(text, icon=ICONS[action], on_click=act).props("flat dense").mark(f"do-{action}")

    async def _wanted(self, action: str) -> Act | None:
        """A text, and for shelving how long; None: rather not."""
        text = self._page.text
        with ui.dialog() as dialog, ui.card().classes("w-[420px] gap-3"):
            ui.label(text(f"alarms.do_{action}")).classes("text-base font-medium")
            reason = ui.input(text("alarms.reason" if action == "shelve" else "alarms.comment")).classes("w-full")
            reason.props("autofocus maxlength=400").mark("reason")
            spans = {count * (1 if unit == "minutes" else 60): text(f"alarms.{unit}", count=count)
                     for count, unit in SPANS.items()}  # fmt: skip
            span = ui.select(spans, value=120, label=text("alarms.span")).classes("w-full").mark("span")
            span.set_visibility(action == "shelve")
            with ui.row().classes("w-full justify-end"):
                ui.button(text("alarms.cancel"), on_click=lambda: dialog.submit(None)).props("flat no-caps")
                ui.button(text(f"alarms.do_{action}"), on_click=lambda: dialog.submit(True)).props(
                    "unelevated no-caps").mark("confirm")  # fmt: skip
        sure = await dialog
        dialog.delete()
        said, length = str(reason.value or "").strip(), int(span.value) * MINUTE if action == "shelve" else 0
        return Act(action, said, length) if sure and said else None

    def _all(self) -> None:
        self._rows.choose(len(self._ids) == 0)

    def _choose(self, ids: list[str]) -> None:
        """What is chosen: only what the reader may see."""
        self._ids = [each for each in ids[:AT_MOST] if self._mine(each)]
        self._chosen.text = self._page.text("alarms.chosen", count=len(self._ids)) if self._ids else ""
        for button in self._buttons:
            button.set_enabled(bool(self._ids))

    def _mine(self, id_: str) -> bool:
        alarm = self._console.station.alarms.find(id_)
        return alarm is not None and self._page.sees(alarm.region)

    def _look(self) -> None:
        desk = self._console.station.alarms
        revision, alarms = desk.standing()
        if self._shown == (revision, desk.there):
            return
        self._shown = (revision, desk.there)
        text = self._page.text
        mine = [each for each in alarms if self._page.sees(each.region)][:AT_MOST]
        self._rows.set_rows([row(each, text) for each in mine],
                            "" if mine else text("alarms.none" if desk.there else "alarms.nobody"))  # fmt: skip
        self._count.text = text("alarms.standing", count=len(mine)) if mine else ""


def row(alarm: Alarm, text: Texts) -> dict[str, Any]:
    """A line of the list."""
    stands = text(f"alarms.{alarm.state}")
    if alarm.state == "shelved" and alarm.until:
        stands = text("alarms.shelved_until", until=moment(alarm.until)[:16])
    more = [text("alarms.chatters")] * alarm.chattering + [text("alarms.stale")] * alarm.stale
    return {
        "id": alarm.id,
        "severity": alarm.severity,
        "said": text.of("alarms", alarm.severity),
        "since": alarm.raised // MILLISECOND,
        "state": alarm.state,
        "stands": ", ".join([stands, *more]),
        "subject": alarm.subject if alarm.source != "event" else text.of("kind", alarm.kind),
        "link": f"/events/{quote(alarm.subject)}" if alarm.source == "event" else "",
        "text": text.said(alarm.text),
        "count": alarm.count,
        "comment": f"{alarm.user}: {alarm.comment}" if alarm.user and alarm.comment else alarm.comment or alarm.user,
    }
