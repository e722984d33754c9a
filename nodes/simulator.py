"""simulator: hundreds of C37.118 devices in one process, with a grid behind them, a disturbance and faults.

Every device is a link of its own (`nodes/_devicelink.py`) and streams once the station said "data on". Frames
stand on the reporting grid of real time; the grid's signals depend only on the seed and on how many frames have
passed since the start. A frame counts as sent when the kernel has taken its last byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algorithms.simulation import Kind, Scenario, Simulation
from nodes import _dialing, _settings, _simulated
from nodes._devicelink import STOP_PATIENCE, Answers, Datagrams, Link, SocketAddress, Spontaneous
from nodes._devicestream import Dialled, Listening
from nodes._node import Actions, Done, Node, Place, StartError
from nodes._settings import Address, Duration, Number, Port, Rate, fault
from nodes._simulated import Fault, FaultKind, Shape, Troubles
from nodes._site import IPText
from protocol.c37118 import Bank, StationRows, compile_codec, fractions
from protocol.c37118.device import Device
from protocol.clock import MILLISECOND, SECOND, Now, period, slot_of, slot_time
from protocol.messages import device_number

STAGGER = 2 * MILLISECOND
"""Between the first dials of two devices."""
CATCH_UP = SECOND
"""Frames that are late by more are not made; a device that stalled has lost them."""
LINGER = 10 * SECOND
"""How long the last frames may wait for a slow station when the work is over."""
MOST_SKIPPED = 1_000_000
"""Samples of the grid made for nothing after a clock was set ahead."""


class Mode(StrEnum):
    """How the station and a device find each other."""

    DIALS = "dials"
    """The device dials the station at `to`."""
    LISTENS = "listens"
    """The station dials the device; the n-th device listens on the port of `listen` + n - 1."""
    TCP_UDP = "tcp_udp"
    """As listens, but DATA go over UDP to `data_port` + n - 1 of the station."""
    UDP = "udp"
    """Commands, answers and DATA over UDP; ports as for listens."""
    SPONTANEOUS = "spontaneous"
    """DATA over UDP to `to`, unasked, a configuration every `announce`."""


class Settings(_settings.Settings):
    """Which devices, what they measure, what goes wrong."""

    to: Address | None = None
    """The station: a balancer's name in a pipeline, else HOST:PORT."""
    listen: Address | None = None
    """Where the first device listens, in the modes in which the station dials."""
    mode: Mode = Mode.DIALS
    """dials, listens, tcp_udp, udp or spontaneous."""
    source: IPText | None = None
    """Local address to send from, in the modes dials and spontaneous; for a multicast group, its interface's."""
    data_port: Port | None = None
    """Port of the station that the first device's DATA go to in mode tcp_udp."""
    announce: Duration = 60 * SECOND
    """Between two configurations in mode spontaneous."""
    devices: Annotated[int, Field(ge=1, le=10_000)] = 20
    """How many."""
    stations: Annotated[int, Field(ge=1, le=100)] = 1
    """Stations in each device's stream, as a PDC has."""
    first: Annotated[int, Field(ge=1, le=65_534)] = 1
    """IDCODE of the first device; the others count on."""
    rate: Rate = 50
    """Frames per second."""
    nominal: Literal[50, 60] = 50
    """Hz."""
    phasors: Annotated[int, Field(ge=0, le=100)] = 6
    """Per station: VA VB VC IA IB IC VA2 …"""
    analogs: Annotated[int, Field(ge=0, le=100)] = 0
    digitals: Annotated[int, Field(ge=0, le=100)] = 1
    """16-bit words."""
    format: Annotated[int, Field(ge=0, le=15)] = 15
    """FORMAT: the sum of 1 polar, 2 float phasors, 4 float analogs, 8 float frequency."""
    version: Literal[1, 2] = 2
    """1 = the edition of 2005, which knows no CFG-3; 2 = 2011."""
    time_base: Annotated[int, Field(ge=1, le=0xFFFFFF)] = 1_000_000
    """Counts of FRACSEC per second."""
    seed: Annotated[int, Field(ge=0)] = 1
    """The same seed gives the same signals."""
    scenario: Kind = Kind.NONE
    """none, generation_trip, fault or oscillation."""
    at: Duration = 30 * SECOND
    """When it happens, after the first frame."""
    size: Number | None = None
    """How large: Hz that the frequency falls by, per unit that the voltage dips by; unset = usual."""
    faults: list[Fault] = Field(default_factory=list)
    """What goes wrong with devices."""
    duration: Duration = 0
    """The work is over after so long; 0 = never."""

    @model_validator(mode="after")
    def _reachable(self) -> Settings:
        needs_to = self.mode in (Mode.DIALS, Mode.SPONTANEOUS)
        if needs_to and self.to is None:
            raise fault(f"mode {self.mode} needs the station's address", "set to: to a balancer or HOST:PORT")
        if not needs_to and self.listen is None:
            raise fault(f"mode {self.mode} needs a port to listen on", 'set listen: to "127.0.0.1:4712" or the like')
        if self.mode is Mode.TCP_UDP and self.data_port is None:
            raise fault("mode tcp_udp needs the station's UDP port", "set data_port:")
        if self.first + self.devices - 1 > 65_534:
            raise fault(f"{self.devices} devices from IDCODE {self.first} go beyond 65534", "lower first or devices")
        return self

    @property
    def shape(self) -> Shape:
        """What all devices have in common."""
        return Shape(
            self.rate,
            self.time_base,
            self.nominal,
            self.format,
            self.version,
            self.stations,
            self.phasors,
            self.analogs,
            self.digitals,
        )


@dataclass
class Simulated:
    """One device."""

    device: Device
    link: Link
    troubles: Troubles
    announce_at: int = 0
    """Monotonic ns of the next unasked configuration."""
    fds: set[int] = field(default_factory=set)


class Simulator(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.shape = settings.shape
        self._interval = 1 / settings.rate if settings.rate > 0 else -float(settings.rate)
        part = place.copy - 1
        scenario = Scenario(settings.scenario, settings.at / SECOND, settings.size)
        points = settings.devices * settings.stations
        self.grid = Simulation(points, self._interval, float(settings.nominal), settings.seed, scenario, part)
        self._first = settings.first + part * settings.devices
        self._chance = np.random.default_rng([settings.seed, 4, part])
        self.devices: list[Simulated] = []
        self._by_fd: dict[int, Simulated] = {}
        self._slot = 0
        self._count = 0
        """Reporting instants since the start."""
        self._due = 0
        self._over_at: int | None = None

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Make the devices. Raises StartError if a port is taken or the station's name is unknown."""
        position = self.grid.position.reshape(self.settings.devices, self.settings.stations, 2)
        try:
            for number in range(self.settings.devices):
                cfg = _simulated.configuration(self.shape, self._first + number, position[number])
                device = Device(cfg, f"simulated device {cfg.stream}", cfg3=self.settings.version > 1)
                link = self._link(number, Answers(device))
                self.devices.append(Simulated(device, link, self._troubles(number)))
                if isinstance(link, Dialled):
                    link.due = now.monotonic + number * STAGGER
                yield from self._tracked(self.devices[-1], link.start(now))
        except OSError as error:
            raise StartError(f"device {len(self.devices)}: {error}; see `to` and `listen`") from error
        self._bank = Bank([compile_codec(each.device.cfg) for each in self.devices])
        # The first frame coincides with a full second, so that runs of one seed differ in nothing but the date.
        self._slot = slot_of((now.utc // SECOND + 1) * SECOND, self.settings.rate)
        self._schedule(now)

    def _troubles(self, number: int) -> Troubles:
        own = [each for each in self.settings.faults if each.concerns(number)]
        return Troubles(own, self._interval, self._chance)

    def _link(self, number: int, answers: Answers) -> Link:
        settings, mode = self.settings, self.settings.mode
        if mode in (Mode.DIALS, Mode.SPONTANEOUS):
            assert settings.to is not None
            _, to = _dialing.resolve(settings.to)
            source = str(settings.source or "")
            return Dialled(answers, to, source) if mode is Mode.DIALS else Spontaneous(answers, to, source)
        assert settings.listen is not None
        _, (host, port) = _dialing.resolve(settings.listen)
        at: SocketAddress = host, port + number if port else 0
        if mode is Mode.UDP:
            return Datagrams(answers, at)
        data_port = settings.data_port + number if mode is Mode.TCP_UDP and settings.data_port else 0
        return Listening(answers, at, data_port)

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
        limit = max(1, CATCH_UP // period(self.settings.rate))
        if reached < self._slot - 1 - limit:
            # The clock was set back: go on from there, nobody waits for a repeated hour.
            self._slot = reached + 1
        elif reached > self._slot + limit:
            self.grid.next(min(reached - self._slot, MOST_SKIPPED))
            self._slot = reached
        while self._slot <= reached and self._over_at is None:
            yield from self._send_slot(now)
        self._schedule(now)

    def _reached(self, now: Now) -> int:
        """The last slot whose time has come."""
        slot = int(slot_of(now.utc, self.settings.rate))
        return slot - int(slot_time(slot, self.settings.rate) > now.utc)

    def _schedule(self, now: Now) -> None:
        self._due = now.monotonic + max(0, int(slot_time(self._slot, self.settings.rate)) - now.utc)

    def _send_slot(self, now: Now) -> Actions:
        """One frame of every device that is to send."""
        slot, count = self._slot, self._count
        if self.settings.duration and count * self._interval * SECOND >= self.settings.duration:
            self._over_at = now.monotonic
            return
        self._slot, self._count = slot + 1, count + 1
        samples = self.grid.next(1)
        self._reconfigure(count, now)
        status = np.array([each.troubles.status(count) for each in self.devices], np.uint16)
        rows = _simulated.rows(self.shape, samples, 0, slot, status)
        frames = self._encode(rows, slot, np.array([each.troubles.clock_error for each in self.devices], np.int64))
        for number, each in enumerate(self.devices):
            if each.link.wants_data:
                self._announce(each, now)
                for item, sent in self._items(each, number, frames[number], rows, slot, count):
                    each.link.put(item, sent)
                yield from self._tracked(each, each.link.flush(now))
            if each.troubles:
                yield from self._reconnect(each, count, now)

    def _encode(self, rows: list[StationRows], slot: int, shift: NDArray[np.int64]) -> list[bytes]:
        """The frame of every device for a slot, its time shifted [n] ns."""
        soc, fraction = fractions(int(slot_time(slot, self.settings.rate)) + shift, self.settings.time_base)
        return self._bank.encode(rows, soc, fraction, 0, np.arange(len(self.devices)))

    def _items(
        self, each: Simulated, number: int, frame: bytes, rows: list[StationRows], slot: int, count: int
    ) -> list[tuple[bytes, int]]:
        """What a device sends in a slot: (bytes, DATA frames)."""
        if not each.troubles:
            return [(frame, 1)]

        def again(shift: int) -> bytes:
            return self._encode(rows, slot, np.full(len(self.devices), shift, np.int64))[number]

        return each.troubles.items(frame, count, again)

    def _reconnect(self, each: Simulated, count: int, now: Now) -> Actions:
        trouble = each.troubles.now(FaultKind.RECONNECT, count)
        if trouble and isinstance(each.link, Dialled) and each.link.connected:
            yield from self._tracked(each, each.link.reconnect(now, trouble.length))

    def _reconfigure(self, count: int, now: Now) -> None:
        for number, each in enumerate(self.devices):
            if each.troubles.now(FaultKind.RECONFIGURE, count):
                each.device.cfg = _simulated.renamed(each.device.cfg)
                self._bank.replace(number, compile_codec(each.device.cfg))
                each.troubles.reconfigured(count)
                each.announce_at = now.monotonic

    def _announce(self, each: Simulated, now: Now) -> None:
        """The configuration, unasked."""
        if isinstance(each.link, Spontaneous) and now.monotonic >= each.announce_at:
            each.announce_at = now.monotonic + self.settings.announce
            for frame in each.device.configuration(3 if self.settings.version > 1 else 2, now.utc):
                each.link.put(frame, 0)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_over(self, now: Now) -> None:
        """Raise Done when the last frames are with the kernel, or have waited long enough."""
        assert self._over_at is not None
        if all(each.link.idle for each in self.devices) or now.monotonic > self._over_at + LINGER:
            raise Done(f"{sum(each.link.sent for each in self.devices)} frames sent")
        self._due = now.monotonic + 50 * MILLISECOND

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Frames sent, and who is connected."""
        links = [each.link for each in self.devices]
        away = [link for link in links if not link.connected and self._over_at is None]
        alarms = []
        if away:
            why = next((link.fault for link in away if link.fault), "not yet")
            alarms.append(f"{len(away)} of {len(links)} devices are not connected ({why})")
        return {
            "counters": {
                "devices": len(links),
                "connected": sum(link.connected for link in links),
                "sent": sum(link.sent for link in links),
                "sent_rows": sum(link.sent for link in links) * self.settings.stations,
                "damaged": sum(each.troubles.damaged for each in self.devices),
                "dropped": sum(link.dropped for link in links),
                "connects": sum(link.connects for link in links),
            },
            "columns": ["sent", "connected", "dropped"],
            "devices": [device_number(each.device.cfg.stream, 0) for each in self.devices],
            "labels": [each.device.cfg.stations[0].name for each in self.devices],
            "counts": [[link.sent, link.connected, link.dropped] for link in links],
            "alarms": alarms,
        }
