"""Now: how the grid is."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from console.app import Console
from console.pages.frame import frame


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/")
    def now(request: Request) -> None:
        with frame(console, request, "now") as page:
            told = ui.label()

            def show() -> None:
                readings = console.station.readings()
                told.text = f"{len(readings)}" if readings else page.text("app.no_data")

            show()
            ui.timer(1.0, show)
