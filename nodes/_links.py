"""A receiver's links, without their sockets: frames in, rows and configurations out, and what becomes of each frame.

A link is known by number once the balancer has said who it is. Until then its DATA is kept (`Link.early`) and its
counts are owed (`Link.unbooked`); a link that ends unknown leaves them to the counts of nobody (`Links.unknown`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.plausibility import Plausible
from nodes._bulk import Taken
from nodes._complaints import Complaints
from nodes._handover import Balancers
from nodes._link import Link
from nodes._manners import Configurations, Rates
from nodes._node import Actions
from nodes._oddities import Oddities
from nodes._passing import Passing
from nodes._rows import COLUMNS, CORRUPT, LOST, REFUSED, Books, Rows
from nodes._siteforms import plain
from nodes._state import SOURCES
from nodes._stream import Writer
from nodes._told import told
from protocol import gbt26865
from protocol.c37118 import ConfigurationFrame, Splitter, frame_type, session, stream_id
from protocol.clock import Now
from protocol.gbt26865 import Pairing
from protocol.gbt26865.events import Configured, Data, Ended, Event, Heard, Lost, OpenData, Refused, Send
from protocol.messages import STATIONS_PER_LINK, Spectrum

EARLY_AT_MOST = 4096
"""DATA frames of a link kept until the balancer has said who it is."""
EARLY_BYTES = 4 << 20
"""Bytes of those."""
BELIEVED = 3
"""DATA frames of a further stream on a connection before it is asked what it is: a lone one was injected."""
CONFIGURATION_CHANGED = 0x0400
MANY_DAMAGED, MANY_SKIPPED, MANY_ROWS, MANY_HEADERS = 20, 10_000, 10, 20
"""Of one device within ten minutes; fewer are no alarm."""
REASONS_AT_MOST = 5
"""Faults of one device told apart."""
NOTHING = [0] * len(COLUMNS)


class Links:
    """See the module."""

    def __init__(
        self,
        writer: Writer,
        balancers: Balancers,
        plausible: int,
        rates: Rates,
        configurations: Configurations,
        raw: Mapping[str, int | None] = MappingProxyType({}),
    ) -> None:
        """`plausible`: a time this far [ns] off its stream's own recent times is implausible. `raw`: links whose frames
        are told as they come, by name, with their numbers if the site file has them."""
        self.writer, self.balancers = writer, balancers
        self.carriers: dict[int, Link] = {}
        """Link number -> the link that carries it now."""
        self.names: dict[int, str] = {}
        """Of every link number ever carried here."""
        self.books = Books()
        self.plausible = Plausible(limit=plausible)
        self.rows = Rows(self.books, self.plausible)
        self.changed: dict[Link, None] = {}
        """Links whose state is another than the journal knows, besides rows and stream positions."""
        self.stirred: set[Link] = set()
        """Links that something else than DATA happened to, since they were looked at last."""
        self.pairing = Pairing()
        """Of the pipes of substations; a data pipe is known by its slot."""
        self.counts: Counter[str] = Counter()
        self.before: dict[int, list[int]] = {}
        """Device -> its counts in former lives."""
        self.unknown = [0] * len(COLUMNS)
        """Frames of links that ended before anybody knew whose they were, by column of the books."""
        self.complaints = Complaints(each=REASONS_AT_MOST)
        self.used = self.idle = 0
        """Bytes of DATA that were taken, of DATA that were not."""
        self.rates, self._configurations = rates, configurations
        self._oddities = Oddities()
        self.passing = Passing(writer.node, raw)
        self._came: dict[Link, None] = {}
        """Links with DATA since the last flush, besides those read in bulk."""

    # ── who it is ───────────────────────────────────────────────────────────────────────────────────────────

    def introduce(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """We know who it is: its configurations, its rows so far, its books."""
        self._touch(link)
        link.identity, link.stream = note["device"], note["stream"]
        number = link.number = link.identity["number"]
        self.names[number] = link.identity["name"]
        if any(frames for _, frames in link.early):
            self._came[link] = None
        early, link.early = link.early, []
        for cfg, frames in early:
            self._compile(link, cfg, now)
            yield from self.say_configuration(link, now)
            for source, part in link.by_source(frames):
                self.rows.add(source, part)
            self.passing.add(number, frames)
        for column, frames_counted in enumerate(link.unbooked):
            if column:
                self.books.add(number, link.stations, column, frames_counted)
        link.unbooked = [0, 0, 0, 0]

    def ask(self, link: Link, stream: int) -> None:
        """Who is this? Until that is known, it is not told to send."""
        self._touch(link)
        link.asked, link.muted = stream, True
        self.balancers.say(link.balancer, "identify", **_question(link, stream))

    def confirm(self, link: Link) -> None:
        """Is it still who it was? Meanwhile all goes on."""
        self.balancers.say(link.balancer, "identify", **_question(link, link.asked))

    def renew(self, link: Link, device: dict[str, Any], now: Now) -> Actions:
        """What the site file says of it now; what its rows mean is told anew if that is something else."""
        former, link.identity = link.identity, device
        if {**former, "site": ""} == {**device, "site": ""}:
            return
        assert link.codec
        self._touch(link)
        self.names[link.number] = device["name"]
        self._compile(link, link.codec.cfg, now)
        yield from self.say_configuration(link, now)

    def ask_again(self, link: Link) -> None:
        """The balancer, or we, may have died before its answer came."""
        if link.waits_for_answer:
            self.ask(link, link.asked)

    def want_data_again(self, link: Link) -> None:
        """The balancer may have died before it had dialled the data pipe."""
        if isinstance(link.master, gbt26865.Master) and link.master.wants_pipe:
            self.balancers.say(link.balancer, "open", connection=link.connection)

    def carry(self, link: Link, now: Now) -> Actions:
        """A link of a former life, with all that is known of it, goes on."""
        self._touch(link)
        self._pair(link)
        if not link.number:
            return
        self.carriers[link.number] = link
        self.names[link.number] = link.identity["name"]
        yield from self.say_configuration(link, now)

    def _pair(self, link: Link) -> None:
        """Data pipes may belong to it, if it is configured."""
        master = link.master
        if isinstance(master, gbt26865.Master) and master.cfg:
            self.pairing.management(link, str(plain(link.address)), master.identity, master.cfg.version)

    def release(self, link: Link) -> None:
        self._touch(link)
        if self.carriers.get(link.number) is link:
            self.forget_rows(link)
            self.passing.forget(link.number)
            del self.carriers[link.number]
        link.number = 0

    def forget_rows(self, link: Link) -> None:
        """There will be none, also of spectra that a former configuration had."""
        for spectrum in Spectrum:
            self.rows.forget(link.number + spectrum * SOURCES)

    def drop(self, link: Link, reason: str, now: Now) -> Actions:
        """What the stream still sends is refused."""
        yield from self.flush(now)
        self.release(link)
        self.pairing.closed(link)
        link.early, link.refused, link.kept = [], True, b""
        self.complain(link, reason, now)

    def refuse(self, link: Link) -> None:
        """The balancer does not know it."""
        self._touch(link)
        self.count(link, REFUSED, sum(len(frames) for _, frames in link.early))
        link.early, link.refused, link.kept = [], True, b""

    def remember_times(self, known: dict[int, list[int]], astray: dict[int, list[int]], offset: int) -> None:
        """Times of a former life, by link; arrivals are in UTC [ns], `offset` more than on the monotonic clock."""
        last = np.array(list(known.values()), np.int64).reshape(len(known), 2)
        runs = {link: (time, arrival - offset, length) for link, (time, arrival, length) in astray.items()}
        self.plausible.recall(np.array(list(known), np.int64), last[:, 0], last[:, 1] - offset, runs)

    def settle(self, link: Link) -> None:
        """A link that ends unknown leaves its frames to the counts of nobody."""
        if link.number:
            return
        self._touch(link)
        link.unbooked[REFUSED] += sum(len(frames) for _, frames in link.early)
        self.unknown = [total + owed for total, owed in zip(self.unknown, link.unbooked, strict=True)]
        link.early, link.unbooked = [], [0, 0, 0, 0]

    def _touch(self, link: Link) -> None:
        """It is another than before."""
        self.changed[link] = None
        self.stirred.add(link)

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, link: Link, frames: list[bytes], now: Now) -> Actions:
        """Frames of a link, in order: DATA of the configuration in force to the rows, all else to the session."""
        run: list[bytes] = []
        others: dict[Link, list[bytes]] = {}
        for frame in frames:
            if link.master.accepts(frame):
                run.append(frame)
                continue
            if link.unasked and link.tongue.is_data(frame) and self._strange(link, frame, now):
                continue
            owner = link.owner_of(frame)
            if owner is not link:
                others.setdefault(owner, []).append(frame)
                continue
            self.put(link, run, now)
            run = []
            if not link.tongue.is_configuration(frame) or self._may_tell(link, frame, now):
                self.idle += len(frame) if link.tongue.is_data(frame) else 0
                yield from self.events(link, link.master.receive(frame, now), now)
        self.put(link, run, now)
        for other, theirs in others.items():
            yield from self.take(other, theirs, now)
            if other.master.held >= BELIEVED and isinstance(other.master, session.Master):
                yield from self.events(other, other.master.join(now), now)

    def _strange(self, link: Link, frame: bytes, now: Now) -> bool:
        """Whether DATA that came unasked, before any configuration, are of nobody we know: they are not kept."""
        if not link.asked:
            self.ask(link, stream_id(frame))
        if link.refused:
            self.counts["strange_frames"] += 1
            self.count(link, REFUSED, 1)
            self.complain(link, f"DATA of stream {stream_id(frame)}: no device of the site sends them from there", now)
        return link.refused

    def _may_tell(self, link: Link, frame: bytes, now: Now) -> bool:
        """Whether the device may tell this configuration now; if not, nothing is decoded by the former one either."""
        whose = link.address, link.tongue.teller(frame), frame_type(frame)
        if self._configurations.may_tell(whose, *link.tongue.body(frame), link.master.cfg, now):
            return True
        self._touch(link)
        self.counts["configurations_refused"] += 1
        self.complain(link, "tells other configurations too often (`configurations`)", now)
        link.master.doubt()
        if not link.secondary:
            link.over = link.over or "it tells other configurations too often"
        return False

    def put(self, link: Link, frames: list[bytes], now: Now) -> None:
        if not frames:
            return
        self._came[link] = None
        if link.number:
            for source, part in link.by_source(frames):
                part = self._in_time(link, source, part, now)
                self.used += sum(map(len, part))
                if part:
                    self.rows.add(source, part)
                    self.passing.add(link.number, part)
            return
        self.used += 0 if link.refused else sum(map(len, frames))
        self._touch(link)
        if link.refused:
            self.count(link, REFUSED, len(frames))
            return
        kept = link.early[-1][1]
        bytes_kept = sum(len(each) * len(each[0]) for _, each in link.early if each)
        room = min(
            EARLY_AT_MOST - sum(len(each) for _, each in link.early), (EARLY_BYTES - bytes_kept) // len(frames[0])
        )
        room = max(0, room)
        kept += frames[:room]
        assert link.master.cfg is not None  # it has accepted them
        if link.asked != link.tongue.stream_of(link.master.cfg, link.master):
            self.ask(link, link.tongue.stream_of(link.master.cfg, link.master))
        self.count(link, LOST, len(frames) - min(room, len(frames)))

    def _in_time(self, link: Link, source: int, frames: list[bytes], now: Now) -> list[bytes]:
        """Those of them that its rate allows; the others are refused."""
        rate = max(table.rate for table in link.codecs[source // SOURCES].tables)
        allowed = self.rates.allowed(source, rate, len(frames), now)
        if allowed < len(frames):
            self.count(link, REFUSED, len(frames) - allowed)
            self.counts["over_rate"] += len(frames) - allowed
            self.idle += sum(map(len, frames[allowed:]))
            told = f"{rate}/s" if rate > 0 else f"every {-rate} s"
            why = f"DATA faster than `rate` allows, its configuration says {told}"
            self.complain(link, why, now, len(frames) - allowed)
        return frames[:allowed]

    def take_bulk(self, taken: Taken) -> None:
        """DATA of links whose sessions are steady, within their rates."""
        self.used += taken.frames.size
        self.rows.add_block(taken.layout, taken.frames, taken.links)
        self.passing.add_block(taken)

    def damage(self, link: Link, splitter: Splitter, now: Now) -> None:
        """Book what the splitter found to be damaged since the last look."""
        if splitter.corrupt:
            self.complain(link, "damaged frames", now, splitter.corrupt, MANY_DAMAGED)
            self.count(link, CORRUPT, splitter.corrupt_data)
            self.counts["corrupt_other"] += splitter.corrupt - splitter.corrupt_data
            splitter.corrupt = splitter.corrupt_data = 0
        if splitter.skipped:
            self.counts["skipped_bytes"] += splitter.skipped
            self.complain(link, "bytes that are of no frame", now, splitter.skipped, MANY_SKIPPED)
            splitter.skipped = 0

    def count(self, link: Link, column: int, frames: int) -> None:
        if link.number:
            self.books.add(link.number, link.stations, column, frames)
        elif frames:
            self._touch(link)
            link.unbooked[column] += frames

    def flush(self, now: Now) -> Actions:
        """Tell the rows collected so far."""
        if not self.rows.waiting:
            return
        changing: set[int] = set()
        for message, links in self.rows.columns(now):
            yield self.writer.say(message)
            for number, what, rows in self._oddities.of(message):
                self.complaints.add(self.names.get(number, ""), what, now, rows, MANY_ROWS)
            changing.update((links[(message.status & CONFIGURATION_CHANGED) != 0] % SOURCES).tolist())
        came, self._came = self._came, {}
        for link in [*came, *(self.carriers[number] for number in changing if number in self.carriers)]:
            yield from self._note_status(link, link.number in changing, now)

    def _note_status(self, link: Link, changes: bool, now: Now) -> Actions:
        """DATA came, with or without STAT bit 10."""
        if not link.number:
            return
        if changes != link.master.changing:
            self._touch(link)
        events = link.master.note_status(True, changes, now)
        if events:
            yield from self.events(link, events, now)

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, link: Link, events: Sequence[Event], now: Now) -> Actions:
        """Do what a session said after it was told something."""
        self._touch(link)
        for event in events:
            if isinstance(event, Send):
                link.command(event.data)
            elif isinstance(event, Configured):
                yield from self.configured(link, event.cfg, now)
            elif isinstance(event, Data):
                self.put(link, [event.frame], now)
            elif isinstance(event, Refused):
                self.refused(link, event, now)
            elif isinstance(event, Lost):
                self.count(link, LOST, 1)
            elif isinstance(event, OpenData):
                self.balancers.say(link.balancer, "open", connection=link.connection)
            elif isinstance(event, Heard):
                self.counts["headers"] += 1
                self.passing.heard(link.number, event.header)
                self.complain(link, "headers that nobody asked for", now, least=MANY_HEADERS)
            elif isinstance(event, Ended) and not link.secondary:
                link.over = event.reason
                self.complain(link, event.reason, now)

    def refused(self, link: Link, event: Refused, now: Now) -> None:
        tongue, frame = link.tongue, event.frame
        if frame and tongue.is_data(frame):
            self.count(link, REFUSED, 1)
        elif frame and tongue.is_configuration(frame) and not link.number:
            whose = tongue.stream(frame)
            if whose != tongue.expected(link.master) and whose > 0:
                self.ask(link, whose)  # not the one we expect there: the balancer refuses it by name
        self.complain(link, event.reason, now)

    def complain(self, link: Link, reason: str, now: Now, count: int = 1, least: int = 1) -> None:
        """It is an alarm from `least` times on."""
        self.complaints.add(link.identity.get("name", link.address), reason, now, count, least)

    def configured(self, link: Link, cfg: ConfigurationFrame, now: Now) -> Actions:
        """A configuration came into force: ask who this is, or tell everybody what its rows mean now."""
        stream = link.tongue.stream_of(cfg, link.master)
        self._pair(link)
        if link.number and link.stream != stream:
            yield from self.flush(now)
            self.release(link)
        if not link.number:
            link.identity = {}  # what a former one said of spectra does not hold for whoever this is
        self._compile(link, cfg, now)
        if link.number:
            yield from self.say_configuration(link, now)
            return
        link.refused = False
        link.early.append((cfg, []))
        if link.secondary:
            link.asked, link.muted = -1, True  # a configuration alone, without DATA, is no further stream
        else:
            self.ask(link, stream)

    def _compile(self, link: Link, cfg: ConfigurationFrame, now: Now) -> None:
        why = link.compile(cfg)
        if why:
            self.complain(link, why, now)

    def say_configuration(self, link: Link, now: Now) -> Actions:
        """Rows of the old configuration first, then the new one."""
        yield from self.flush(now)
        for source, codec in link.sources.items():
            self.rows.configure(source, codec)
        assert link.codec
        self.passing.configure(link.number, link.identity["name"], link.codec.cfg)
        for message in told(link.tongue, link.codec.cfg, link.number, link.entry):
            yield self.writer.say(message)

    # ── how they are ────────────────────────────────────────────────────────────────────────────────────────

    def alarms(self, now: Now) -> list[str]:
        """What was refused, and why."""
        return [f"{count}x {name}: {why}" for name, why, count in self.complaints.told(now)]

    def table(self) -> dict[str, Any]:
        """The books per device, as in Health: of all lives that the journal knows."""
        devices, counts = self._all_counts()
        numbers = (np.array(devices, np.int64) // STATIONS_PER_LINK).tolist()
        connected = np.array([number in self.carriers for number in numbers], np.float64)
        return {
            "columns": [*COLUMNS, "connected"],
            "devices": np.array(devices, np.uint32),
            "labels": [self.names.get(number, "") for number in numbers],
            "counts": np.column_stack([counts.astype(np.float64), connected]),
        }

    def totals(self) -> dict[str, int]:
        """Sums over all devices."""
        return dict(zip(COLUMNS, self._all_counts()[1].sum(axis=0).tolist(), strict=True))

    def _all_counts(self) -> tuple[list[int], NDArray[np.int64]]:
        """(devices, [n, 4] their counts)"""
        devices, counts = self.books.devices.tolist(), self.books.counts
        if not self.before:
            return devices, counts
        before = np.array([self.before.get(device, NOTHING) for device in devices], np.int64).reshape(-1, len(COLUMNS))
        gone = [device for device in self.before if device not in set(devices)]
        former = np.array([self.before[device] for device in gone], np.int64).reshape(-1, len(COLUMNS))
        return [*devices, *gone], np.concatenate([counts + before, former])


def _question(link: Link, stream: int) -> dict[str, Any]:
    """Fields of an `identify` note."""
    key: dict[str, Any] = {"connection": link.connection, "address": link.address, "stream": stream}
    return key | ({"certificate": link.certificate} if link.certificate else {})
