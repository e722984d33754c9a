"""simulator: hundreds of devices in one process, with a grid behind them, a disturbance and faults; or a recording.

Every device has a link of its own (`_devicelink`; `_substation` where it has several pipes) and streams once the
station said "data on". Frames stand on the reporting grid of real time; the grid's signals depend only on the seed and
on how many frames have passed since the start. A frame counts as sent when the kernel has taken its last byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.simulation import Samples, Scenario, Simulation
from archive.scenarios import ScenarioError
from nodes import _simlinks, _simulated, _tally
from nodes._badvalues import BadValues
from nodes._devicelink import STOP_PATIENCE, Spontaneous
from nodes._node import Actions, Done, Node, Place, StartError
from nodes._simlinks import Maker, Simulated
from nodes._simrecorded import Instant, Recorded
from nodes._simsettings import Mode as Mode
from nodes._simsettings import Protocol as Protocol
from nodes._simsettings import Settings as Settings
from nodes._simstreams import Streams
from nodes._troubles import FaultKind, Troubles
from protocol.c37118 import StationRows
from protocol.c37118.device import Device
from protocol.clock import MILLISECOND, SECOND, Now, period, slot_of, slot_time
from protocol.messages import Spectrum, device_number

STAGGER = 2 * MILLISECOND
"""Between the first dials of two devices."""
CATCH_UP = SECOND
"""Frames that are late by more are not made; a device that stalled has lost them."""
LINGER = 10 * SECOND
"""How long the last frames may wait for a slow station when the work is over."""
MOST_SKIPPED = 1_000_000
"""Samples of the grid made for nothing after a clock was set ahead."""


@dataclass
class Batch:
    """What all devices send of one spectrum in a slot."""

    spectrum: Spectrum
    streams: Streams
    rows: list[StationRows]
    slot: int
    """At the rate of the spectrum."""
    frames: list[bytes]
    """Of each device; empty where it sends none."""

    def again(self, number: int, shift: int) -> bytes:
        """A device's frame with its time shifted [ns]."""
        shifts = np.full(len(self.frames), shift, np.int64)
        return self.streams.encode(self.rows, self.slot, shifts, number)[number]


class Simulator(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.shape = settings.shape
        self._rate = self.shape.rate
        self._interval = 1 / self._rate if self._rate > 0 else -float(self._rate)
        part = place.copy - 1
        scenario = Scenario(settings.scenario, settings.at / SECOND, settings.size)
        points = settings.devices * settings.stations
        self.recorded = self._opened()
        """What is played instead of a grid, if anything."""
        self.grid = self.recorded or Simulation(
            points, self._interval, float(settings.nominal), settings.seed, scenario, part
        )
        self._spectral = _simlinks.spectral(settings, points, part)
        self._spectra = self._spectral.rates if self._spectral else {}
        self._first = settings.first + part * settings.devices
        self._chance = np.random.default_rng([settings.seed, 4, part])
        self.devices: list[Simulated] = []
        self._by_fd: dict[int, Simulated] = {}
        self._slot = 0
        self._count = 0
        """Reporting instants since the start."""
        self._due = 0
        self._over_at: int | None = None
        self._duration = settings.duration or (self.recorded.duration if self.recorded else 0)
        """ns; 0: without end"""

    def _opened(self) -> Recorded | None:
        try:
            return self.settings.recorded
        except ScenarioError as error:
            raise StartError(str(error)) from error

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Make the devices. Raises StartError if a port is taken or the station's name is unknown."""
        if self.recorded and self.place.copy > 1:
            raise StartError("a recording is played by one simulator: leave out copies")
        position = self.grid.position.reshape(self.settings.devices, self.settings.stations, 2)
        maker, before = Maker(self.settings), (self.place.copy - 1) * self.settings.devices
        try:
            for number in range(self.settings.devices):
                name = self.recorded.names[number] if self.recorded else ""
                device = _simlinks.device(self.settings, self._first + number, position[number], name)
                link = maker.link(before + number, device, now.monotonic + number * STAGGER)
                self.devices.append(Simulated(device, link, self._troubles(number), self._bad(number)))
                yield from self._tracked(self.devices[-1], link.start(now))
        except OSError as error:
            raise StartError(f"device {len(self.devices)}: {error}; see `to` and `listen`") from error
        self._streams = self._all_streams()
        # The first frame coincides with a full second, so that runs of one seed differ in nothing but the date.
        begin = (now.utc // SECOND + 1) * SECOND
        self._slot = slot_of(begin if self.settings.start is None else self.settings.start, self._rate)
        self._schedule(now)

    def _all_streams(self) -> dict[Spectrum, Streams]:
        each = [_simlinks.streams(self.settings, each.device) for each in self.devices]
        rates = {Spectrum.NONE: self._rate} | self._spectra
        return {spectrum: Streams(rate, [one[spectrum] for one in each]) for spectrum, rate in rates.items()}

    def _bad(self, number: int) -> BadValues:
        faults = [one for one in self.settings.faults if one.concerns(number)]
        return BadValues(faults, self._interval, self.settings.nominal, self.shape.phasors, self._chance)

    def _troubles(self, number: int) -> Troubles:
        own = [each for each in self.settings.faults if each.concerns(number)]
        return Troubles(own, self._interval, self._chance)

    def stop(self, now: Now) -> Actions:
        """Finish frames that are half sent; nothing after them."""
        for each in self.devices:
            each.link.stop(now, STOP_PATIENCE / len(self.devices))
        return ()

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────

    def ready(self, fd: int, now: Now) -> Actions:
        """A device's socket."""
        each = self._by_fd.get(fd)
        if each is not None:
            yield from self._tracked(each, each.link.ready(fd, now))

    def _tracked(self, each: Simulated, actions: Actions) -> Actions:
        """Pass actions on, and know afterwards which descriptors are the device's."""
        yield from actions
        fds = set(each.link.fds())
        for gone in each.fds - fds:
            if self._by_fd.get(gone) is each:
                del self._by_fd[gone]
        for fd in fds:
            self._by_fd[fd] = each
        each.fds = fds

    # ── what goes ───────────────────────────────────────────────────────────────────────────────────────────

    def wake_at(self) -> int:
        links = [each.link.due for each in self.devices if each.link.due is not None]
        return min([self._due, *links])

    def wake(self, now: Now) -> Actions:
        """Dial who is due, send the frames whose time has come."""
        for each in self.devices:
            if each.link.due is not None and each.link.due <= now.monotonic:
                yield from self._tracked(each, each.link.wake(now))
        if self._over_at is not None:
            self._check_over(now)
        elif now.monotonic >= self._due:
            yield from self._tick(now)

    def _tick(self, now: Now) -> Actions:
        """The slots whose time has come, of all devices."""
        reached = self._reached(now)
        limit = max(1, CATCH_UP // period(self._rate))
        if reached < self._slot - 1 - limit:
            # The clock was set back: go on from there, nobody waits for a repeated hour.
            self._slot = reached + 1
        elif reached > self._slot + limit:
            if self.recorded:
                self._count += reached - self._slot
            self.grid.next(reached - self._slot if self.recorded else min(reached - self._slot, MOST_SKIPPED))
            self._slot = reached
        while self._slot <= reached and self._over_at is None:
            yield from self._send_slot(now)
        self._schedule(now)

    def _reached(self, now: Now) -> int:
        """The last slot whose time has come."""
        slot = int(slot_of(now.utc, self._rate))
        return slot - int(slot_time(slot, self._rate) > now.utc)

    def _schedule(self, now: Now) -> None:
        self._due = now.monotonic + max(0, int(slot_time(self._slot, self._rate)) - now.utc)

    def _send_slot(self, now: Now) -> Actions:
        """One frame of every device that is to send."""
        slot, count = self._slot, self._count
        if self._duration and count * self._interval * SECOND >= self._duration:
            self._over_at = now.monotonic
            return
        self._slot, self._count = slot + 1, count + 1
        samples = self.grid.next(1)
        self._reconfigure(count, now)
        batches = self._batches(samples, slot, count)
        for number, each in enumerate(self.devices):
            if each.link.wants_data:
                self._announce(each, now)
                for batch in batches:
                    self._put(each, batch, number, count)
                yield from self._tracked(each, each.link.flush(now))
            if each.troubles:
                yield from self._reconnect(each, count, now)

    def _batches(self, samples: Samples | Instant, slot: int, count: int) -> list[Batch]:
        """The frames of a slot: the fundamental's, and those of spectra whose instant it is."""
        status = np.array([each.troubles.status(count) for each in self.devices], np.uint16)
        shift = np.array([each.troubles.clock_error + each.bad.clock_error(count) for each in self.devices], np.int64)
        if isinstance(samples, Instant):
            return [self._played(samples, slot, count, status, shift)]
        rows = self._spoiled(_simulated.rows(self.shape, samples, 0, slot, status), count)
        found = [(Spectrum.NONE, rows, slot)]
        if self._spectral:
            second = round(count * self._interval)
            for spectrum, its_slot in self._spectral.due(int(slot_time(slot, self._rate))):
                found.append((spectrum, self._spectral.rows(spectrum, rows, self.shape.phasors, second), its_slot))
        return [
            Batch(spectrum, streams := self._streams[spectrum], rows, slot, streams.encode(rows, slot, shift))
            for spectrum, rows, slot in found
        ]

    def _spoiled(self, rows: list[StationRows], count: int) -> list[StationRows]:
        """What the devices measured, as those send it that send bad data."""
        for number, each in enumerate(self.devices):
            if each.bad:
                each.bad.spoil(rows, number, count)
        return rows

    def _played(
        self, instant: Instant, slot: int, count: int, status: NDArray[np.uint16], shift: NDArray[np.int64]
    ) -> Batch:
        """The frames of a recorded instant."""
        rows, streams = self._spoiled(instant.rows(status, self.shape.digitals), count), self._streams[Spectrum.NONE]
        frames = streams.encode(rows, slot, shift)
        there = [frame if sent else b"" for frame, sent in zip(frames, instant.there.tolist(), strict=True)]
        return Batch(Spectrum.NONE, streams, rows, slot, there)

    def _put(self, each: Simulated, batch: Batch, number: int, count: int) -> None:
        """What a device sends of a spectrum in a slot."""
        frame, way = batch.frames[number], each.link.way(batch.spectrum)
        if not frame or not way.connected:
            return
        unit = each.units[batch.spectrum]
        if not each.troubles:
            way.put(frame, unit)
            return
        for item, sent in each.troubles.items(frame, count, partial(batch.again, number)):
            way.put(item, sent * unit)

    def _reconnect(self, each: Simulated, count: int, now: Now) -> Actions:
        trouble = each.troubles.now(FaultKind.RECONNECT, count)
        if trouble and each.link.connected:
            yield from self._tracked(each, each.link.reconnect(now, trouble.length))

    def _reconfigure(self, count: int, now: Now) -> None:
        """Rename who is to be renamed; stream by what devices have in force, also if the station put it there."""
        for number, each in enumerate(self.devices):
            if each.troubles.now(FaultKind.RECONFIGURE, count):
                _simlinks.rename(each.device)
                each.troubles.reconfigured(count)
                each.announce_at = now.monotonic
            if each.device.cfg is not each.streamed:
                each.stream_by(each.device.cfg)
                for spectrum, stream in _simlinks.streams(self.settings, each.device).items():
                    self._streams[spectrum].replace(number, stream)

    def _announce(self, each: Simulated, now: Now) -> None:
        """The configuration, unasked."""
        if not isinstance(each.link, Spontaneous) or not isinstance(each.device, Device):
            return
        if now.monotonic >= each.announce_at:
            each.announce_at = now.monotonic + self.settings.announce
            for frame in each.device.configuration(3 if self.settings.version > 1 else 2, now.utc):
                each.link.put(frame, 0)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_over(self, now: Now) -> None:
        """Raise Done when the last frames are with the kernel, or have waited long enough."""
        assert self._over_at is not None
        if all(each.link.idle for each in self.devices) or now.monotonic > self._over_at + LINGER:
            raise Done(f"{sum(_tally.frames(each.link.sent) for each in self.devices)} frames sent")
        self._due = now.monotonic + 50 * MILLISECOND

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Frames sent, and who is connected."""
        links = [each.link for each in self.devices]
        spectra = {spectrum: f"sent_{spectrum.name.lower()}" for spectrum in self._spectra}
        away = [link for link in links if not link.connected and self._over_at is None]
        alarms = []
        if away:
            why = next((link.fault for link in away if link.fault), "not yet")
            alarms.append(f"{len(away)} of {len(links)} devices are not connected ({why})")
        return {
            "counters": {
                "devices": len(links),
                "connected": sum(link.connected for link in links),
                "sent": sum(_tally.frames(link.sent) for link in links),
                "sent_rows": sum(_tally.rows(link.sent) for link in links),
                "damaged": sum(each.troubles.damaged for each in self.devices),
                "dropped": sum(_tally.frames(link.dropped) for link in links),
                "connects": sum(link.connects for link in links),
                **{
                    name: sum(_tally.frames(link.sent, spectrum) for link in links)
                    for spectrum, name in spectra.items()
                },
            },
            "columns": ["sent", "connected", "dropped", *spectra.values()],
            "devices": [device_number(self._first + number, 0) for number in range(len(links))],
            "labels": [each.device.cfg.stations[0].name for each in self.devices],
            "counts": [
                [
                    _tally.frames(link.sent),
                    link.connected,
                    _tally.frames(link.dropped),
                    *(_tally.frames(link.sent, spectrum) for spectrum in spectra),
                ]
                for link in links
            ],
            "alarms": alarms,
        }
