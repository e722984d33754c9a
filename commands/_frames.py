"""Frames of a capture as JSON: everything they say, with the words for STAT and time quality."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archive.longrows import shortest
from commands._repeats import Repeats
from commands._wording import WORDINGS, Json, Wording
from protocol.c37118 import Command, ConfigurationFrame, FrameError, FrameType, HeaderFrame, frame_type
from protocol.c37118.offline import Part, Place, Sender, Study
from protocol.c37118.splitter import piece_index
from protocol.capture import Capture
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS, Spectrum

KINDS = {
    FrameType.DATA: "data",
    FrameType.HEADER: "header",
    FrameType.CONFIGURATION_1: "configuration_1",
    FrameType.CONFIGURATION_2: "configuration_2",
    FrameType.COMMAND: "command",
    FrameType.CONFIGURATION_3: "configuration_3",
}
SPECTRA = {Spectrum.HARMONICS: "harmonics", Spectrum.INTERHARMONICS: "interharmonics"}

Decoded = dict[tuple[int, int], tuple[Part, int, list[bool]]]
"""(sender, piece) -> where its rows are, and whether each is said for the first time."""


def lines(study: Study, repeats: Repeats) -> Iterator[Json]:
    """One object per frame, in the order of the capture."""
    for places, parts in study.blocks():
        decoded: Decoded = {}
        for part in parts:
            fresh = repeats.fresh(part)
            for row, piece in enumerate(part.pieces):
                decoded[id(part.sender), piece] = part, row, [bool(new[row]) for new in fresh]
        for place in places:
            yield from _line(study, place, decoded)


def _line(study: Study, place: Place, decoded: Decoded) -> Iterator[Json]:
    sender = study.senders[place.sender]
    piece = sender.pieces[place.piece]
    if not piece.frame:
        return
    line = _head(sender, place.piece)
    found = decoded.get((id(sender), place.piece))
    if found:
        line |= _data(*found)
    elif sender.dialect.carries(piece.frame) is not None:
        size, stream = len(piece.frame), _wording(sender).stream(piece.frame)
        whose = f"of stream {stream}" if stream != "" else "of this link or address"
        line["error"] = f"no configuration {whose} in the capture has DATA frames of {size} bytes"
    else:
        line |= _other(sender, place.piece)
    yield line


def _head(sender: Sender, number: int) -> Json:
    piece, flow = sender.pieces[number], sender.flow
    frame = piece.frame
    line: Json = {"frame": _kind(sender, frame), "captured": instant(piece.time) if piece.time else None}
    line["captured_ns"] = piece.time or None
    if flow.transport != "file":
        line["transport"] = flow.transport
        line["source"] = f"{flow.source}:{flow.source_port}"
        line["destination"] = f"{flow.destination}:{flow.destination_port}"
        line["connection"] = flow.ordinal
    line |= _wording(sender).head(frame)
    if piece.garbage:
        line["skipped_before"] = len(piece.garbage)
    return line


def _wording(sender: Sender) -> Wording:
    return WORDINGS[sender.dialect.name]


def _data(part: Part, row: int, fresh: list[bool]) -> Json:
    time, words = int(part.batch.time[row]), _wording(part.sender)
    stations = []
    for station, told, new in zip(part.configuration.stations, part.batch.stations, fresh, strict=True):
        values = [_number(text) for text in shortest(told.values[row])]
        end = FIXED_CHANNELS + 2 * len(station.phasors)
        pairs = zip(station.phasors, values[FIXED_CHANNELS:end:2], values[FIXED_CHANNELS + 1 : end : 2], strict=True)
        stations.append(
            {
                "station_id": words.station_id(station),
                "station": station.name,
                "status": words.status(int(told.status[row]), part.configuration),
                "frequency": values[0],
                "rocof": values[1],
                "phasors": [
                    {"name": phasor.name, "unit": phasor.unit, "magnitude": magnitude, "angle": angle}
                    for phasor, magnitude, angle in pairs
                ],
                "analogs": [
                    {"name": analog.name, "value": value}
                    for analog, value in zip(station.analogs, values[end:], strict=True)
                ],
                "digitals": told.digital[row].tolist(),
                **({} if new else {"repeat": True}),
            }
        )
    return {"time": instant(time), "time_ns": time, "snapped_ns": int(part.batch.snapped[row]), "stations": stations}


def _other(sender: Sender, number: int) -> Json:
    if number in sender.faults:
        return {"error": sender.faults[number]}
    whole = sender.configurations.get(number)
    if whole is not None:
        return _configuration(whole, _wording(sender))
    if piece_index(sender.pieces[number].frame):
        return {"piece": piece_index(sender.pieces[number].frame)}
    try:
        said = _wording(sender).parse(sender.pieces[number].frame)
    except FrameError as fault:
        return {"error": str(fault)}
    if isinstance(said, HeaderFrame):
        return {"text": said.text}
    if isinstance(said, Command):
        return _wording(sender).command(said)
    return {}


def _configuration(said: ConfigurationFrame, words: Wording) -> Json:
    stations = [_plain(words.station(station)) for station in said.stations]
    return {
        "time": instant(said.time),
        "time_ns": said.time,
        "time_base": said.time_base,
        "rate": said.rate,
        "stations": stations,
    }


def _plain(value: Any) -> Any:
    """For JSON: bytes as hex, no infinities."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def instant(time: int) -> str:
    """ISO 8601 with nanoseconds."""
    second, rest = divmod(time, SECOND)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def totals(study: Study) -> dict[str, int]:
    """Counts over all senders."""
    senders = study.senders
    data = sum(_kinds(sender)[kind] for sender in senders for kind in (KINDS[FrameType.DATA], *SPECTRA.values()))
    decoded = sum(len(sender.in_force) for sender in senders)
    return {
        "data_frames": data,
        "rows": sum(len(cfg.stations) for sender in senders for cfg in sender.in_force.values()),
        "without_configuration": data - decoded,
        "corrupt_frames": sum(sender.corrupt for sender in senders),
        "corrupt_data_frames": sum(sender.corrupt_data for sender in senders),
        "skipped_bytes": sum(sender.skipped for sender in senders),
        "faulty_frames": sum(len(sender.faults) for sender in senders),
    }


def _kinds(sender: Sender) -> Counter[str]:
    return Counter(_kind(sender, piece.frame) for piece in sender.pieces if piece.frame)


def _kind(sender: Sender, frame: bytes) -> str:
    spectrum = sender.dialect.carries(frame)
    return SPECTRA[Spectrum(spectrum)] if spectrum else KINDS[FrameType(frame_type(frame))]


def summary(file: Path, capture: Capture, study: Study) -> Json:
    """What the file holds, counted."""
    kinds: Counter[str] = Counter()
    for sender in study.senders:
        kinds += _kinds(sender)
    return {
        "file": str(file),
        "kind": capture.kind,
        "frames": dict.fromkeys(KINDS.values(), 0) | dict(kinds),
        **totals(study),
        "bytes_lost_in_capture": sum(flow.lost for flow in capture.flows),
        "foreign_flows": len(study.foreign),
        "senders": [_sender(sender) for sender in study.senders],
        "notes": list(capture.notes.texts),
    }


def _sender(sender: Sender) -> Json:
    return {
        "flow": str(sender.flow),
        "protocol": sender.dialect.name,
        "streams": sorted({_wording(sender).stream(piece.frame) for piece in sender.pieces if piece.frame}),
        "frames": dict(_kinds(sender)),
        "configurations": len(sender.configurations),
        "corrupt_frames": sender.corrupt,
        "skipped_bytes": sender.skipped,
    }
