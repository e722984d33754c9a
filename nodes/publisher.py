"""Publisher: an output stream in C37.118, as a PDC sends it to the next one.

Reads Configuration and Snapshots of concentrators and says one frame per instant, with all chosen devices in it, to
clients that dial us (TCP, in the clear or under TLS) and, unasked, over UDP. Each client has a queue of its own.

A device that is heard for the first time, or whose configuration changed, changes the stream: its new form is told from
the next instant on, and STAT bit 10 of all stations says so for a minute. A device that falls silent stays in the
stream, marked absent. What is older than `oldest` when it comes is not told: the archive has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import structlog
from pydantic import Field, model_validator

from nodes import _dialing
from nodes._certificates import TlsFault
from nodes._clients import Clients
from nodes._complaints import Complaints
from nodes._devicelink import Answers, Spontaneous
from nodes._door import Doors
from nodes._limits import Limits
from nodes._node import Action, Node, Place, StartError, Watch
from nodes._outstream import Choice, Format, Layout, Stream
from nodes._settings import Address, Duration, Rate, Size, fault
from nodes._settings import Settings as Base
from nodes._site import NetworkText, plain
from nodes._slots import Ready, Slots
from nodes._stream import Reader
from nodes._tls import CertificateWatch, Tls
from protocol.c37118 import fractions
from protocol.c37118.concentrated import Concentrated
from protocol.c37118.device import Device
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Numbered, Snapshots

CHANGED = np.uint16(0x0400)
"""STAT bit 10."""
CHANGED_FOR = 60 * SECOND


class Settings(Base):
    """Publisher: to whom, what and how."""

    listen: Address | None = None
    """Where clients dial us over TCP."""
    listen_tls: Address | None = None
    """Where they dial us under TLS."""
    tls: Tls | None = None
    """Certificates, for `listen_tls`."""
    names: list[str] = Field(default_factory=list)
    """Whom a client's certificate must be issued to; none: whoever the authorities signed one for."""
    admit_from: list[NetworkText] = Field(default_factory=list)
    """Networks that clients may be in; none: any."""
    udp: list[Address] = Field(default_factory=list)
    """Where DATA are sent over UDP, unasked; a multicast group, too."""
    announce: Duration = 60 * SECOND
    """Between two configurations on `udp`."""
    idcode: Annotated[int, Field(ge=1, le=65534)]
    """IDCODE of the stream."""
    version: Annotated[int, Field(ge=1, le=2)] = 2
    """1 = the edition of 2005, which knows no CFG-3; 2 = 2011."""
    time_base: Annotated[int, Field(ge=1, le=0xFFFFFF)] = 1_000_000
    """Counts of FRACSEC per second."""
    devices: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which devices, by their name in the site file or their own; `*` and `?` as in file names."""
    channels: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which phasors, analogs, and (by any of their labels) digital words. Frequency and ROCOF are always told."""
    rate: Rate | None = None
    """Frames per second; none: as the fastest device. Of faster devices frames in between are left out, slower ones are
    marked absent in between."""
    format: Format = Format()
    """How numbers are written."""
    gather: Duration = 3 * SECOND
    """After a start, and after a change, what else is new is waited for so long: each change is one for all clients."""
    wait: Duration = 60 * MILLISECOND
    """Devices of other rates or channels come from the concentrator apart: an instant waits so long for all."""
    oldest: Annotated[Duration, Field(ge=SECOND)] = 10 * SECOND
    """What is older is not told any more."""
    spontaneous: bool = False
    """Clients over TCP are told DATA at once, without a command."""
    clients: Annotated[int, Field(ge=1, le=1000)] = 32
    """So many at once."""
    calls: Annotated[Rate, Field(ge=1)] = 10
    """Calls taken from one address in the long run; more are closed at once."""
    queue: Annotated[Size, Field(ge=1 << 17)] = 4 << 20
    """Bytes that wait for a client; one that has more is cut off."""
    keepalive: Duration = 60 * SECOND
    """A client that has not answered for so long is given up (0 s: never)."""

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Settings:
        if not (self.listen or self.listen_tls or self.udp):
            raise fault("nobody can get this stream", "add listen:, listen_tls: or udp:")
        if self.listen_tls and not self.tls:
            raise fault("listen_tls without certificates", "add tls: {certificate, key, authorities}")
        return self

    def check(self) -> None:
        """Whether its certificates can be used. Raises TlsFault."""
        if self.tls:
            self.tls.check()

    @property
    def stream(self) -> Stream:
        """What is told, whoever is in it."""
        choice = Choice(devices=self.devices, channels=self.channels, rate=self.rate)
        return Stream(self.idcode, self.version, self.time_base, choice, self.format)


class Publisher(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.reader = Reader(place.name)
        self.complaints = Complaints(structlog.get_logger().bind(node=place.name))
        limits = Limits(settings.clients, settings.clients, settings.calls)
        doors = Doors(limits, settings.keepalive, self.complaints, "`admit_from` has no network that it is in")
        self.clients = Clients(doors, settings.queue, settings.spontaneous, settings.names, self.complaints)
        self.clients.header = f"{place.site.get('station', '')}: {place.node}"
        self.datagrams: list[Spontaneous] = []
        self.known: dict[int, Configuration] = {}
        self.layout: Layout | None = None
        self.encoder: Concentrated | None = None
        self.slots: Slots | None = None
        self.counters = {"frames": 0, "stale": 0, "late": 0, "between": 0, "changes": 0}
        self._stream = settings.stream
        self._certificates = CertificateWatch(settings.tls)
        self._change_at: int | None = None
        self._announce_at = self._changed_until = 0
        self._origin = 0
        """ns UTC: what was measured before is not ours to tell."""

    def start(self, now: Now) -> Iterator[Action]:
        """Open the doors. Raises StartError."""
        s = self.settings
        try:
            s.check()
            for to in s.udp:
                link = Spontaneous(Answers(Device(self._stream.empty)), _dialing.resolve(to)[1])
                self.datagrams.append(link)
                yield from link.start(now)
        except (TlsFault, OSError) as problem:
            raise StartError(f"{problem}; see `tls` and `udp`") from problem
        doors = self.clients.doors
        if s.listen:
            doors.open("listen", s.listen, self._may_call)
        if s.listen_tls and s.tls:
            doors.open("listen_tls", s.listen_tls, self._may_call, s.tls.terms(dialled=False))
        for fd in doors.fds:
            yield Watch(fd)

    def _may_call(self, address: str) -> bool:
        return not self.settings.admit_from or any(plain(address) in network for network in self.settings.admit_from)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """A door, or a client."""
        if fd in self.clients.doors.fds:
            yield from self.clients.accept(fd, now)
        else:
            yield from self.clients.read(fd, now)

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """Words of the concentrators."""
        words, actions = self.reader.receive(message, now)
        yield from actions
        for word in words:
            self._take(word, now)
        yield from self._tell(now)

    def wake_at(self) -> int | None:
        announce = self._announce_at if self.datagrams and self.layout else None
        waits = [self.reader.wake_at(), self._change_at, self.clients.wake_at(), announce]
        waits.append(self.slots.wake_at() if self.slots is not None else None)
        return min((at for at in waits if at is not None), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Changes that are due, instants that waited long enough."""
        yield from self.reader.wake(now)
        if self._change_at is not None and now.monotonic >= self._change_at:
            yield from self._change(now)
        yield from self._tell(now)
        yield from self.clients.wake(now)
        if self.layout and now.monotonic >= self._announce_at:
            self._announce(now)

    def stop(self, now: Now) -> Iterator[Action]:
        """Clients are hung up on; what they had not taken is not told any more."""
        self.clients.close()
        for link in self.datagrams:
            link.stop(now)
        return iter(())

    # ── what is told ────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, word: Numbered, now: Now) -> None:
        if isinstance(word, Configuration):
            before = self.known.get(word.device)
            if before is None or (before.version, before.table) != (word.version, word.table):
                self.known[word.device] = word
                if self._change_at is None and self._stream.choice.takes(word):
                    self._change_at = now.monotonic + self.settings.gather
        elif isinstance(word, Snapshots) and self.slots is not None:
            self.slots.add(word, now)

    def _change(self, now: Now) -> Iterator[Action]:
        """The stream as the devices are now; what waits goes out in its former form."""
        self._change_at = None
        layout = self._stream.layout(self.known)
        if layout is None or (self.layout and layout.same_as(self.layout)):
            return
        yield from self._tell(now, everything=True)
        if self.slots is None:
            self._origin = begin = now.utc
        else:
            self._changed_until = now.utc + CHANGED_FOR
            self.counters["changes"] += 1
            self._count_out(self.slots)
            begin = self.slots.end
        self.layout, s = layout, self.settings
        self.encoder = Concentrated(layout.cfg, [len(part.devices) for part in layout.parts])
        self.slots = Slots(layout.parts, layout.cfg.rate, s.version, s.wait, begin, self._origin)
        self.clients.configure(layout.cfg)
        for link in self.datagrams:
            link.answers.device.cfg = layout.cfg
        self._announce(now)

    def _announce(self, now: Now) -> None:
        """The configuration, unasked, over UDP."""
        self._announce_at = now.monotonic + self.settings.announce
        for link in self.datagrams:
            for frame in link.answers.device.configuration(2, now.utc):
                link.put(frame, 0)

    def _tell(self, now: Now, everything: bool = False) -> Iterator[Action]:
        """Instants that can go out."""
        ready = self.slots.take(now, everything) if self.slots is not None else None
        if ready is None or self.encoder is None:
            return
        fresh = ready.time >= now.utc - self.settings.oldest
        self.counters["stale"] += int(np.count_nonzero(~fresh))
        if not fresh.any():
            return
        frames = self._frames(ready, now)[int(np.argmax(fresh)) :]  # ascending in time: the old ones are first
        self.counters["frames"] += len(frames)
        yield from self.clients.tell(frames, now)
        for link in self.datagrams:
            for frame in frames:
                link.put(frame, 1)

    def _frames(self, ready: Ready, now: Now) -> list[bytes]:
        assert self.encoder is not None
        rows = ready.rows
        if now.utc < self._changed_until:
            rows = [replace(each, status=each.status | CHANGED) for each in rows]
        soc, count = fractions(ready.time, self.settings.time_base)
        return self.encoder.encode(rows, soc, count, ready.quality)

    # ── how it goes ─────────────────────────────────────────────────────────────────────────────────────────

    def _count_out(self, slots: Slots) -> None:
        """What a form of the stream counted that is over."""
        self.counters["late"] += slots.late
        self.counters["between"] += slots.between

    def health(self, now: Now) -> dict[str, Any]:
        theirs = self.clients.health()
        now_late = (self.slots.late, self.slots.between) if self.slots is not None else (0, 0)
        counters = {
            **theirs["counters"],
            **self.counters,
            "late": self.counters["late"] + now_late[0],
            "between": self.counters["between"] + now_late[1],
            "stations": len(self.layout.cfg.stations) if self.layout else 0,
            "client_frames": self.clients.counts["frames"],
            "datagrams": sum(link.sent for link in self.datagrams),
            "datagrams_dropped": sum(link.dropped for link in self.datagrams),
            "fetched": self.reader.fetched,
            "lost": self.reader.lost,
        }
        return {
            "counters": counters,
            "queues": {**theirs["queues"], "instants": len(self.slots) if self.slots is not None else 0,
                       "behind": self.reader.behind},
            "alarms": [*self._alarms(), *self._certificates.alarms(now), *self.complaints.alarms(now)],
        }  # fmt: skip

    def _alarms(self) -> Iterator[str]:
        if self.layout and self.layout.left_out:
            some = ", ".join(self.layout.left_out[:5])
            yield (
                f"{len(self.layout.left_out)} devices have no room in stream {self.settings.idcode} ({some} …): a "
                "CFG-2 ends at 65535 bytes; spread them over several publishers, or choose fewer `channels`"
            )
