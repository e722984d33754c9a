"""The station: how its processes and devices are, what it keeps, and what may be done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import may
from console.app import Console
from console.pages._change import Changes
from console.pages._completeness import Completenesses
from console.pages._devices import Devices
from console.pages._pipeline import PipelinePanel
from console.pages._storage import Storage
from console.pages.frame import PAGES, Page, frame

TABS = ("pipeline", "devices", "completeness", "storage")
"""Name of each part; `?tab=` of the address."""
OF_DEVICES = ("devices", "completeness")
"""Those that tell of single devices; the others concern the whole station."""


Tell = Callable[[float], Awaitable[None]]
"""Show how it is; gets monotonic seconds."""


@dataclass(frozen=True)
class _Part:
    """What is seen of the page at a time."""

    element: ui.element
    tell: Tell


def register(console: Console) -> None:
    """Add the page."""

    @ui.page(PAGES["station"])
    def station(request: Request) -> None:
        with frame(console, request, "station") as page, ui.element("div").classes("syms-station"):
            _content(console, page, request)


def _content(console: Console, page: Page, request: Request) -> None:
    wanted = request.query_params.get("tab", "")
    mine = TABS if may(page.user, "processes") else OF_DEVICES
    here = wanted if wanted in mine else mine[0]
    with ui.element("div").classes("tabs"):
        with ui.tabs().props("dense inline-label no-caps") as tabs:
            for name in mine:
                ui.tab(name, page.text(f"station.{name}"))
        tabs.value = here
        ui.space()
        changes = Changes(console, page, request)
    parts: dict[str, _Part] = {}
    for name in mine:
        with ui.element("div").classes(f"part {name}") as element:
            parts[name] = _Part(element, _panel(name, console, page, request, changes))
        element.set_visibility(name == here)
    busy: list[bool] = []

    async def tick() -> None:
        if busy:  # what it looks at takes longer than a second
            return
        busy.append(True)
        try:
            await parts[str(tabs.value)].tell(console.seconds)
        finally:
            busy.clear()

    async def turn() -> None:
        for name, part in parts.items():
            part.element.set_visibility(name == tabs.value)
        ui.navigate.history.replace(f"{PAGES['station']}?tab={tabs.value}")
        await tick()

    tabs.on_value_change(turn)
    ui.timer(1.0, tick)


def _panel(name: str, console: Console, page: Page, request: Request, changes: Changes) -> Tell:
    if name == "devices":
        return Devices(console, page).tell
    if name == "completeness":
        return Completenesses(console, page).tell
    return Storage(console, page).tell if name == "storage" else PipelinePanel(console, page, request, changes).tell
