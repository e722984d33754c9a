"""A day (or some hours of one) of a small station, with something to tell in every section of a report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date
from pathlib import Path
from typing import Any

import numpy as np

from archive.finish import finish_all
from archive.layout import SPAN
from archive.reports.day import Day, day, span_of
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Alarm, Aside, Configuration, Measurements, Minutes, Table
from tests import archives as makers

DATE = date(2026, 5, 3)
START, END = span_of(DATE, UTC)
TABLE, HARMONICS = Table(1, 3, 0, 0), Table(1, 3, 0, 0, orders=3)
ODD = '北站 <b>&"=1+1'
"""A name that is markup and a formula."""
NAMES = ("Lakeside", "Wind Farm North", ODD, "Solar Park East", "Harbour", "Mill Street", "Airport", "Quarry")
SITE = "station: North Hub\ndevices:\n"


def site(devices: int) -> str:
    lines = [f"  - {{name: L{link}, number: {link}, stream: {link}}}\n" for link in (*range(1, devices + 1), 99)]
    return SITE + "".join(lines)


def frequency(seconds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Hz of the grid at so many seconds after the day's begin: a slow walk, and one large excursion."""
    walk = 0.02 * np.sin(seconds / 900) + 0.015 * np.sin(seconds / 171 + 1) + 0.01 * np.sin(seconds / 37)
    away = seconds - 5000.0
    return 50.0 + walk - np.where(away > 0, 0.23 * np.exp(-np.maximum(away, 0) / 120), 0.0)


def rows(link: int, start: int, there: np.ndarray[Any, Any]) -> Measurements:
    """An hour of a device, where it is there [3600]."""
    times = (start + SECOND * np.arange(3600, dtype=np.int64))[there]
    noise = np.random.default_rng([link, start // SECOND])
    n = len(times)
    values = np.empty((n, TABLE.channels), np.float32)
    values[:, 0] = frequency((times - START) / SECOND) + 0.001 * noise.standard_normal(n)
    values[:, 1] = 0
    for phase in range(3):
        size = 63_500.0 * (1 + 0.01 * link * (phase == 0)) * (1 + 0.01 * np.sin((times - START) / SECOND / 7000))
        values[:, 2 + 2 * phase] = size
        values[:, 3 + 2 * phase] = -120.0 * phase
    status = np.where(noise.random(n) < 0.002 * (link == 4), 0x8000, 0).astype(np.uint16)
    device = np.full(n, makers.device_number(link, 0), np.uint32)
    return Measurements(
        table=TABLE.key, device=device, time=times, arrival=times, snapped=np.zeros(n, np.int32),
        quality=np.zeros(n, np.uint8), status=status, aside=np.zeros(n, np.uint8), values=values,
        digital=np.zeros((n, 0), np.uint16),
    )  # fmt: skip


def spectrum(of: Configuration, start: int) -> Measurements:
    """A minute of harmonics: 1 kV of the fifth, 0.5 kV of the seventh to 63.5 kV."""
    times = start + SECOND * np.arange(60, dtype=np.int64)
    told = makers.spectra(of, times)
    values = np.zeros((60, HARMONICS.channels), np.float32)
    values[:, 0] = 50
    values[:, 2::2] = np.tile([63_500.0, 1000.0, 500.0], 3)
    return replace(told, values=values)


def minutes(start: int, devices: int, epoch: int, number: int) -> Minutes:
    """What a concentrator counted in a minute."""
    told = makers.minute(0, *range(1, devices + 1), number=number, epoch=epoch)
    shape = np.ones(devices)
    figures = {
        "latency_min": 5 * shape,
        "latency_mean": 20 * shape,
        "latency_p99": 60 * shape,
        "latency_max": 90 * shape,
    }
    counts = {"received": 60, "expected": 60, "missing": 0, "late": 1, "duplicate": 0, "clock_off": 0, "invalid": 0,
              "rejected": 2, "unsynchronised": 0, "modified": 0}  # fmt: skip
    whole = {name: np.full(devices, count, np.int64) for name, count in counts.items()}
    return replace(told, start=start, covered=60.0, **figures, **whole)


def alarm(id_: str, change: str, state: str, seconds: float, number: int, **more: Any) -> Alarm:
    """What a process `alarms` said so many seconds after the day began."""
    at = START + round(seconds * SECOND)
    told: dict[str, Any] = {
        "id": id_, "state": state, "subject": "Lakeside", "raised": at, "time": at,
        "active": state in ("unacknowledged", "acknowledged", "shelved"), "acknowledged": state == "acknowledged",
    }  # fmt: skip
    return makers.alarm(change, 0, number, **told | more)


def alarms() -> list[Alarm]:
    """One that stands since the day before, one that nobody acknowledged, one that is shelved; a flood of twelve."""
    open_, back = "unacknowledged", "returned"
    voltage = {"kind": "Voltage", "subject": ODD, "text": "<script>", "severity": "critical"}
    words = [
        alarm("0001", "raised", open_, -3600, 0),
        alarm("0001", "acknowledged", "acknowledged", -3000, 1, raised=START - 3600 * SECOND, user="li"),
        alarm("0002", "raised", open_, 600, 2, **voltage),
        alarm("0002", "escalated", open_, 700, 3, raised=START + 600 * SECOND, **voltage),
        alarm("0002", "cleared", back, 900, 4, raised=START + 600 * SECOND, cleared=START + 890 * SECOND, **voltage),
        alarm("0003", "raised", "shelved", 1000, 5, subject="Harbour"),
        alarm("0003", "cleared", "normal", 1010, 6, subject="Harbour", cleared=START + 1010 * SECOND),
    ]
    for k in range(12):
        at = 4000 + 20 * k
        one = {"subject": "Wind Farm North", "kind": "Frequency"}
        words += [alarm("0004", "raised", open_, at, 7 + 2 * k, **one),
                  alarm("0004", "cleared", back, at + 5, 8 + 2 * k, raised=START + at * SECOND,
                        cleared=START + (at + 5) * SECOND, **one)]  # fmt: skip
    return words


def fill(root: Path, devices: int = 4, hours: int = 3) -> Path:
    """The first device has harmonics, the second a gap, the third came late, the fourth fell silent."""
    archive = Archive(root, site(devices))
    held = [
        makers.configuration(link, TABLE, name=name, region=("north", "south")[link % 2], phasors=["VA", "VB", "VC"])
        for link, name in enumerate(NAMES[:devices], 1)
    ]
    harmonics = makers.spectrum(held[0], HARMONICS, [1, 5, 7])
    for each in [*held, harmonics]:
        archive.take(each)
    for hour in range(hours):
        start = START + hour * SPAN
        for link in range(1, devices + 1):
            there = np.ones(3600, bool)
            there[1000:1040] = not (link == 2 and hour % 4 == 1)
            there[:600] &= not (link == 3 and hour == 0)
            there[1800:] &= not (link == 4 and hour >= hours - 2)
            there &= not (link == 4 and hour == hours - 1)
            if there.any():
                archive.take(rows(link, start, there))
        archive.take(spectrum(harmonics, start))
        for minute in (0, 1):
            archive.take(minutes(start + minute * 60 * SECOND, devices, 7 + (hour > 0), 2 * hour + minute))
        archive.commit(makers.NONE)
    strange = rows(1, START, np.arange(3600) < 5)
    strange = replace(strange, aside=np.full(5, Aside.IMPLAUSIBLE_TIME, np.uint8), values=strange.values + 1)
    archive.take(strange)
    off = (START - makers.T0) / SECOND
    archive.take(makers.flags((2, "frozen", off + 100, off + 130, 0), (2, "frozen", off + 300, off + 310, 0),
                              (1, "clock_offset", off + 4000, off + 4600, 0), node="suspects"))  # fmt: skip
    none: dict[str, Any] = {"disturbance": False, "kind": "none", "suspicions": []}
    archive.take(makers.event(START + 5000 * SECOND, answer=3))
    archive.take(makers.event(START + 7000 * SECOND, answer=3, **none))
    for each in alarms():
        archive.take(each)
    archive.commit(makers.NONE)
    archive.write_events(makers.NONE, 0, SECOND, SECOND, everything=True)
    archive.close()
    finish_all(root)
    return root


def gathered(root: Path, hours: int = 3, **more: Any) -> Day:
    """What the report of the day tells, made when so many hours were over."""
    return day(root, (START, END), now=START + hours * SPAN, zone=UTC, **more)
