"""A concentrator that is fed by hand: devices of several links, rows with values of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nodes._node import Letter, News, Place
from nodes.concentrator import Concentrator, Settings
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Measurements, Snapshots, Table, device_number

START = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
PERIOD = 20 * MILLISECOND
VOLTS, AMPERES = ["VA", "VB", "VC"], ["IA", "IB", "IC"]


def later(ns: int) -> Now:
    return Now(START.monotonic + ns, START.utc + ns)


def meaning(
    link: int,
    phasors: Sequence[str] = (),
    analogs: Sequence[str] = (),
    *,
    rate: int = 50,
    version: int = 1,
    station: int = 0,
    digitals: Sequence[str] = (),
    detail: Mapping[str, Any] | None = None,
    **more: Any,
) -> Configuration:
    """Of station `station` of link `link`, called `link <n>`; phasors whose names begin with I are currents."""
    fields: dict[str, Any] = {
        "device": device_number(link, station),
        "version": version,
        "link": f"link {link}",
        "stream": link,
        "station": 100 + link,
        "name": f"Station {link}",
        "protocol": "c37118",
        "table": Table(rate, len(phasors), len(analogs), len(digitals)).key,
        "time_base": 1_000_000,
        "nominal": 50,
        "count": 1,
        "phasors": list(phasors),
        "phasor_units": ["A" if name.startswith("I") else "V" for name in phasors],
        "analogs": list(analogs),
        "analog_units": ["rms"] * len(analogs),
        "digitals": [[label] * 16 for label in digitals],
        "digital_normal": [0] * len(digitals),
        "digital_valid": [0] * len(digitals),
        "detail": dict(detail or {}),
    }
    return Configuration(**fields | more)


def site(*links: int) -> dict[str, Any]:
    """As `Place.site` has it."""
    return {"devices": [{"name": f"link {link}", "number": link} for link in links]}


class Row:
    """Of one device at one instant."""

    def __init__(
        self, values: Sequence[float], *, status: int = 0, quality: int = 0, digital: Sequence[int] = (), came: int = 0
    ) -> None:
        """`values` as in messages; `came`: ns after the others of its word."""
        self.values, self.status, self.quality, self.digital, self.came = values, status, quality, digital, came


class Bench:
    """A concentrator, the one receiver that feeds it, and all that it said."""

    def __init__(self, *known: Configuration, links: Sequence[int] = (), readers: dict[str, list[str]] | None = None,
                 journal: Path | None = None, start: Now = START, **settings: Any) -> None:  # fmt: skip
        made = Settings.model_validate(settings)
        self.node = Concentrator(made, Place("align", "align", 1, readers or {}, {"receiver": ["receivers.1"]}, "/run",
                                             site(*links), "p.yaml", journal))  # fmt: skip
        self.letters: list[Letter] = []
        self.number = 0
        list(self.node.start(start))
        list(self.node.receive(Announce("receivers.1", 1, 0, 0), start))
        self.known = {each.device: each for each in known}
        self.said: list[Any] = []
        for each in known:
            self.give(each, start)

    def give(self, word: Any, now: Now) -> list[Any]:
        """A word of the receiver; what is said then."""
        word = word.__class__(**{**word.__dict__, "node": "receivers.1", "epoch": 1, "number": self.number})
        self.number += 1
        if isinstance(word, Configuration):
            self.known[word.device] = word
        return self.note(self.node.receive(word, now))

    def note(self, actions: Any) -> list[Any]:
        done = list(actions)
        said = [action.message for action in done if isinstance(action, News)]
        self.letters += [action for action in done if isinstance(action, Letter)]
        self.said += said
        return said

    def send(self, at: int, rows: Mapping[int, Row], now: Now | None = None) -> list[Snapshots]:
        """Rows of devices for the instant `at` [ns after the start], which come 10 ms later; the slots told then."""
        now = now or later(at + 10 * MILLISECOND)
        said = []
        for table in {self.known[device].table for device in rows}:
            mine = {device: row for device, row in rows.items() if self.known[device].table == table}
            said += self.give(rows_word(Table(*table), mine, START.utc + at, now.utc), now)
        return [word for word in said if isinstance(word, Snapshots)]

    def wait(self, at: int) -> list[Snapshots]:
        """What is told when it is so late."""
        return [word for word in self.note(self.node.wake(later(at))) if isinstance(word, Snapshots)]

    def told(self, link: int, station: int = 0) -> Configuration:
        """The last configuration that was told of a device."""
        device = device_number(link, station)
        return [word for word in self.said if isinstance(word, Configuration) and word.device == device][-1]

    def columns(self, link: int) -> dict[str, float]:
        """The counters of the device of a link."""
        health = self.node.health(START)
        at = health["devices"].tolist().index(device_number(link, 0))
        return dict(zip(health["columns"], health["counts"][at].tolist(), strict=True))


def rows_word(table: Table, rows: Mapping[int, Row], time: int, came: int) -> Measurements:
    n = len(rows)
    return Measurements(
        table=table.key,
        device=np.array(list(rows), np.uint32),
        time=np.full(n, time, np.int64),
        arrival=np.array([came + row.came for row in rows.values()], np.int64),
        snapped=np.zeros(n, np.int32),
        quality=np.array([row.quality for row in rows.values()], np.uint8),
        status=np.array([row.status for row in rows.values()], np.uint16),
        aside=np.zeros(n, np.uint8),
        values=np.array([row.values for row in rows.values()], np.float32).reshape(n, table.channels),
        digital=np.array([row.digital for row in rows.values()], np.uint16).reshape(n, table.digitals),
    )


def row_word(known: Configuration, row: Row, time: int, came: int) -> Measurements:
    """One row [time and arrival in ns UTC]."""
    return rows_word(Table(*known.table), {known.device: row}, time, came)


def slot(at: int, rate: int = 50) -> int:
    """Number of the slot of an instant [ns after the start]."""
    return int(clock.slot_of(START.utc + at, rate))
