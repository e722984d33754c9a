"""The API's paths. Everything is GET; `openapi.json` beside them describes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import Response

from console.api import now, past
from console.api.models import Device, EventRecord, Events, Flag, History, Latest, NodeState
from console.api.now import Regions
from console.api.problems import answers, install
from console.app import Console

VERSION = "1"
NAME_AT_MOST = 200
PAGE = 1000
"""Events in an answer, at most."""


Form = Annotated[Literal["json", "csv"], Query(description="csv needs the permission to export")]


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def _regions(request: Request) -> Regions:
    regions: Regions = request.app.state.regions_of(request, "view")
    return regions


def _history_regions(request: Request, format: Form = "json") -> Regions:
    """A table is data taken home, as an export is; what pages show as well is to be seen."""
    regions: Regions = request.app.state.regions_of(request, "export" if format == "csv" else "view")
    return regions


def _processes(request: Request) -> None:
    """Whether its reader may see what concerns the whole station."""
    request.app.state.regions_of(request, "processes")


Here = Annotated[Console, Depends(_console)]
Mine = Annotated[Regions, Depends(_regions)]
From = Annotated[datetime, Query(alias="from", description="First instant, as 2026-05-06T07:00:00Z")]
To = Annotated[datetime, Query(alias="to", description="Instant after the last")]
Since = Annotated[datetime | None, Query(alias="from", description="First instant; none: from the beginning")]
Until = Annotated[datetime | None, Query(alias="to", description="Instant after the last; none: to the end")]
Name = Annotated[str, Query(max_length=NAME_AT_MOST, description="Name, link/name, or number of a device")]
Names = Annotated[list[str], Query(max_length=1000, description="Devices by name, link/name or number; none: all")]
Quantity = Literal["frequency", "rocof", "magnitude", "angle", "analog", "digital", "status", "quality"]
router = APIRouter()


@router.get("/devices", responses=answers(401))
def devices(console: Here, regions: Mine) -> list[Device]:
    """All devices that were heard of since the console started."""
    return now.devices(console.station, regions)


@router.get("/latest", responses=answers(401, 404, 422))
def latest(console: Here, regions: Mine, device: Names = []) -> list[Latest]:  # noqa: B006 (FastAPI copies it)
    """The newest row of some devices, or of all."""
    return now.latest(console.station, regions, device)


@router.get("/history", responses=answers(401, 403, 404, 422, 503) | {200: {"content": {"text/csv": {}}}})
def history(
    console: Here,
    regions: Annotated[Regions, Depends(_history_regions)],
    device: Name,
    quantity: Quantity,
    start: From,
    end: To,
    channel: Annotated[str | None, Query(max_length=NAME_AT_MOST, description="Where it has several")] = None,
    points: Annotated[int, Query(ge=1, le=past.RAW, description="Rows at most; longer spans come in steps")] = 5000,
    format: Form = "json",
) -> Any:
    """One channel of a device over a span: as measured, or, where that is too much, minimum, mean, maximum of steps."""
    found = past.history(console.archive, regions, device, quantity, channel, start, end, points)
    return found if format == "json" else _table(found)


def _table(found: History) -> Response:
    """As CSV."""
    held = {name: getattr(found, name) for name in ("value", "minimum", "mean", "maximum") if getattr(found, name)}
    out = io.StringIO()
    rows = csv.writer(out)
    unit = f" [{found.unit}]" if found.unit else ""
    rows.writerow(["time", *(f"{name}{unit}" for name in held)])
    rows.writerows(zip(found.time, *held.values(), strict=True))
    return Response(out.getvalue(), media_type="text/csv")


@router.get("/events", responses=answers(401, 422, 503))
def events(
    console: Here,
    regions: Mine,
    start: Since = None,
    end: Until = None,
    kind: Annotated[list[str], Query(max_length=20, description="Only these kinds, as gen_trip")] = [],  # noqa: B006
    device: Annotated[list[str], Query(max_length=1000, description="Only of one of these devices, by name")] = [],  # noqa: B006
    region: Annotated[list[str], Query(max_length=100, description="Only with a device in one of these")] = [],  # noqa: B006
    least_mhz: Annotated[float, Query(ge=0, description="Only of this size or more, either way")] = 0.0,
    least_mw: Annotated[float, Query(ge=0, description="Only of this size or more, either way")] = 0.0,
    rejected: Annotated[bool, Query(description="What was suspected and was none, instead")] = False,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
) -> Events:
    """Events of the archive, the oldest first, a page at a time."""
    which = past.Which(kind, device, region, least_mhz, least_mw, rejected)
    return past.events(console.archive, regions, which, start, end, limit, console.clock())


@router.get("/events/{id}", responses=answers(401, 403, 404, 422, 503))
def event(console: Here, regions: Mine, id: Annotated[str, Path(max_length=NAME_AT_MOST)]) -> EventRecord:
    """One event with all that led to it; `id` may be how it begins."""
    return past.event(console.archive, regions, id, console.clock())


@router.get("/flags", responses=answers(401, 422, 503))
def flags(console: Here, regions: Mine, start: Since = None, end: Until = None) -> list[Flag]:
    """Spans of bad data that touch an interval; the last day of it or before now, where it has no end."""
    return past.bad_data(console.archive, regions, start, end, console.clock())


@router.get("/nodes", responses=answers(401, 403), dependencies=[Depends(_processes)])
def nodes(console: Here) -> list[NodeState]:
    """The processes of the station."""
    return now.nodes(console.station, console.clock())


def api(console: Console, regions_of: Callable[[Request, str], Regions]) -> FastAPI:
    """The application under `/api/v1`. `regions_of` a request and an action (`view`, `export`, `processes`): those
    where its reader may; it raises Forbidden.
    """
    app = FastAPI(
        title="SYMS station",
        version=VERSION,
        description="Measurements, events and health of a synchrophasor master station, read-only.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.console, app.state.regions_of = console, regions_of
    install(app)
    app.include_router(router)
    return app
