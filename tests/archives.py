"""What the archive's tests are made of: configurations, batches of rows, and a disk that dies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from archive.disk import Disk
from archive.layout import event_name
from archive.reading import open_archive
from archive.statistics import COUNTS, FREQUENCIES, LATENCIES
from protocol.clock import SECOND, Now, slot_time
from protocol.messages import (
    SPECTRUM_NAMES,
    Alarm,
    Configuration,
    Event,
    Flags,
    Measurements,
    Minutes,
    Table,
    Verdict,
    device_number,
    spectrum_number,
    split_device,
)

T0 = 1_777_800_000 * SECOND  # 2026-05-03T09:20:00Z
SMALL = Table(50, 1, 1, 1)
NONE = Now(0, 0)


def configuration(link: int, table: Table = SMALL, version: int = 1, name: str = "", **more: Any) -> Configuration:
    fields: dict[str, Any] = {
        "device": device_number(link, 0), "version": version, "link": f"link{link}", "stream": link,
        "station": link + 1000, "name": name or f"站 {link}", "protocol": "c37118", "table": table.key,
        "time_base": 1_000_000, "nominal": 50, "count": version,
        "phasors": [f"V{k}" for k in range(table.phasors)], "phasor_units": ["V"] * table.phasors,
        "analogs": [f"A{k}" for k in range(table.analogs)], "analog_units": ["rms"] * table.analogs,
        "digitals": [[f"w{k} b{bit}" for bit in range(16)] for k in range(table.digitals)],
        "digital_normal": [0] * table.digitals, "digital_valid": [0xFFFF] * table.digitals,
        "latitude": 31.5, "longitude": 120.25, "detail": {"format": 3, "scales": [1, 2]},
    }  # fmt: skip
    return Configuration(**fields | more)


def measurements(links: Any, times: Any, table: Table = SMALL, seed: int = 0, aside: Any = 0,
                 **numbering: Any) -> Measurements:  # fmt: skip
    """One row per (link, time) pair; content depends on link, time and seed alone."""
    device = np.array([device_number(link, 0) for link in links], dtype=np.uint32)
    time = np.array(times, dtype=np.int64)
    n = len(time)
    mix = (time // 1_000_000 + device.astype(np.int64) * 7919 + seed * 104729) % 100_003
    values = (mix[:, None] / np.arange(1, table.channels + 1)).astype(np.float32)
    values[mix % 7 == 0, 0] = np.nan
    return Measurements(
        table=table.key, device=device, time=time, arrival=time + 1000, snapped=np.zeros(n, np.int32),
        quality=(mix % 256).astype(np.uint8), status=(mix % 65536).astype(np.uint16),
        aside=np.full(n, aside, np.uint8), values=values,
        digital=np.repeat((mix % 65536).astype(np.uint16)[:, None], table.digitals, axis=1), **numbering,
    )  # fmt: skip


def spectrum(of: Configuration, table: Table, components: Sequence[float], **more: Any) -> Configuration:
    """The configuration of a station's harmonics or inter-harmonics."""
    link, _ = split_device(of.device)
    told = {"device": spectrum_number(of.device, table.spectrum), "name": f"{of.name} {SPECTRUM_NAMES[table.spectrum]}"}
    return configuration(link, table, **{"components": [float(each) for each in components]} | told | more)


def spectra(of: Configuration, times: Any, seed: int = 0, **numbering: Any) -> Measurements:
    """Rows of a spectrum, a row for each time."""
    link, _ = split_device(of.device)
    rows = measurements([link] * len(times), times, Table(*of.table), seed, **numbering)
    return replace(rows, device=np.full(len(times), of.device, np.uint32))


def seconds(first: int, count: int, start: int = T0) -> np.ndarray[Any, Any]:
    """Times [ns] of `count` whole seconds from the first-th after `start`."""
    return grid(first, count, 1, start)


def grid(first: int, count: int, rate: int = 50, start: int = T0) -> np.ndarray[Any, Any]:
    """Times [ns] of `count` slots from the first-th after `start`."""
    return np.asarray(slot_time(start // SECOND * rate + first + np.arange(count, dtype=np.int64), rate))


def verdict(link: int, onset: int, score: float = 2.0, **more: Any) -> Verdict:
    """One that found something at `onset` ns."""
    fields: dict[str, Any] = {
        "trigger": "windows", "lease": 1, "attempt": 1, "worker": "prejudge.1", "algorithm": "emd", "version": 1,
        "device": np.array([device_number(link, 0)], np.uint32), "start": onset - 5 * SECOND,
        "stop": onset + 5 * SECOND, "outcome": "ok", "suspicious": True, "onset": onset, "score": score,
        "detail": {"limit_mhz": 0.5}, "completeness": 1.0,
    }  # fmt: skip
    return Verdict(**fields | more)


def event(suspected: int, links: Sequence[int] = (1, 2), answer: int = 1, trigger: str = "suspects",
          **more: Any) -> Event:  # fmt: skip
    """A generator trip at the first link, suspected there; the third answer is the final one."""
    n, ms = len(links), SECOND // 1000
    devices = [device_number(link, 0) for link in links]
    suspicion = {"device": devices[0], "trigger": "windows", "start": suspected - 5 * SECOND, "onset": suspected}
    bad = {"device": devices[-1], "kind": "spike", "start": suspected - 9 * SECOND, "stop": suspected - 8 * SECOND}
    fields: dict[str, Any] = {
        "id": event_name(suspected, trigger), "answer": answer, "final": answer == 3, "trigger": trigger,
        "worker": "identify.1", "algorithm": "disturbance", "version": 1, "outcome": "ok", "error": "",
        "device": np.array(devices, np.uint32), "start": suspected - 150 * SECOND,
        "stop": suspected + (3, 10, 30)[answer - 1] * SECOND, "suspicions": [suspicion | {"score": 2.0}],
        "disturbance": True, "kind": "gen_trip", "confidence": 0.5 + 0.125 * answer, "onset": suspected + 20 * ms,
        "score": 3.5, "size_mhz": -40.0 - answer, "size_mw": float("nan"), "latitude": 31.5, "longitude": 120.25,
        "ellipse": [50.0, 20.0, 30.0], "nearest": devices, "amplitude": 40.0 - np.arange(n),
        "arrival": np.arange(n, dtype=np.int64) * 40 * ms + suspected, "bad": [bad | {"score": 4.0}],
        "detail": {"probabilities": {"gen_trip": 0.5 + 0.125 * answer, "load_loss": 0.1}, "rules": ["frequency falls"],
                   "detection": {"scores": {"transient": 3.5}}},
        "completeness": 1.0, "took": 40 * ms,
    }  # fmt: skip
    return Event(**fields | more)


Row = tuple[int, int, bytes, int]
"""(device, time, bytes of the content, Aside)"""


def content(status: Any, values: Any, digital: Any) -> bytes:
    return np.uint16(status).tobytes() + values.astype("<f4").tobytes() + digital.astype("<u2").tobytes()


def held_rows(path: Path) -> Counter[Row]:
    rows: Counter[Row] = Counter()
    with open_archive(path) as found:
        for block in found.rows():
            for k in range(len(block.time)):
                body = content(block.status[k], block.values[k], block.digital[k])
                reason = 0 if block.aside is None else int(block.aside[k])
                rows[block.configuration.device, int(block.time[k]), body, reason] += 1
    return rows


class Killed(BaseException):
    """The process died here."""


class Dying(Disk):
    """Dies at the n-th change of a file, after having written a part of it."""

    def __init__(self, at: int, torn: bool = True) -> None:
        self.at, self.torn, self.calls = at, torn, 0

    def _step(self) -> bool:
        self.calls += 1
        return self.calls == self.at

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        if self._step():
            view = memoryview(data).cast("B")
            super().pwrite(fd, view[: view.nbytes // 2 if self.torn else view.nbytes], offset)
            raise Killed
        super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        if self._step():
            raise Killed

    def replace(self, temporary: Path, path: Path) -> None:
        if self._step():
            raise Killed
        os.replace(temporary, path)
        if self._step():
            raise Killed


def minute(at: int, *links: int, number: int = 0, epoch: int = 7, node: str = "align/minutes") -> Minutes:
    """The at-th minute; every figure is another one."""
    n = len(links)
    figures = {
        name: np.arange(n, dtype=np.int64 if name in COUNTS else np.float64) + 100 * k + 10_000 * at
        for k, name in enumerate((*COUNTS, *LATENCIES, *FREQUENCIES))
    }
    device = np.array([device_number(link, 0) for link in links], np.uint32)
    return Minutes(start=T0 + at * 60 * SECOND, covered=60.0 - at, device=device, node=node, epoch=epoch, number=number,
                   **figures)  # fmt: skip


def flags(*spans: tuple[int, str, float, float, int], number: int = 0, epoch: int = 7, node: str = "align/minutes",
          score: float = 2.0) -> Flags:  # fmt: skip
    """(link, kind, start, stop [s after T0], going) of each span."""
    links, kinds, starts, stops, going = zip(*spans, strict=True)
    return Flags(
        device=np.array([device_number(link, 0) for link in links], np.uint32), kind=list(kinds),
        start=np.array([T0 + round(at * SECOND) for at in starts], np.int64),
        stop=np.array([T0 + round(at * SECOND) for at in stops], np.int64), going=np.array(going, np.uint8),
        score=np.full(len(links), score), detail=[{"samples": k} for k in range(len(links))],
        node=node, epoch=epoch, number=number,
    )  # fmt: skip


def alarm(change: str, seconds: float, number: int = 0, **more: Any) -> Alarm:
    """What `alarms` said, `seconds` after T0."""
    return Alarm(
        **{
            "id": "0123456789", "change": change, "state": "unacknowledged", "source": "limit", "kind": "Frequency",
            "subject": "站 1", "device": 65536, "region": "north", "severity": "warning", "text": "49.7 Hz",
            "active": change != "cleared", "acknowledged": False, "chattering": False, "stale": False, "count": 1,
            "value": 49.7, "limit": 49.8, "unit": "Hz", "raised": T0, "cleared": 0,
            "time": T0 + round(seconds * SECOND),
            "user": "", "comment": "", "until": 0, "by": "", "detail": {"final": True}, "node": "alarms", "epoch": 5,
            "number": number,
        }
        | more
    )  # fmt: skip
