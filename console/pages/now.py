"""Now: how the grid is."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from console.app import Console
from console.pages._trends import Trends
from console.pages.frame import frame
from console.quantities import Wanted
from protocol.messages import Table

DEFAULT_TRACES = 6
"""Frequencies that are shown where nothing was chosen."""


def register(console: Console) -> None:
    """Add the page."""

    @ui.page("/")
    def now(request: Request) -> None:
        with (
            frame(console, request, "now") as page,
            ui.element("div").style("height: calc(100vh - 44px)").classes("w-full"),
        ):
            trends = Trends(console, page, request.query_params)
            trends.begin(lambda: frequencies(console))


def frequencies(console: Console) -> list[Wanted]:
    """Of the first devices of each region, evenly."""
    regions: dict[str, list[int]] = {}
    for device, known in sorted(console.station.configurations().items()):
        if not Table(*known.table).spectrum:
            regions.setdefault(known.region, []).append(device)
    if not regions:
        return []
    share = max(1, DEFAULT_TRACES // len(regions))
    chosen = [device for devices in regions.values() for device in devices[:share]]
    return [Wanted(device, "frequency") for device in chosen[:DEFAULT_TRACES]]
