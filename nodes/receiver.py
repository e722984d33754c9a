"""receiver: reads devices on a tick, decodes all frames of one layout in one call, tells rows by table.

Sockets come from a balancer (`nodes/_handover.py`). A tick reads what the kernel holds of every device, cuts it
into frames, and says one `Measurements` per table: what costs is a call, not a frame. What is no data goes
through the session of its link (`protocol/c37118/session.py`).
"""

from __future__ import annotations

import os
import select
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import structlog
from pydantic import Field

from algorithms.plausibility import Plausible
from nodes import _handover, _settings
from nodes._node import Action, Actions, Node, Place
from nodes._rows import COLUMNS, CORRUPT, LOST, RECEIVED, REFUSED, Books, Rows
from nodes._settings import Duration, Size
from nodes._stream import Writer
from nodes._told import told
from nodes._ways import DatagramWay, Leaving, Link, StreamWay, Way
from protocol.c37118 import ConfigurationFrame, FrameType, compile_codec, frame_type, stream_id
from protocol.c37118.common import CONFIGURATIONS
from protocol.c37118.events import Configured, Data, Ended, Event, Heard, Lost, Refused, Send
from protocol.c37118.session import MasterSettings
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Durable, Fetch, device_number

LOOK_AROUND = 50 * MILLISECOND
"""How often sessions' own timers and unsent commands are looked at."""
TALLY_EVERY = SECOND
JOIN_AGAIN = 500 * MILLISECOND
LEAVE_AFTER = 10 * SECOND
"""How long an ended connection may wait for the balancer's word on whose its frames are."""
EARLY_AT_MOST = 4096
"""DATA frames of a link kept until the balancer has said who it is."""
BELIEVED = 3
"""DATA frames of a further stream on a connection before it is asked what it is: a lone one was injected."""
CONFIGURATION_CHANGED = 0x0400
REASONS_AT_MOST = 20


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
        self.carriers: dict[int, Link] = {}
        """Link number -> the link that carries it now."""
        self.names: dict[int, str] = {}
        """Of every link number ever carried here."""
        self.books = Books()
        self.rows = Rows(self.books, Plausible(limit=settings.plausible))
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.unknown = [0, 0, 0, 0]
        """Frames of links that ended before anybody knew whose they were, by column of the books."""
        self.leaving: list[Leaving] = []
        """Connections that ended before the balancer said whose they were."""
        self.tick_at = self.look_at = self.tally_at = 0

    # ── the runtime's calls ─────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """A new epoch of our stream."""
        self.writer = Writer(self.place.name, now.utc, self.settings.keep)
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
        yield from self._flush(now)
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
        yield from self._flush(now)
        yield from self._tell_tally()
        yield self.writer.announce()
        self.balancers.close()
        self.epoll.close()

    def _tell_tally(self) -> Iterator[Action]:
        tally = self.books.changed()
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
                self._settle(link)
            if not gone.links:
                self._left(gone)

    def _bequeath(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """Rows of a link that has ended; a newer one of the same device goes on undisturbed."""
        newer = self.carriers.get(note["device"]["number"])
        yield from self._introduce(link, note, now)
        yield from self._flush(now)
        self.rows.forget(link.number)
        if newer:
            yield from self._say_configuration(newer, now)

    def _left(self, gone: Leaving) -> None:
        """The end of an ended connection."""
        self.leaving.remove(gone)
        for link in gone.links:
            self._settle(link)
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
            yield from self._events(ways[0], link, link.master.begin(now), now)

    def _identified(self, fd: int, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """The balancer's answer: who the link is, or that it is refused."""
        if note["say"] == "refused":
            self._count(link, REFUSED, sum(len(frames) for _, frames in link.early))
            link.early, link.refused, link.kept = [], True, b""
            if isinstance(self.ways[fd], StreamWay) and not link.secondary:
                yield from self._end(fd, note["reason"], now)
            return
        number = note["device"]["number"]
        former = self.carriers.get(number)
        if former is not None and former in self.ways[fd].links and former is not link:
            yield from self._drop(former, f"it sends stream {note['stream']} now, stream {former.stream} before", now)
        elif former is not None and former is not link:
            yield from self._end_link(former, "the device has connected anew", now)
        self.carriers[number] = link
        yield from self._introduce(link, note, now)
        link.unmute()

    def _introduce(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """We know who it is: its configurations, its rows so far, its books."""
        link.identity, link.stream = note["device"], note["stream"]
        number = link.number = link.identity["number"]
        self.names[number] = link.identity["name"]
        early, link.early = link.early, []
        for codec, frames in early:
            link.codec = compile_codec(codec.cfg, _scales(link))
            yield from self._say_configuration(link, now)
            self.rows.add(number, frames)
        for column, frames_counted in enumerate(link.unbooked):
            if column:
                self.books.add(number, link.stations, column, frames_counted)
        link.unbooked = [0, 0, 0, 0]

    # ── devices ─────────────────────────────────────────────────────────────────────────────────────────────

    def _read_devices(self, now: Now) -> Actions:
        for fd, _ in self.epoll.poll(0, max(1, len(self.ways))):
            way = self.ways.get(fd)
            if way is None:
                continue
            for link, frames in way.read():
                yield from self._take(way, link, frames, now)
                self._damage(way, link)
            if way.ended:
                yield from self._end(fd, way.ended, now)

    def _take(self, way: Way, link: Link, frames: list[bytes], now: Now) -> Actions:
        """Frames of a link, in order: DATA of the configuration in force to the rows, all else to the session."""
        run: list[bytes] = []
        others: dict[Link, list[bytes]] = {}
        for frame in frames:
            if link.master.accepts(frame):
                run.append(frame)
                continue
            owner = link.owner_of(frame)
            if owner is not link:
                others.setdefault(owner, []).append(frame)
                continue
            self._put(link, run)
            run = []
            yield from self._events(way, link, link.master.receive(frame, now), now)
        self._put(link, run)
        for other, theirs in others.items():
            yield from self._take(way, other, theirs, now)
            if other.master.held >= BELIEVED:
                yield from self._events(way, other, other.master.join(now), now)

    def _put(self, link: Link, frames: list[bytes]) -> None:
        if not frames:
            return
        link.came = True
        if link.number:
            self.rows.add(link.number, frames)
            return
        if link.refused:
            self._count(link, REFUSED, len(frames))
            return
        kept = link.early[-1][1]
        room = max(0, EARLY_AT_MOST - sum(len(each) for _, each in link.early))
        kept += frames[:room]
        if link.asked != link.master.cfg.stream:  # type: ignore[union-attr]
            self._ask(link, link.master.cfg.stream)  # type: ignore[union-attr]
        self._count(link, LOST, len(frames) - min(room, len(frames)))

    def _damage(self, way: Way, link: Link) -> None:
        """Book what the splitter found to be damaged since the last look."""
        splitter = way.splitter
        if splitter.corrupt:
            self._count(link, CORRUPT, splitter.corrupt_data)
            self.counts["corrupt_other"] += splitter.corrupt - splitter.corrupt_data
            splitter.corrupt = splitter.corrupt_data = 0
        self.counts["skipped_bytes"] += splitter.skipped
        splitter.skipped = 0

    def _count(self, link: Link, column: int, frames: int) -> None:
        if link.number:
            self.books.add(link.number, link.stations, column, frames)
        else:
            link.unbooked[column] += frames

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────

    def _events(self, way: Way, link: Link, events: list[Event], now: Now) -> Actions:
        for event in events:
            if isinstance(event, Send):
                link.command(event.data)
            elif isinstance(event, Configured):
                yield from self._configured(link, event.cfg, now)
            elif isinstance(event, Data):
                self._put(link, [event.frame])
            elif isinstance(event, Refused):
                self._refused(link, event)
            elif isinstance(event, Lost):
                self._count(link, LOST, 1)
            elif isinstance(event, Heard):
                self.counts["headers"] += 1
            elif isinstance(event, Ended) and not link.secondary:
                way.ended = event.reason

    def _refused(self, link: Link, event: Refused) -> None:
        kind = frame_type(event.frame) if event.frame else None
        if kind == FrameType.DATA:
            self._count(link, REFUSED, 1)
        elif kind in CONFIGURATIONS and not link.number and stream_id(event.frame) != link.master.stream:
            self._ask(link, stream_id(event.frame))  # not the one we expect there: the balancer refuses it by name
        who = link.identity.get("name", link.address)
        self.reasons[f"{who}: {event.reason}"] += 1
        while len(self.reasons) > 10 * REASONS_AT_MOST:
            del self.reasons[min(self.reasons, key=lambda each: self.reasons[each])]

    def _configured(self, link: Link, cfg: ConfigurationFrame, now: Now) -> Actions:
        """A configuration came into force: ask who this is, or tell everybody what its rows mean now."""
        link.codec = compile_codec(cfg, _scales(link))
        if link.number and link.stream == cfg.stream:
            yield from self._say_configuration(link, now)
            return
        if link.number:
            yield from self._flush(now)
            self._release(link)
        link.refused = False
        link.early.append((link.codec, []))
        if link.secondary:
            link.asked, link.muted = -1, True  # a configuration alone, without DATA, is no further stream
        else:
            self._ask(link, cfg.stream)

    def _ask(self, link: Link, stream: int) -> None:
        """Who is this? Until that is known, it is not told to send."""
        link.asked, link.muted = stream, True
        key = {"connection": link.connection, "address": link.address, "stream": stream}
        self.balancers.say(link.balancer, "identify", **key)

    def _say_configuration(self, link: Link, now: Now) -> Actions:
        """Rows of the old configuration first, then the new one."""
        assert link.codec
        yield from self._flush(now)
        self.rows.configure(link.number, link.codec)
        for message in told(link.codec.cfg, link.number, link.identity):
            yield self.writer.say(message)

    def _release(self, link: Link) -> None:
        if self.carriers.get(link.number) is link:
            self.rows.forget(link.number)
            del self.carriers[link.number]
        link.number = 0

    def _flush(self, now: Now) -> Actions:
        """Tell the rows collected so far."""
        if not self.rows.waiting:
            return
        changing: set[int] = set()
        for message, links in self.rows.columns(now):
            yield self.writer.say(message)
            changing.update(links[(message.status & CONFIGURATION_CHANGED) != 0].tolist())
        for number, link in list(self.carriers.items()):
            if link.came:
                link.came = False
                events = link.master.note_status(True, number in changing, now)
                for event in events:
                    if isinstance(event, Send):
                        link.command(event.data)

    def _look_around(self, now: Now) -> Actions:
        """Sessions whose time has come; commands that had no room."""
        for fd, way in list(self.ways.items()):
            for link in way.links:
                due = link.master.wake_at()
                if due is not None and due <= now.monotonic:
                    yield from self._events(way, link, link.master.wake(now), now)
            way.flush()
            if way.ended:
                yield from self._end(fd, way.ended, now)
        for gone in [each for each in self.leaving if each.until <= now.monotonic]:
            self._left(gone)
        self.balancers.flush()

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────────

    def _end_link(self, link: Link, reason: str, now: Now) -> Actions:
        """Its connection, unless that carries other streams."""
        for fd, way in list(self.ways.items()):
            if link in way.links and any(each.number for each in way.links if each is not link):
                yield from self._drop(link, reason, now)
            elif link in way.links:
                yield from self._end(fd, reason, now)

    def _drop(self, link: Link, reason: str, now: Now) -> Actions:
        """What the stream still sends is refused."""
        yield from self._flush(now)
        self._release(link)
        link.early, link.refused, link.kept = [], True, b""
        self.reasons[f"{link.identity.get('name', link.address)}: {reason}"] += 1

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
            yield from self._events(way, link, link.master.end(now), now)
            yield from self._flush(now)
            if not link.expects_answer:
                self._settle(link)
            self._release(link)
        for each in closing:
            each.end.close()
        name = first.identity.get("name", first.address) if first else ""
        self.log.info("link ended", device=name, reason=reason)
        self.counts["ended"] += 1
        cfg3 = not (first and first.master.unanswered_3)
        waiting = [link for link in way.links if link.expects_answer]
        gone = Leaving(way.balancer, way.connection, reason, cfg3, waiting, now.monotonic + LEAVE_AFTER)
        self.leaving.append(gone)
        if not waiting:
            self._left(gone)

    def _drain(self, way: Way, now: Now) -> Actions:
        """What the kernel and the splitter still hold."""
        for link, frames in way.read():
            yield from self._take(way, link, frames, now)
            self._damage(way, link)
        rest = way.rest()
        if rest:
            yield from self._take(way, way.links[0], rest, now)
        for link in way.links:
            self._damage(way, link)
        if isinstance(way, DatagramWay):
            self.unknown[CORRUPT] += way.unclaimed
            self.counts["stray_datagrams"] += way.strangers
            way.unclaimed = way.strangers = 0

    def _settle(self, link: Link) -> None:
        """A link that ends unknown leaves its frames to the counts of nobody."""
        if link.number:
            return
        link.unbooked[REFUSED] += sum(len(frames) for _, frames in link.early)
        self.unknown = [total + owed for total, owed in zip(self.unknown, link.unbooked, strict=True)]
        link.early, link.unbooked = [], [0, 0, 0, 0]

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """The books per device, and what was refused and why."""
        devices = self.books.devices
        connected = np.array([self._carries(device) for device in devices.tolist()], np.float64)
        alarms = [f"{count} times: {why}" for why, count in self.reasons.most_common(REASONS_AT_MOST)]
        totals = dict(zip(COLUMNS, self.books.counts.sum(axis=0).tolist(), strict=True))
        unknown = {f"unknown_{name}": count for name, count in zip(COLUMNS, self._unknown(), strict=True) if count}
        return {
            "counters": {**totals, **unknown, **self.counts, "links": len(self.carriers), "said": self.writer.next},
            "queues": {"bytes for fetching": self.writer.held},
            "columns": [*COLUMNS, "connected"],
            "devices": devices,
            "labels": [self._label(device) for device in devices.tolist()],
            "counts": np.column_stack([self.books.counts.astype(np.float64), connected]),
            "alarms": [*(f"balancer {each} is not there" for each in self.balancers.missing), *alarms],
        }

    def _unknown(self) -> list[int]:
        """Frames of nobody we know, by column of the books; `received` are all of them."""
        links = dict.fromkeys(link for way in self.ways.values() for link in way.links if not link.number)
        counts = [sum(owed) for owed in zip(self.unknown, *(link.unbooked for link in links), strict=True)]
        counts[CORRUPT] += sum(way.unclaimed for way in self.ways.values() if isinstance(way, DatagramWay))
        counts[RECEIVED] = sum(counts[CORRUPT:])
        return counts

    def _carries(self, device: int) -> bool:
        return device // device_number(1, 0) in self.carriers

    def _label(self, device: int) -> str:
        return self.names.get(device // device_number(1, 0), "")


def _scales(link: Link) -> dict[str, float]:
    """What the site file says of the link's analogs, by channel name; nothing before we know who it is."""
    return {name: each["scale"] for name, each in link.identity.get("analogs", {}).items()}
