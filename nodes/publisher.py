"""Publisher: an output stream in C37.118, as a PDC sends it to the next one.

Reads Configuration and Snapshots of concentrators and says one frame per instant, with all chosen devices in it, to
clients that dial us (TCP, in the clear or under TLS) and, unasked, over UDP. Each client has a queue of its own.

A device that is heard for the first time, or whose configuration changed, changes the stream: after `gather` its new
form is told, and STAT bit 10 of all stations says so for a minute. Until then a device whose rows mean something else
is marked absent; so is one that falls silent, which stays in the stream. What is older than `oldest` when it comes is
not told: the archive has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import structlog

from nodes._complaints import Complaints
from nodes._convert import Conversion
from nodes._node import Action, Node, Place
from nodes._outcount import Changes
from nodes._outlet import Outlet
from nodes._outrates import LONGEST
from nodes._outsettings import Settings
from nodes._outstream import Layout
from nodes._relay import Relay
from nodes._slots import COUNTS, Ready, Slots
from nodes._stream import Reader
from protocol.c37118 import fractions
from protocol.c37118.concentrated import Concentrated
from protocol.c37118.device import Device
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Numbered, Snapshots

CHANGED = np.uint16(0x0400)
"""STAT bit 10."""
CHANGED_FOR = 60 * SECOND
STALE_FOR = 5 * SECOND


class Publisher(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.reader = Reader(place.name)
        self.known: dict[int, Configuration] = {}
        self.layout: Layout | None = None
        self.encoder: Concentrated | None = None
        self.changes = Changes(place.journal)
        self.conversion = Conversion()
        self.slots: Slots | None = None
        self.counters = {"frames": 0, "stale": 0, "changes": 0, **dict.fromkeys(COUNTS, 0)}
        self._stream = settings.stream
        header = f"{place.site.get('station', '')}: {place.node}"
        limit, cfg3 = self._stream.limit, settings.version > 1
        self._device = Device(self._stream.empty, header, cfg3=cfg3, largest=limit)
        self.outlet = Outlet(settings, self._device, Complaints(self.log))
        self._change_at: int | None = None
        self._changed_until = 0
        self._pause = settings.gather
        self._stale_since: int | None = None
        self._origin = 0
        """ns UTC: what was measured before is not ours to tell."""

    def start(self, now: Now) -> Iterator[Action]:
        """Open the doors. Raises StartError."""
        return self.outlet.open(now)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """A door, or a client."""
        return self.outlet.ready(fd, now)

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """Words of the concentrators."""
        words, actions = self.reader.receive(message, now)
        yield from actions
        for word in words:
            self._take(word, now)
        yield from self._tell(now)

    def wake_at(self) -> int | None:
        waits = [self.reader.wake_at(), self._change_at, self.outlet.wake_at()]
        waits.append(self.slots.wake_at() if self.slots is not None else None)
        return min((at for at in waits if at is not None), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Changes that are due, instants that waited long enough."""
        yield from self.reader.wake(now)
        if self._change_at is not None and now.monotonic >= self._change_at:
            yield from self._change(now)
        yield from self._tell(now)
        yield from self.outlet.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        """Clients are hung up on; what they had not taken is not told any more."""
        self.outlet.close(now)
        return iter(())

    # ── what is told ────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, word: Numbered, now: Now) -> None:
        if isinstance(word, Snapshots):
            told = self.conversion.take(word, now)
            if self.slots is not None and told is not None:
                self.slots.add(told, now)
        elif isinstance(word, Configuration):
            before = self.known.get(word.device)
            if before is not None and (before.version, before.table) == (word.version, word.table):
                return
            self.known[word.device] = word
            concerns = self._stream.choice.takes(word) or (before is not None and self._stream.choice.takes(before))
            if concerns and self._change_at is None:
                self._change_at = now.monotonic + self._pause
            if self.slots is not None and before is not None and _meaning(before) != _meaning(word):
                self.slots.mute(word.device)
                self.conversion.forget(word.device)

    def _change(self, now: Now) -> Iterator[Action]:
        """The stream as the devices are now; what waits goes out in its former form."""
        self._change_at = None
        former = self.layout
        layout = self._stream.layout(self.known, former.devices if former else None)
        if layout is None:
            return  # its devices stay in it, as absent
        yield from self._tell(now, everything=True)
        begin, told = now.utc, former is not None and former.cfg == layout.cfg
        if self.slots is None:
            self._origin = now.utc
        else:
            self._count_out(self.slots)
            begin = self.slots.end
        self.layout, s = layout, self.settings
        self.encoder = Concentrated(layout.cfg, [len(part.devices) for part in layout.parts])
        self.conversion.follow(layout.parts)
        wait = s.wait + self.conversion.delay
        self.slots = Slots(layout.parts, layout.cfg.rate, s.version, wait, begin, self._origin)
        if not told:
            yield from self._tell_change(layout, former, now)

    def _tell_change(self, layout: Layout, former: Layout | None, now: Now) -> Iterator[Action]:
        """Clients are to ask again, and those who never ask are told. A stream that changes again and again does so
        less and less often."""
        if former is not None:
            again = now.monotonic < self._changed_until
            self._pause = min(2 * self._pause, CHANGED_FOR) if again else self.settings.gather
            self._changed_until = now.monotonic + CHANGED_FOR
            self.counters["changes"] += 1
        self.log.info("stream changed" if former else "stream begins", stations=len(layout.cfg.stations))
        self._device.cfg = self.changes.counted(layout.cfg)
        yield from self.outlet.configure(self._device, now)

    def _tell(self, now: Now, everything: bool = False) -> Iterator[Action]:
        """Instants that can go out."""
        ready = self.slots.take(now, everything) if self.slots is not None else None
        if ready is None or self.encoder is None:
            return
        old = int(np.searchsorted(ready.time, now.utc - self.settings.oldest - self.conversion.delay))
        self.counters["stale"] += old
        if old == ready.time.size:
            self._stale_since = self._stale_since or now.monotonic
            return
        self._stale_since = None
        frames = self._frames(ready.behind(old), now)
        self.counters["frames"] += len(frames)
        yield from self.outlet.tell(frames, now)

    def _frames(self, ready: Ready, now: Now) -> list[bytes]:
        assert self.encoder is not None
        rows = ready.rows
        if now.monotonic < self._changed_until:
            rows = [replace(each, status=each.status | CHANGED) for each in rows]
        soc, count = fractions(ready.time, self.settings.time_base)
        return self.encoder.encode(rows, soc, count, ready.quality)

    # ── how it goes ─────────────────────────────────────────────────────────────────────────────────────────

    def _count_out(self, slots: Slots) -> None:
        """What a form of the stream counted that is over."""
        for name in COUNTS:
            self.counters[name] += slots.counts[name]

    def health(self, now: Now) -> dict[str, Any]:
        theirs, slots = self.outlet.health(now), self.slots
        lost = {name: self.counters[name] + (slots.counts[name] if slots is not None else 0) for name in COUNTS}
        for name, count in self.conversion.counts.items():
            lost[name] += count
        counters = {
            **theirs["counters"],
            **self.counters,
            **lost,
            "stations": len(self.layout.cfg.stations) if self.layout else 0,
            "fetched": self.reader.fetched,
            "lost": self.reader.lost,
        }
        queues = {"instants": 0 if slots is None else len(slots), "behind": self.reader.behind}
        alarms = [*self._alarms(now), *theirs["alarms"]]
        return {"counters": counters, "queues": {**theirs["queues"], **queues}, "alarms": alarms}

    def _alarms(self, now: Now) -> Iterator[str]:
        if self.changes.trouble:
            yield self.changes.trouble
        if self._stale_since is not None and now.monotonic > self._stale_since + STALE_FOR:
            yield f"all that comes is older than {self.settings.oldest / SECOND:g} s: is this machine's clock right?"
        if self.known and self._change_at is None:
            for name in self._stream.vain(self.known.values()):
                yield f"nothing is called {name!r} as `devices`, `channels` or `rename` want it; nothing is told for it"
        if self.layout and self.layout.left_out:
            yield (
                f"no room in stream {self.settings.idcode} for {_some(self.layout.left_out)}: a CFG-2 ends at "
                f"{self._stream.limit} bytes; spread devices over several publishers, or choose fewer `channels`"
            )
        if self.layout and self.layout.unfiltered:
            yield (
                f"{_some(self.layout.unfiltered)} in stream {self.settings.idcode}: more than {LONGEST} rows to an "
                "instant, they are left out and not filtered; set a higher `rate`"
            )
        if self.layout and self.layout.off_grid:
            yield (
                f"stream {self.settings.idcode} tells other instants than those of {_some(self.layout.off_grid)}: most "
                "of their rows are left out; set `rate`, or give them a publisher of their own"
            )


def publisher(settings: Settings, place: Place) -> Node:
    """The one that these settings want."""
    return Relay(settings, place) if settings.raw else Publisher(settings, place)


def _some(names: list[str]) -> str:
    """A list that may be long."""
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _meaning(word: Configuration) -> tuple[Any, ...]:
    """What tells which values are in a row."""
    channels = word.phasors, word.phasor_units, word.analogs, word.analog_units, word.digitals
    return word.table, word.link, word.name, *channels
