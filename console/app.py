"""The application that browsers talk to: all pages, and what guards them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nicegui
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from nicegui import Client, core, ui
from nicegui.client import templates

from console.access.gate import Gate
from console.access.headers import prepare_pages
from console.access.permissions import Forbidden
from console.access.sockets import own_pages_only
from console.access.who import Access, require
from console.blueprint import Blueprint
from console.components import LOOK, LOOKS
from console.counts import Counting
from console.eventlist import Catalogue
from console.exporting import Exports
from console.flows import Flows
from console.ground import Ground
from console.model import Station
from console.pulse import Pulses
from console.storage import Stored
from console.verbs import Verbs
from protocol.clock import SECOND, Clock


@dataclass
class Console:
    """What all pages share."""

    station: Station
    site: dict[str, Any]
    """The checked site file (`nodes._site.Site`, dumped)."""
    pipeline: Path
    """The pipeline file."""
    run: str
    """Runtime folder of the station."""
    clock: Clock
    """What time it is: pages and the API run in threads that no loop tells it."""
    archive: Path | None = None
    """Folder of its archive, if it has one."""
    ground: Ground = field(default_factory=Ground)
    """What the map shows beside devices."""
    journal: Path | None = None
    """Folder with the journals of its processes."""

    @property
    def seconds(self) -> float:
        """Monotonic, now."""
        return self.clock().monotonic / SECOND

    @cached_property
    def pulses(self) -> Pulses:
        """How the grid is, second by second."""
        return Pulses(self.station, self.site, self.ground.at)

    @cached_property
    def events(self) -> Catalogue:
        """All events."""
        return Catalogue(self.station, self.archive)

    @cached_property
    def exports(self) -> Exports:
        """What is being taken home."""
        return Exports(Path(self.run) / "exports", self.archive, self.clock)

    @cached_property
    def flows(self) -> Flows:
        """How data flow through the pipeline."""
        return Flows(self.station)

    @cached_property
    def counting(self) -> Counting:
        """What is counted of devices."""
        return Counting(self.station)

    @cached_property
    def stored(self) -> Stored:
        """What is on disk."""
        return Stored(self.archive, self.journal, self.clock)

    @cached_property
    def blueprint(self) -> Blueprint:
        """What is wired how."""
        return Blueprint(self.verbs)

    @property
    def verbs(self) -> Verbs:
        """What changes the station."""
        return Verbs(self.pipeline, self.run)


def application(console: Console, access: Access) -> Gate:
    """All of it behind the gate, for a web server. A process has one: NiceGUI's pages belong to the process."""
    from console.api.router import api
    from console.pages import admin, alarms, event, events, export, now, station
    from console.pages._eventfiles import files

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _doors(app, console)
    app.mount(LOOKS, StaticFiles(directory=LOOK))
    app.add_exception_handler(Forbidden, _forbidden)
    app.mount("/api/v1", api(console, _regions))
    files(app, console)
    now.register(console)
    events.register(console)
    event.register(console)
    alarms.register(console)
    export.register(console)
    nicegui.app.on_shutdown(console.exports.close)
    nicegui.app.on_shutdown(console.events.close)
    station.register(console)
    admin.register(console)
    ui.run_with(app, title="SYMS", tailwind=True, show_welcome_message=False, reconnect_timeout=10.0)
    nicegui.app.on_startup(lambda: console.blueprint.look(console.seconds))
    prepare_pages(templates.env)
    own_pages_only(core.sio, lambda client: found.request if (found := Client.instances.get(client)) else None)
    return Gate(app, access)


def _forbidden(request: Request, fault: Exception) -> Response:
    return PlainTextResponse(f"{fault}\n", 403)


def _regions(request: Request, action: str) -> list[str] | None:
    return require(request, action).regions


def _doors(app: FastAPI, console: Console) -> None:
    """What programs ask that watch the station."""
    from console.api.metrics import CONTENT_TYPE, exposition
    from console.api.wellbeing import wellbeing

    @app.get("/metrics")
    def metrics(request: Request) -> Response:
        require(request, "processes")
        return Response(exposition(console.station, console.clock), media_type=CONTENT_TYPE)

    @app.get("/health")
    def health() -> JSONResponse:
        status, told = wellbeing(console.station, console.clock())
        return JSONResponse(told, status)
