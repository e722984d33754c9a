"""What the station knows now, as the API tells it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from archive import layout
from archive.groups import channel_units
from archive.picking import told_apart
from console.api.models import Channel, Device, Latest, NodeState, Value, text_of
from console.api.problems import Refused
from console.board import Board
from console.model import Station
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Table

Regions = Collection[str] | None
"""Those that a reader may see; None: all."""


def seen(station: Station, regions: Regions) -> dict[int, Configuration]:
    """The devices that a reader may see, by number."""
    known = station.configurations()
    return {number: each for number, each in known.items() if regions is None or each.region in regions}


def channels(known: Configuration) -> list[Channel]:
    """Value channels of a device, in their order."""
    table = Table(*known.table)
    phasors = [(quantity, name) for name in told_apart(known.phasor_channels) for quantity in ("magnitude", "angle")]
    named = [("frequency", ""), ("rocof", ""), *phasors, *(("analog", name) for name in told_apart(known.analogs))]
    units = channel_units(known)
    assert len(named) == len(units) == len(layout.channels(table))
    return [
        Channel(quantity=quantity, channel=name, unit=unit) for (quantity, name), unit in zip(named, units, strict=True)
    ]


def devices(station: Station, regions: Regions) -> list[Device]:
    """All that a reader may see."""
    flagged = station.flagged()
    return [_device(each, flagged.get(number, [])) for number, each in sorted(seen(station, regions).items())]


def _device(known: Configuration, bad: list[str]) -> Device:
    table = Table(*known.table)
    return Device(
        device=known.device, name=known.name, link=known.link, region=known.region, latitude=known.latitude,
        longitude=known.longitude, protocol=known.protocol, nominal_hz=known.nominal, channels=channels(known),
        rate=table.rate if table.rate > 0 else -1 / table.rate, bad_data=sorted(bad),
    )  # fmt: skip


def called(station: Station, regions: Regions, name: str) -> Configuration:
    """The device of this name, `link/name` or number. Raises Refused: there is none, or several."""
    found = [
        each for each in seen(station, regions).values()
        if name in (each.name, f"{each.link}/{each.name}", str(each.device))
    ]  # fmt: skip
    if not found:
        raise Refused(404, "There is no such device", f"no device is called {name!r}; /devices lists them")
    if len(found) > 1:
        which = ", ".join(f"{each.link}/{each.name}" for each in found[:5])
        raise Refused(404, "Several devices are called so", f"{name!r}: name one of {which}, or its number")
    return found[0]


def latest(station: Station, regions: Regions, names: list[str]) -> list[Latest]:
    """The newest rows of some devices, or of all."""
    known = seen(station, regions)
    wanted = [called(station, regions, name).device for name in names] or sorted(known)
    readings = station.readings()
    return [_latest(known[number], readings[number]) for number in wanted if number in readings]


def _latest(known: Configuration, reading: Any) -> Latest:
    values = [
        Value(**channel.model_dump(), value=float(value))
        for channel, value in zip(channels(known), reading.values.tolist(), strict=False)
    ]
    return Latest(
        device=known.device, name=known.name, time=text_of(reading.time), present=reading.present,
        status=reading.status, quality=reading.quality, values=values,
    )  # fmt: skip


def nodes(station: Station, now: Now) -> list[NodeState]:
    """All processes, in the order of the pipeline."""
    return station.ask(lambda board: _nodes(board, now.monotonic / SECOND))


def _nodes(board: Board, now: float) -> list[NodeState]:
    return [
        NodeState(
            node=name, speaks=each["speaks"], kind=each.get("kind"), uptime_s=each.get("uptime_s", math.nan),
            cpu=each.get("cpu", math.nan), memory_bytes=each.get("memory_bytes"),
            restarts=board.restarts.get(name, 0), counters=each.get("counters", {}), queues=each.get("queues", {}),
            alarms=board.voices[name].last.alarms if name in board.voices else [],
        )
        for name, each in board.nodes(now).items()
    ]  # fmt: skip
