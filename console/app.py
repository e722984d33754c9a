"""The application that browsers talk to: all pages, and what guards them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from nicegui import ui

from console.model import Station


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
    archive: Path | None = None
    """Folder of its archive, if it has one."""


def application(console: Console) -> FastAPI:
    """All of it, for a web server. A process has one: NiceGUI's pages belong to the process."""
    from console.api.router import api
    from console.pages import now

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _doors(app, console)
    app.mount("/api/v1", api(console, lambda request: None))
    now.register(console)
    ui.run_with(app, title="SYMS", tailwind=True, show_welcome_message=False, reconnect_timeout=10.0)
    return app


def _doors(app: FastAPI, console: Console) -> None:
    """What programs ask that watch the station."""
    from console.api.metrics import CONTENT_TYPE, exposition
    from console.api.wellbeing import wellbeing

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(exposition(console.station), media_type=CONTENT_TYPE)

    @app.get("/health")
    def health() -> JSONResponse:
        status, told = wellbeing(console.station, time.time_ns())
        return JSONResponse(told, status)
