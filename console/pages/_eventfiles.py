"""What browsers fetch beside the page of an event: traces, and the files that somebody had made."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from nicegui import run

from archive.folder import ArchiveError
from console.access.permissions import Forbidden
from console.access.users import User
from console.access.who import require
from console.app import Console
from console.eventrecord import clip, devices_of, measured, onset_of, packed, record
from protocol.clock import MILLISECOND

READERS = asyncio.Semaphore(2)
"""Traces that are read at a time."""


def files(app: FastAPI, console: Console) -> None:
    """Add the routes."""

    @app.get("/events/{name}/traces")
    async def traces(request: Request, name: str) -> Response:
        user = _require(request, "view")
        async with READERS:
            try:
                told = await run.io_bound(_traces, console, name, user.regions)
            except (ArchiveError, OSError) as fault:
                raise HTTPException(404, str(fault)) from fault
        return Response(told, media_type="application/octet-stream")

    @app.get("/exports/{job}")
    def fetch(request: Request, job: str) -> FileResponse:
        user = _require(request, "export")
        found = console.exports.find(job, user.name)
        if found is None or found.path is None:
            raise HTTPException(404, "there is no such file, or not any more")
        return FileResponse(found.path, filename=found.path.name)


def _require(request: Request, action: str) -> User:
    try:
        return require(request, action)
    except Forbidden as fault:
        raise HTTPException(403, str(fault)) from fault


def _traces(console: Console, name: str, regions: list[str] | None) -> bytes:
    """Of the devices that a reader may see. Raises ArchiveError, OSError."""
    held = record(console.station, console.archive, name)
    seen = [each for each in devices_of(held, console.station.configurations())
            if regions is None or each.region in regions]  # fmt: skip
    onset = onset_of(held)
    found = clip(measured(console.station, held, [each.device for each in seen]), onset)
    by_number = {each.device: each for each in seen}
    mine = [by_number[device] for device in found.device]
    bad = held.counting.bad if held.answers else []
    return packed(found, {
        "onset": onset / MILLISECOND,
        "name": [each.name for each in mine],
        "arrival": [each.arrival / MILLISECOND if each.arrival else None for each in mine],
        "places": [each.device for each in seen],
        "bad": [(each["device"], each.get("start", 0) / MILLISECOND, each.get("stop", 0) / MILLISECOND)
                for each in bad if each["device"] in by_number],
    })  # fmt: skip
