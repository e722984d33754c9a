"""All that is known of one event, and what its devices measured around it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archive.answers import plain
from archive.clips import Trace, traces
from archive.events import find_event
from archive.evidence import angles, level
from archive.folder import ArchiveError
from archive.records import Answer, Looked, Record
from console.model import Station
from console.quantities import source
from console.traces import at_times
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Configuration, Table

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
QUANTITIES = ("frequency", "voltage", "angle")
"""[mHz from nominal], [share of what it was before the onset], [degrees against the first device]"""
VALUES_AT_MOST = 3_000_000
"""That are sent to a browser, 2 bytes each."""
NONE = -32768
BEFORE = 20 * SECOND
"""Of an event that has no file yet: what was measured from so long before its onset on."""


def record(station: Station, archive: Path | None, name: str) -> Record:
    """What is known of an event now. Raises ArchiveError: there is none of that name. Reads files."""
    told = next((each for each in station.events() if each.id == name), None)
    held: Record | None = None
    if archive is not None and archive.is_dir():
        try:
            held = find_event(archive, name)
        except ArchiveError:
            if told is None:
                raise
    if told is not None and (held is None or (held.answers and held.answers[-1].answer < told.answer)):
        newest = Answer.of(plain(told, station.configurations().get))
        return replace(held, answers=[*held.answers, newest]) if held else Record(name, None, [newest])
    if held is None:
        raise ArchiveError(f"there is no event {name!r}")
    return held


def devices_of(held: Record, known: dict[int, Configuration]) -> list[Looked]:
    """The devices of an event; where verdicts alone made it those of the verdicts, as they are known now."""
    if held.answers:
        return held.counting.devices
    numbers = {int(device) for said in held.verdicts for device in said["device"]}
    return [
        Looked(each.device, each.name, each.region, each.latitude, each.longitude, 0, float("nan"))
        for each in (known[device] for device in sorted(numbers) if device in known)
    ]


def onset_of(held: Record) -> int:
    """ns UTC"""
    if held.answers:
        return held.counting.onset or held.counting.start
    return min(int(said["onset"]) for said in held.verdicts)


def measured(station: Station, held: Record, devices: Sequence[int]) -> list[Trace]:
    """What some devices measured around it: from its file; while it has none, what is held. Raises ArchiveError,
    OSError. Reads files."""
    if held.path is not None:
        return [each for each in traces(held.path) if each.device in set(devices)]
    known = station.configurations()
    since = onset_of(held) - BEFORE
    found = (_lately(station, known[device], since) for device in devices if device in known)
    return [each for each in found if each.time.size]


def _lately(station: Station, known: Configuration, since: int) -> Trace:
    volts = known.phasor_units.index("V") if "V" in known.phasor_units and not Table(*known.table).spectrum else None
    wanted = [("frequency", "")]
    if volts is not None:
        wanted += [("magnitude", known.phasors[volts]), ("angle", known.phasors[volts])]
    found = [(each, source(known, *each)) for each in wanted]
    channels = sorted({channel for _, how in found if how for channel in how.channels})
    series = station.series(known.device, channels, since)
    nothing = np.full(series.time.size, np.nan, np.float32)

    def values(quantity: str) -> F4:
        how = next((how for (name, _), how in found if name == quantity and how), None)
        if how is None:
            return nothing
        return how.compute(series.values[[channels.index(channel) for channel in how.channels]])

    return Trace(
        known.device, known.name, series.time, values("frequency"), known.phasors[volts] if volts is not None else "",
        values("magnitude"), values("angle"), known.nominal,
    )  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """What m devices measured, on one grid of n instants."""

    device: list[int]
    start: int
    """ns UTC of the first"""
    step: int
    """ns"""
    values: F4
    """[3, m, n] of QUANTITIES; NaN: none"""


def clip(found: Sequence[Trace], onset: int, at_most: int = VALUES_AT_MOST) -> Clip:
    """Of traces. Where there is more than may be sent each stretch shows the value that is farthest from its mean, so
    that no spike is lost."""
    there = [each for each in found if each.time.size > 1]
    if not there:
        return Clip([], onset, SECOND, np.zeros((3, 0, 0), np.float32))
    step = min(step_of(each.time) for each in there)
    start, stop = min(int(each.time[0]) for each in there), max(int(each.time[-1]) for each in there)
    grid = start + step * np.arange((stop - start) // step + 1)
    turned = angles(there, onset)
    values = np.empty((3, len(there), grid.size), np.float32)
    for row, each in enumerate(there):
        usual = level(each.voltage, each.time < onset)
        columns = ((each.frequency - each.nominal) * 1000, each.voltage / usual, turned[id(each)].astype(np.float32))
        for place, column in enumerate(columns):
            values[place, row] = at_times(each.time, column, grid, step_of(each.time))
    few = max(1, -(-values.size // at_most))
    return Clip([each.device for each in there], start, step * few, extremes(values, few))


def step_of(time: I8) -> int:
    """ns between two of some instants, as a rule."""
    return int(np.median(np.diff(time)))


def extremes(values: F4, few: int) -> F4:
    """[…, ceil(n / few)] of values [… , n]: of each stretch of `few` the one farthest from its mean."""
    if few == 1:
        return values
    *shape, n = values.shape
    blocks = np.pad(values, [(0, 0)] * len(shape) + [(0, -n % few)], constant_values=np.nan)
    blocks = blocks.reshape(*shape, -1, few)
    there = ~np.isnan(blocks)
    mean = np.where(there, blocks, 0).sum(-1, keepdims=True) / np.maximum(there.sum(-1, keepdims=True), 1)
    place = np.where(there, np.abs(blocks - mean), -1).argmax(-1)
    return np.asarray(np.take_along_axis(blocks, place[..., None], -1)[..., 0])


def packed(found: Clip, told: dict[str, object]) -> bytes:
    """For a browser: length of the header (u4, little-endian), header (JSON, padded with spaces to 4 bytes), values as
    i2 in units of `scale` (NONE: none). `told` is added to the header."""
    with np.errstate(invalid="ignore"):
        top = [float(np.nanmax(np.abs(each), initial=0.0)) if each.size else 0.0 for each in found.values]
    scale = [max(each, 1e-6) / 32000 for each in top]
    whole = np.round(found.values / np.array(scale, np.float32)[:, None, None])
    header = {
        "device": found.device, "start": found.start / MILLISECOND, "step": found.step / MILLISECOND,
        "rows": found.values.shape[2], "scale": scale, **told,
    }  # fmt: skip
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + np.where(np.isnan(whole), NONE, whole).astype("<i2").tobytes()
