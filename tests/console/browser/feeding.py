"""A small grid to look at: what its devices say, computed, second by second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Configuration, Event, Snapshots, Spectrum, Table, device_number, spectrum_number
from tests.console.browser.serving import Served

RATE = 50
TICK = 0.1
"""Seconds between what a concentrator says."""
TABLE = Table(RATE, 6, 1, 1)
HARMONICS = Table(1, 3, 0, 0, orders=49)
INTERHARMONICS = Table(1, 3, 0, 0, frequencies=42)
PHASORS = ["VA", "VB", "VC", "IA", "IB", "IC"]
PLACES = {
    "north": [(47.3, 119.0), (47.9, 120.1), (48.4, 118.2), (47.6, 117.4), (46.9, 118.6), (48.1, 121.0)],
    "south": [(45.2, 118.9), (44.8, 120.2), (45.6, 121.3), (44.4, 118.1), (45.0, 117.3), (44.1, 119.4)],
}


def site() -> dict[str, Any]:
    """As the checked site file is told."""
    return {"station": "North Hub", "devices": []}


def configuration(
    device: int, name: str, region: str, place: tuple[float, float], table: Table = TABLE
) -> Configuration:
    """Of a device at a place (latitude, longitude; NaN: not known)."""
    phasors = PHASORS[: table.phasors]
    labels = [["breaker closed", "line A tripped", "reclosing"] + [f"spare {bit}" for bit in range(3, 16)]]
    components = {
        Spectrum.HARMONICS: [float(order) for order in range(2, 51)],
        Spectrum.INTERHARMONICS: [float(hertz) for hertz in (*range(21), *range(80, 101))],
    }
    return Configuration(
        device=device, version=1, link=name, stream=device >> 16, station=1, name=name, protocol="c37118",
        table=table.key, time_base=1_000_000, nominal=50, count=1, phasors=phasors,
        phasor_units=["V" if each.startswith("V") else "A" for each in phasors],
        analogs=["WIND"][: table.analogs], analog_units=["user 1"][: table.analogs],
        digitals=labels[: table.digitals], digital_normal=[1][: table.digitals],
        digital_valid=[0xFFFF][: table.digitals], region=region, latitude=place[0], longitude=place[1],
        components=components.get(table.spectrum, []),
    )  # fmt: skip


def configurations() -> list[Configuration]:
    """Two regions of six PMUs; an SMD-L and an SMD-R with their spectra, without coordinates."""
    found = []
    for region, places in PLACES.items():
        for place in places:
            number = len(found) + 1
            found.append(configuration(device_number(number, 0), f"{region.title()} {number:02d}", region, place))
    nowhere = (float("nan"), float("nan"))
    for number, name, table in ((21, "Load L1", HARMONICS), (22, "Plant R1", INTERHARMONICS)):
        device = device_number(number, 0)
        found.append(configuration(device, name, "south", nowhere))
        found.append(configuration(spectrum_number(device, table.spectrum), name, "south", nowhere, table))
    return found


def fundamentals(known: list[Configuration], since: int, slots: int) -> Snapshots:
    """So many slots from an instant on: a slow swing of the grid, regions against each other, and noise."""
    first = int(clock.slot_of(since, RATE))
    slot = np.arange(first, first + slots)
    at = clock.slot_time(slot, RATE) / SECOND
    count, noise = len(known), np.random.default_rng(first)
    values = np.empty((slots, count, TABLE.channels), np.float32)
    against = np.array([1.0 if each.region == "north" else -1.0 for each in known])
    common = 0.012 * np.sin(2 * np.pi * at / 37)[:, None]
    mode = 0.006 * np.sin(2 * np.pi * 0.45 * at)[:, None] * against
    values[..., 0] = 50 + common + mode + noise.normal(0, 4e-4, (slots, count))
    values[..., 1] = 0.006 * 2 * np.pi * 0.45 * np.cos(2 * np.pi * 0.45 * at)[:, None] * against
    turned = -360 * 0.012 * 37 / (2 * np.pi) * np.cos(2 * np.pi * at / 37)[:, None]
    turned = turned - 360 * 0.006 / (2 * np.pi * 0.45) * np.cos(2 * np.pi * 0.45 * at)[:, None] * against
    turned = turned + 12 * np.arange(count)
    for place, name in enumerate(PHASORS):
        volts = name.startswith("V")
        shift = {"A": 0, "B": -120, "C": 120}[name[-1]] - (0 if volts else 21)
        size = 127_000.0 if volts else 400.0
        values[..., 2 + 2 * place] = size * (1 + 0.004 * mode / 0.006 + noise.normal(0, 2e-4, (slots, count)))
        values[..., 3 + 2 * place] = (turned + shift + 180) % 360 - 180
    values[..., -1] = 42 + 3 * np.sin(at / 11)[:, None] + np.arange(count)
    return _snapshots(TABLE, slot, known, values)


def spectrum(known: Configuration, second: int) -> Snapshots:
    """One row of a table of harmonics or inter-harmonics."""
    table = Table(*known.table)
    values = np.empty((1, 1, table.channels), np.float32)
    values[..., :2] = 50, 0
    order = np.array(known.components)
    share = np.where(order % 6 == 5, 0.03, np.where(order % 6 == 1, 0.02, 0.002)) / np.maximum(1, order / 7)
    if table.frequencies:
        share = 0.004 * np.exp(-(((order - 12.5 - second % 3) / 3) ** 2)) + 2e-4
    for phasor in range(table.phasors):
        there = slice(2 + 2 * phasor * order.size, 2 + 2 * (phasor + 1) * order.size)
        values[0, 0, there] = np.stack([127_000 * share * (1 - 0.1 * phasor), np.zeros(order.size)], axis=-1).ravel()
    return _snapshots(table, np.array([second]), [known], values)


def _snapshots(table: Table, slot: Any, known: list[Configuration], values: Any) -> Snapshots:
    shape = values.shape[:2]
    return Snapshots(
        table=table.key, slot=slot, device=np.array([each.device for each in known], np.uint32),
        present=np.ones(shape, np.uint8), quality=np.zeros(shape, np.uint8), status=np.zeros(shape, np.uint16),
        values=values, digital=np.ones((*shape, table.digitals), np.uint16), latency=np.zeros(shape[0], np.int64),
    )  # fmt: skip


def event(onset: int, devices: list[int]) -> Event:
    """A lost generator in the north."""
    count = len(devices)
    return Event(
        id="20261201T040911.220Z_suspects", answer=1, final=False, trigger="suspects", worker="identify",
        algorithm="disturbance", version=1, outcome="ok", error="", device=np.array(devices, np.uint32), start=onset,
        stop=onset + 20 * SECOND, suspicions=[], disturbance=True, kind="gen_trip", confidence=0.93, onset=onset,
        score=4.2, size_mhz=-61.0, size_mw=float("nan"), latitude=47.7, longitude=119.4, ellipse=[62.0, 31.0, 40.0],
        nearest=devices[:3], arrival=onset + 80_000_000 * np.arange(1, count + 1), amplitude=np.full(count, 55.0),
        bad=[], detail={}, completeness=1.0, took=1,
    )  # fmt: skip


@dataclass
class Feeder:
    """Tells a console what the small grid's devices say."""

    served: Served
    known: list[Configuration] = field(default_factory=configurations)
    told: int = 0
    """ns UTC until which it was said."""

    @property
    def plain(self) -> list[Configuration]:
        return [each for each in self.known if Table(*each.table) == TABLE]

    def begin(self, seconds: float) -> None:
        """All configurations, and what was said lately."""
        self.served.take(*self.known)
        self.told = (time.time_ns() - int(seconds * SECOND)) // SECOND * SECOND
        self.go_on()

    def go_on(self) -> None:
        """What was said since, at most a second at a time."""
        while (slots := min(RATE, int((time.time_ns() - self.told) * RATE // SECOND))) > 0:
            end = int(clock.slot_time(clock.slot_of(self.told, RATE) + slots, RATE))
            spectra = [each for each in self.known if Table(*each.table) != TABLE]
            new = end // SECOND > self.told // SECOND
            rows = [spectrum(each, end // SECOND) for each in spectra] if new else []
            self.served.take(fundamentals(self.plain, self.told, slots), *rows)
            self.told = end

    @contextmanager
    def live(self, tick: float = TICK) -> Iterator[None]:
        """Goes on by itself, as a concentrator does."""
        stop = threading.Event()

        def feed() -> None:
            while not stop.wait(tick):
                self.go_on()

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
