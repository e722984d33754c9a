"""receiver: reads devices on a tick, decodes all frames of one layout in one call, tells rows by table.

Sockets come from a balancer (`nodes/_handover.py`). A tick reads what the kernel holds of every device, cuts it
into frames, and says one `Measurements` per table: what costs is a call, not a frame. What is no data goes
through the session of its link (`protocol/c37118/session.py`).
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from typing import Annotated, Any

import structlog
from pydantic import Field

from nodes import _handover, _settings
from nodes._links import Links
from nodes._node import Action, Actions, Node, Place
from nodes._rows import COLUMNS, CORRUPT, RECEIVED, REFUSED
from nodes._settings import Duration, Size
from nodes._stream import Writer
from nodes._ways import DatagramWay, Leaving, Link, StreamWay, Way
from protocol.c37118.session import MasterSettings
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Durable, Fetch

LOOK_AROUND = 50 * MILLISECOND
"""How often sessions' own timers and unsent commands are looked at."""
TALLY_EVERY = SECOND
LEAVE_AFTER = 10 * SECOND
"""How long an ended connection may wait for the balancer's word on whose its frames are."""


class Settings(_settings.Settings):
    """How devices are read."""

    tick: Annotated[Duration, Field(ge=MILLISECOND, le=SECOND)] = 20 * MILLISECOND
    """Devices are read this often."""
    keep: Size = 64 << 20
    """Recent rows kept for readers that missed them."""
    plausible: Duration = 60 * SECOND
    """A time this far off its stream's own recent times is implausible: archived in `aside`."""
    cfg3: bool = True
    """Ask devices for CFG-3 first, CFG-2 if it does not come."""
    answer: Duration = 2 * SECOND
    """How long a device may take to tell its configuration before it is asked again."""


class Receiver(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.epoll = select.epoll()
        self.balancers = _handover.Balancers(place.run, place.name, place.sources.get("balancer", []))
        self.ways: dict[int, Way] = {}
        """By descriptor."""
        self.writer = Writer(place.name, 0, settings.keep)
        self.links = Links(self.writer, self.balancers, settings.plausible)
        self.leaving: list[Leaving] = []
        """Connections that ended before the balancer said whose they were."""
        self.tick_at = self.look_at = self.tally_at = 0

    # ── the runtime's calls ─────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """A new epoch of our stream."""
        self.writer.epoch = now.utc
        self.tick_at = self.look_at = self.tally_at = now.monotonic
        return ()

    def receive(self, message: Any, now: Now) -> Actions:
        """A reader fetches, or tells what is safe."""
        return self.writer.receive(message, now) if isinstance(message, Fetch | Durable) else ()

    def wake_at(self) -> int:
        return self.tick_at

    def wake(self, now: Now) -> Actions:
        """One tick."""
        late = now.monotonic - self.tick_at
        self.tick_at += self.settings.tick * (1 + late // self.settings.tick)
        yield from self._hear_balancers(now)
        yield from self._read_devices(now)
        yield from self.links.flush(now)
        if now.monotonic >= self.look_at:
            self.look_at = now.monotonic + LOOK_AROUND
            yield from self._look_around(now)
        if now.monotonic >= self.tally_at:
            self.tally_at = now.monotonic + TALLY_EVERY
            yield from self._tell_tally()
        yield from self.writer.wake(now)

    def stop(self, now: Now) -> Actions:
        """Take what has come, tell devices to stop, hand on what is held."""
        yield from self._read_devices(now)
        for fd in list(self.ways):
            yield from self._end(fd, "the station stops", now)
        for gone in list(self.leaving):
            self._left(gone)
        yield from self.links.flush(now)
        yield from self._tell_tally()
        yield self.writer.announce()
        self.balancers.close()
        self.epoll.close()

    def _tell_tally(self) -> Iterator[Action]:
        tally = self.links.books.changed()
        if tally:
            yield self.writer.say(tally)

    # ── balancers ───────────────────────────────────────────────────────────────────────────────────────────

    def _hear_balancers(self, now: Now) -> Actions:
        for balancer, note, descriptors in self.balancers.hear(now):
            yield from self._note(balancer, note, descriptors, now)

    def _note(self, balancer: str, note: dict[str, Any], descriptors: list[int], now: Now) -> Actions:
        if note["say"] == "link":
            yield from self._linked(balancer, note, [socket.socket(fileno=fd) for fd in descriptors], now)
            return
        for stray in descriptors:
            os.close(stray)
        if note["say"] == "welcome":
            self.log.info("joined", balancer=balancer)
            return
        for fd, way in list(self.ways.items()):
            if way.balancer != balancer or fd not in self.ways:
                continue
            if note["say"] == "gone":
                yield from self._bereaved(fd, way, now)
            elif way.connection == note["connection"]:
                yield from self._answered(fd, way, note, now)
        for gone in [each for each in self.leaving if each.balancer == balancer]:
            yield from self._answered_late(gone, note, now)

    def _answered_late(self, gone: Leaving, note: dict[str, Any], now: Now) -> Actions:
        """Whose frames of an ended connection are, after all."""
        if note["say"] == "gone":
            self._left(gone)
        elif gone.connection == note["connection"] and note["say"] in ("identity", "refused"):
            for link in [
                each for each in gone.links if (each.address, each.asked) == (note["address"], note["stream"])
            ]:
                gone.links.remove(link)
                if note["say"] == "identity":
                    yield from self._bequeath(link, note, now)
                self.links.settle(link)
            if not gone.links:
                self._left(gone)

    def _bequeath(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """Rows of a link that has ended; a newer one of the same device goes on undisturbed."""
        newer = self.links.carriers.get(note["device"]["number"])
        yield from self.links.introduce(link, note, now)
        yield from self.links.flush(now)
        self.links.rows.forget(link.number)
        if newer:
            yield from self.links.say_configuration(newer, now)

    def _left(self, gone: Leaving) -> None:
        """The end of an ended connection."""
        self.leaving.remove(gone)
        for link in gone.links:
            self.links.settle(link)
        self.balancers.say(gone.balancer, "ended", connection=gone.connection, reason=gone.reason, cfg3=gone.cfg3)

    def _bereaved(self, fd: int, way: Way, now: Now) -> Actions:
        """The balancer is gone; its successor opens ports and dials anew, and knows none of these numbers."""
        if way.stays and way.links[0].number:
            way.connection = 0
            for link in way.links:
                link.connection = 0
        else:
            yield from self._end(fd, "its balancer is gone", now)

    def _answered(self, fd: int, way: Way, note: dict[str, Any], now: Now) -> Actions:
        if note["say"] == "drop":
            dropped = next((link for link in way.links if link.number == note["number"]), None)
            if dropped:
                yield from self._end_link(dropped, note["reason"], now)
            return
        for link in way.links:
            if fd in self.ways and (link.address, link.asked) == (note["address"], note["stream"]):
                yield from self._identified(fd, link, note, now)

    def _linked(self, balancer: str, note: dict[str, Any], sockets: list[socket.socket], now: Now) -> Actions:
        how, id_, peer = note["how"], note["connection"], tuple(note["peer"])
        session = MasterSettings(
            cfg3=self.settings.cfg3 and note.get("cfg3", True),
            stream=note.get("stream"),
            spontaneous=how == "spontaneous",
            wait=self.settings.answer,
        )
        ways: list[Way] = []
        if how in ("udp", "spontaneous"):
            target = tuple(note["target"]) if note["target"] else None
            ways.append(DatagramWay(balancer, id_, sockets[0], session, target))
        else:
            stream = StreamWay(balancer, id_, sockets[0], peer, session, stays=how == "dials_in")
            ways.append(stream)
            if how == "tcp_udp":
                data = DatagramWay(balancer, id_, sockets[1], session)
                data.share(stream.link, peer[0])
                ways.append(data)
        for way in ways:
            self.ways[way.end.fileno()] = way
            self.epoll.register(way.end.fileno(), select.EPOLLIN)
        for link in ways[0].links:
            yield from self.links.events(link, link.master.begin(now), now)

    def _identified(self, fd: int, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """The balancer's answer: who the link is, or that it is refused."""
        if note["say"] == "refused":
            self.links.count(link, REFUSED, sum(len(frames) for _, frames in link.early))
            link.early, link.refused, link.kept = [], True, b""
            if isinstance(self.ways[fd], StreamWay) and not link.secondary:
                yield from self._end(fd, note["reason"], now)
            return
        number = note["device"]["number"]
        former = self.links.carriers.get(number)
        if former is not None and former in self.ways[fd].links and former is not link:
            yield from self.links.drop(
                former, f"it sends stream {note['stream']} now, stream {former.stream} before", now
            )
        elif former is not None and former is not link:
            yield from self._end_link(former, "the device has connected anew", now)
        self.links.carriers[number] = link
        yield from self.links.introduce(link, note, now)
        link.unmute()

    # ── devices ─────────────────────────────────────────────────────────────────────────────────────────────

    def _read_devices(self, now: Now) -> Actions:
        for fd, _ in self.epoll.poll(0, max(1, len(self.ways))):
            way = self.ways.get(fd)
            if way is None:
                continue
            for link, frames in way.read():
                yield from self.links.take(link, frames, now)
                self.links.damage(link, way.splitter)
            if way.over:
                yield from self._end(fd, way.over, now)

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────

    def _look_around(self, now: Now) -> Actions:
        """Sessions whose time has come; commands that had no room."""
        for fd, way in list(self.ways.items()):
            for link in way.links:
                due = link.master.wake_at()
                if due is not None and due <= now.monotonic:
                    yield from self.links.events(link, link.master.wake(now), now)
            way.flush()
            if way.over:
                yield from self._end(fd, way.over, now)
        for gone in [each for each in self.leaving if each.until <= now.monotonic]:
            self._left(gone)
        self.balancers.flush()

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────────

    def _end_link(self, link: Link, reason: str, now: Now) -> Actions:
        """Its connection, unless that carries other streams."""
        for fd, way in list(self.ways.items()):
            if link in way.links and any(each.number for each in way.links if each is not link):
                yield from self.links.drop(link, reason, now)
            elif link in way.links:
                yield from self._end(fd, reason, now)

    def _end(self, fd: int, reason: str, now: Now) -> Actions:
        """Close a way, and the other one of its device: what is still held, the books, word to the balancer."""
        way = self.ways.get(fd)
        if way is None:
            return
        first = way.links[0] if way.links else None
        closing = [each for each in self.ways.values() if each is way or first in each.links]
        for each in closing:
            del self.ways[each.end.fileno()]
            self.epoll.unregister(each.end.fileno())
        for each in closing:
            yield from self._drain(each, now)
        for link in way.links:
            yield from self.links.events(link, link.master.end(now), now)
            yield from self.links.flush(now)
            if not link.expects_answer:
                self.links.settle(link)
            self.links.release(link)
        for each in closing:
            each.end.close()
        name = first.identity.get("name", first.address) if first else ""
        self.log.info("link ended", device=name, reason=reason)
        self.links.counts["ended"] += 1
        cfg3 = not (first and first.master.unanswered_3)
        waiting = [link for link in way.links if link.expects_answer]
        gone = Leaving(way.balancer, way.connection, reason, cfg3, waiting, now.monotonic + LEAVE_AFTER)
        self.leaving.append(gone)
        if not waiting:
            self._left(gone)

    def _drain(self, way: Way, now: Now) -> Actions:
        """What the kernel and the splitter still hold."""
        for link, frames in way.read():
            yield from self.links.take(link, frames, now)
            self.links.damage(link, way.splitter)
        rest = way.rest()
        if rest:
            yield from self.links.take(way.links[0], rest, now)
        for link in way.links:
            self.links.damage(link, way.splitter)
        if isinstance(way, DatagramWay):
            self.links.unknown[CORRUPT] += way.unclaimed
            self.links.counts["stray_datagrams"] += way.strangers
            way.unclaimed = way.strangers = 0

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """The books per device, and what was refused and why."""
        unknown = {f"unknown_{name}": count for name, count in zip(COLUMNS, self._unknown(), strict=True) if count}
        strays = sum(way.strangers for way in self.ways.values() if isinstance(way, DatagramWay))
        counters = {**self.links.totals(), **unknown, **self.links.counts, "links": len(self.links.carriers)}
        return {
            "counters": counters
            | {"stray_datagrams": self.links.counts["stray_datagrams"] + strays, "said": self.writer.next},
            "queues": {"bytes_kept": self.writer.held},
            **self.links.table(),
            "alarms": [*(f"balancer {each} is not there" for each in self.balancers.missing), *self.links.alarms()],
        }

    def _unknown(self) -> list[int]:
        """Frames of nobody we know, by column of the books; `received` are all of them."""
        links = dict.fromkeys(link for way in self.ways.values() for link in way.links if not link.number)
        counts = [sum(owed) for owed in zip(self.links.unknown, *(link.unbooked for link in links), strict=True)]
        counts[CORRUPT] += sum(way.unclaimed for way in self.ways.values() if isinstance(way, DatagramWay))
        counts[RECEIVED] = sum(counts[CORRUPT:])
        return counts
