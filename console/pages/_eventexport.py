"""Taking data home: the button of an event, and how far what was asked for is."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import Forbidden, may
from console.access.users import AccessFault
from console.access.who import acting
from console.app import Console
from console.exporting import FORMS, Busy, Job, Order
from console.pages.frame import Page

TICK = 0.5
"""Seconds between two looks at an export."""


class TakeHome:
    """The button of an event."""

    def __init__(self, console: Console, page: Page, request: Request, event: str, devices: list[int] | None) -> None:
        """`devices`: of the event the reader may have these alone; None: all."""
        if not may(page.user, "export"):
            return
        text, order = page.text, Order(event, event, devices)
        with ui.button(text("export.take"), icon="download").props("dense unelevated no-caps").mark("take"), ui.menu():
            for form in FORMS:
                item = ui.menu_item(text(f"export.{form}"), lambda form=form: self._jobs.begin(order, form))
                item.mark(f"take-{form}")
        self._jobs: Jobs = Jobs(console, page, request)


class Jobs:
    """How far what was asked for is."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._request = console, page, request
        self._shown = ui.element("div").classes("syms-jobs")

    def begin(self, order: Order, form: str) -> None:
        """Have it made, if the reader may."""
        text = self._page.text
        if self._console.archive is None:
            ui.notify(text("export.nowhere"), type="warning")
            return
        try:
            with acting(self._request, "export", f"{form} {order.name}", detail=" ".join(order.words())[:500]) as user:
                job = self._console.exports.begin(user.name, order, form)
        except Busy as busy:
            ui.notify(text(str(busy)), type="warning")
        except (Forbidden, AccessFault) as fault:
            ui.notify(str(fault), type="negative")
        else:
            self._follow(job)

    def _follow(self, job: Job) -> None:
        """Tell how far it is until it is ready; then the browser fetches it."""
        text, exports = self._page.text, self._console.exports
        form = text(f"export.{job.form}").partition(" (")[0].partition(",")[0]
        with self._shown, ui.element("div").classes("job").mark("job") as shown:
            bar = ui.linear_progress(0, show_value=False).props("instant-feedback size=3px")
            with ui.element("div").classes("line"):
                said = ui.label()
                ui.space()
                link = ui.link(text("export.fetch"), f"/exports/{job.id}").classes("fetch").mark("fetch")
                ui.button(icon="close", on_click=lambda: close()).props("flat dense size=sm")
            link.set_visibility(False)
        before = [""]

        def close() -> None:
            exports.cancel(job)
            shown.delete()

        def look() -> None:
            bar.value = job.share
            share = f"{job.share * 100:.0f}"
            said.text = text(f"export.{job.state}", form=form, **_fields(job, share))
            if job.state != before[0]:
                before[0] = job.state
                if job.state == "ready":
                    link.set_visibility(True)
                    ui.download.from_url(f"/exports/{job.id}")
            if not job.going:
                timer.deactivate()

        with shown:
            timer = ui.timer(TICK, look)


def _fields(job: Job, share: str) -> dict[str, str]:
    return {"running": {"share": share}, "failed": {"why": job.error}}.get(job.state, {})
