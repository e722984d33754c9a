"""Export: devices, quantities and a span of time, to be taken home."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from archive.exports.wishes import QUANTITIES
from console.access.permissions import may
from console.app import Console
from console.exporting import BYTES, FORMS, Order
from console.pages._eventexport import Jobs
from console.pages.frame import Page, frame
from console.takehome import estimate, instant, written
from protocol.clock import SECOND
from protocol.messages import Table

SPANS = {10: (10, "seconds"), 60: (1, "minutes"), 600: (10, "minutes"), 3600: (1, "hours"), 21600: (6, "hours"),
         86400: (24, "hours")}  # fmt: skip
"""Seconds -> how they are called."""
OWN = ("status", "digital", "quality")
"""Quantities that trends don't have."""


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/export")
    def export(request: Request) -> None:
        with frame(console, request, "export") as page, ui.element("div").classes("syms-export"):
            ExportForm(console, page, request)


class ExportForm:
    """The content of the page."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page = console, page
        text = page.text
        names = {
            device: f"{each.name}{f' · {each.region}' if each.region else ''}"
            for device, each in sorted(page.visible(console.station).items()) if not Table(*each.table).spectrum
        }  # fmt: skip
        quantities = {each: text(f"takehome.{each}" if each in OWN else f"trends.long_{each}") for each in QUANTITIES}
        spans = {seconds: text(f"takehome.{unit}", count=count) for seconds, (count, unit) in SPANS.items()}
        with ui.element("div").classes("syms-panel form"):
            with ui.element("div").classes("head"):
                ui.label(text("takehome.title")).classes("title")
            with ui.element("div").classes("fields"):
                self._devices = ui.select(names, multiple=True, with_input=True, label=text("takehome.devices"))
                self._devices.props("use-chips dense options-dense").classes("w-full").mark("devices")
                self._quantities = ui.select(quantities, multiple=True, label=text("takehome.quantities"))
                self._quantities.props("use-chips dense options-dense").classes("w-full").mark("quantities")
                before = written(console.clock().utc - 600 * SECOND)[:16].replace("T", " ")
                self._since = ui.input(text("takehome.since"), value=before).props("dense").classes("w-full")
                self._span = ui.select(spans, value=600, label=text("takehome.span")).props("dense").classes("w-full")
                forms = {form: text(f"export.{form}") for form in FORMS}
                self._form = (
                    ui.select(forms, value="hdf5", label=text("takehome.form")).props("dense").classes("w-full")
                )
                self._size = ui.label().classes("note").mark("size")
                self._begin = ui.button(text("takehome.begin"), icon="download", on_click=self._go)
                self._begin.props("unelevated no-caps").mark("export")
            self._jobs = Jobs(console, page, request)
        for each in (self._devices, self._quantities, self._span, self._form):
            each.on_value_change(self._tell)
        self._tell()

    def _chosen(self) -> list[int]:
        """Devices: those that were chosen, else all that the reader sees; none where he sees all."""
        mine = self._page.visible(self._console.station)
        chosen = [device for device in self._devices.value or () if device in mine]
        return chosen or ([] if self._page.user.regions is None else sorted(mine))

    def _tell(self) -> None:
        """About how large it becomes."""
        mine = self._page.visible(self._console.station)
        some = [mine[device] for device in self._chosen() if device in mine] or list(mine.values())
        values, size = estimate(some, self._quantities.value or (), float(self._span.value), str(self._form.value))
        text = self._page.text
        told = text("takehome.size", rows=f"{values / 1e6:.1f}", size=f"{size / 1e6:.0f}")
        self._size.text = f"{told}: {text('takehome.too_large')}" if size > BYTES else told
        self._begin.set_enabled(size <= BYTES and may(self._page.user, "export"))

    def _go(self) -> None:
        since = instant(str(self._since.value or ""))
        if since is None:
            ui.notify(self._page.text("takehome.bad_time"), type="warning")
            return
        span = written(since), written(since + int(self._span.value) * SECOND)
        name = f"{self._console.station.name or 'station'}_{span[0].replace('-', '').replace(':', '')}"
        devices = self._chosen()
        if self._page.user.regions is not None and not devices:
            return  # he sees no device at all: none is not all
        self._jobs.begin(
            Order(name, "", devices or None, list(self._quantities.value or ()), span), str(self._form.value)
        )
