"""The application that browsers talk to: all pages, and what guards them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from nicegui import ui

from console.ground import Ground
from console.model import Station
from console.pulse import Pulses


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
    ground: Ground = field(default_factory=Ground)
    """What the map shows beside devices."""

    @cached_property
    def pulses(self) -> Pulses:
        """How the grid is, second by second."""
        return Pulses(self.station, self.site)


def application(console: Console) -> FastAPI:
    """All of it, for a web server. A process has one: NiceGUI's pages belong to the process."""
    from console.pages import now

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    now.register(console)
    ui.run_with(app, title="SYMS", tailwind=True, show_welcome_message=False, reconnect_timeout=10.0)
    return app
