"""What the frames of each protocol say, as JSON: their heads, STAT, commands, stations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol import c37118, gbt26865
from protocol.c37118.describe import describe_format
from protocol.gbt26865.common import EDITIONS, V3

Json = dict[str, Any]
MODIFIED_BITS = 0x03C0
"""STAT bits 9-6, which only the edition of 2011 gives a meaning."""
UNKNOWN_HERE = (
    "idcode", "changes", "global_id", "latitude", "longitude", "elevation", "service", "window", "delay",
)  # fmt: skip
"""Of a station, what GB/T 26865.2 does not say."""


@dataclass(frozen=True)
class Wording:
    """Of one protocol."""

    parse: Callable[[bytes], Any]
    """Raises FrameError."""
    stream: Callable[[bytes], Any]
    """Who it is of, as rows say it; sortable."""
    head: Callable[[bytes], Json]
    status: Callable[[int, Any], Json]
    """(STAT, configuration)"""
    command: Callable[[Any], Json]
    station_id: Callable[[Any], Any]
    station: Callable[[Any], Json]


def _head(frame: bytes) -> Json:
    soc, quality, count = int.from_bytes(frame[6:10], "big"), frame[10], int.from_bytes(frame[11:14], "big")
    return {
        "stream": c37118.stream_id(frame),
        "version": frame[1] & 15,
        "size": len(frame),
        "soc": soc,
        "fracsec": count,
        "time_quality": {"byte": quality, **c37118.describe_quality(quality)},
    }


def _status(word: int, cfg: c37118.ConfigurationFrame) -> Json:
    edition = 2011 if cfg.version > 1 or word & MODIFIED_BITS else 2005
    return {"word": word, "edition": edition, **c37118.describe_status(word, edition)}


def _command(said: c37118.Command) -> Json:
    known = said.command in set(c37118.CommandCode)
    name = c37118.CommandCode(said.command).name.lower() if known else "user or reserved"
    return {"command": said.command, "meaning": name, "extended": said.extended.hex()}


def _station(station: c37118.Station) -> Json:
    told = dataclasses.asdict(station)
    told["format"] = describe_format(station.format)
    for each, phasor in zip(told["phasors"], station.phasors, strict=True):
        each["unit"] = phasor.unit
    for each, analog in zip(told["analogs"], station.analogs, strict=True):
        each["unit"] = analog.unit
    return told


def _chinese_stream(frame: bytes) -> str:
    identity = gbt26865.identity_of(frame)
    return gbt26865.identity_text(identity) if identity else ""


def _chinese_head(frame: bytes) -> Json:
    version = frame[1] & 15
    line: Json = {"protocol": "gbt26865", "edition": EDITIONS[version], "stream": _chinese_stream(frame) or None}
    line |= {"identity": gbt26865.identity_of(frame).hex() or None, "version": version, "size": len(frame)}
    at = 12 if version == V3 else 4
    line["soc"] = int.from_bytes(frame[at : at + 4], "big")
    if version == V3 or gbt26865.frame_type(frame) == gbt26865.FrameType.DATA:
        quality = frame[at + 4]
        line["fracsec"] = int.from_bytes(frame[at + 5 : at + 8], "big")
        line["time_quality"] = {"byte": quality, **gbt26865.describe_quality(quality)}
    return line


def _chinese_status(word: int, cfg: gbt26865.ConfigurationFrame) -> Json:
    return {"word": word, **gbt26865.describe_status(word)}


def _chinese_command(said: gbt26865.Command) -> Json:
    code = gbt26865.meaning(said.command)
    name = code.name.lower() if code is not None else "unknown"
    return {"command": said.command, "meaning": name, "extended": said.extended.hex()}


def _chinese_station(station: gbt26865.Station) -> Json:
    told = {key: value for key, value in _station(station).items() if key not in UNKNOWN_HERE}
    return {"station_id": gbt26865.identity_text(station.identity), "rate": station.rate, **told}


CHINESE = Wording(
    parse=gbt26865.parse,
    stream=_chinese_stream,
    head=_chinese_head,
    status=_chinese_status,
    command=_chinese_command,
    station_id=lambda station: gbt26865.identity_text(station.identity),
    station=_chinese_station,
)
WORDINGS = {
    "c37118": Wording(
        parse=c37118.parse,
        stream=c37118.stream_id,
        head=_head,
        status=_status,
        command=_command,
        station_id=lambda station: station.idcode,
        station=_station,
    ),
    "gbt26865": CHINESE,
    "smd": dataclasses.replace(CHINESE, head=lambda frame: _chinese_head(frame) | {"protocol": "smd"}),
}
"""By name of the dialect."""
