"""A receiver's links, without their sockets: frames in, rows and configurations out, and what becomes of each frame.

A link is known by number once the balancer has said who it is. Until then its DATA is kept (`Link.early`) and its
counts are owed (`Link.unbooked`); a link that ends unknown leaves them to the counts of nobody (`LinkBook.unknown`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from algorithms.plausibility import Plausible
from nodes._allowances import Allowances
from nodes._bulk import Taken
from nodes._handover import Balancers
from nodes._link import Link
from nodes._linkbook import LinkBook
from nodes._manners import Configurations, Rates
from nodes._node import Actions
from nodes._oddities import Oddities
from nodes._passing import Passing
from nodes._questions import Questions
from nodes._rows import LOST, REFUSED, Rows
from nodes._siteforms import plain
from nodes._state import SOURCES
from nodes._stream import Writer
from nodes._told import told
from protocol import gbt26865
from protocol.c37118 import ConfigurationFrame, session, stream_id
from protocol.clock import Now
from protocol.gbt26865 import Pairing
from protocol.gbt26865.events import Configured, Data, Ended, Event, Heard, Lost, OpenData, Refused, Send
from protocol.messages import Spectrum

BELIEVED = 3
"""DATA frames of a further stream on a connection before it is asked what it is: a lone one was injected."""
CONFIGURATION_CHANGED = 0x0400
"""STAT"""
MANY_HEADERS = 20
"""Of one device within ten minutes; fewer are no alarm."""


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
        self.book = LinkBook()
        self.questions = Questions(balancers, self.book)
        self.plausible = Plausible(limit=plausible)
        self.rows = Rows(self.book.books, self.plausible)
        self.pairing = Pairing()
        """Of the pipes of substations; a data pipe is known by its slot."""
        self.used = self.idle = 0
        """Bytes of DATA that were taken, of DATA that were not."""
        self.rates = rates
        self.allowances = Allowances(self.book, rates, configurations)
        self._oddities = Oddities()
        self.passing = Passing(writer.node, raw)
        self._came: dict[Link, None] = {}
        """Links with DATA since the last flush, besides those read in bulk."""

    # ── who it is ───────────────────────────────────────────────────────────────────────────────────────────

    def introduce(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """We know who it is: its configurations, its rows so far, its books."""
        self.book.touch(link)
        link.identity, link.stream = note["device"], note["stream"]
        number = link.number = link.identity["number"]
        self.book.names[number] = link.identity["name"]
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
                self.book.books.add(number, link.stations, column, frames_counted)
        link.unbooked = [0, 0, 0, 0]

    def renew(self, link: Link, device: dict[str, Any], now: Now) -> Actions:
        """What the site file says of it now; what its rows mean is told anew if that is something else."""
        former, link.identity = link.identity, device
        if {**former, "site": ""} == {**device, "site": ""}:
            return
        assert link.codec
        self.book.touch(link)
        self.book.names[link.number] = device["name"]
        self._compile(link, link.codec.cfg, now)
        yield from self.say_configuration(link, now)

    def carry(self, link: Link, now: Now) -> Actions:
        """A link of a former life, with all that is known of it, goes on."""
        self.book.touch(link)
        self._pair(link)
        if not link.number:
            return
        self.book.carriers[link.number] = link
        self.book.names[link.number] = link.identity["name"]
        yield from self.say_configuration(link, now)

    def _pair(self, link: Link) -> None:
        """Data pipes may belong to it, if it is configured."""
        master = link.master
        if isinstance(master, gbt26865.Master) and master.cfg:
            self.pairing.management(link, str(plain(link.address)), master.identity, master.cfg.version)

    def release(self, link: Link) -> None:
        self.book.touch(link)
        if self.book.carriers.get(link.number) is link:
            self.forget_rows(link)
            self.passing.forget(link.number)
            del self.book.carriers[link.number]
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
        self.book.complain(link, reason, now)

    def refuse(self, link: Link) -> None:
        """The balancer does not know it."""
        self.book.touch(link)
        self.book.count(link, REFUSED, sum(len(frames) for _, frames in link.early))
        link.early, link.refused, link.kept = [], True, b""

    def remember_times(self, known: dict[int, list[int]], astray: dict[int, list[int]], offset: int) -> None:
        """Times of a former life, by link; arrivals are in UTC [ns], `offset` more than on the monotonic clock."""
        last = np.array(list(known.values()), np.int64).reshape(len(known), 2)
        runs = {link: (time, arrival - offset, length) for link, (time, arrival, length) in astray.items()}
        self.plausible.recall(np.array(list(known), np.int64), last[:, 0], last[:, 1] - offset, runs)

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
            if not link.tongue.is_configuration(frame) or self.allowances.may_tell(link, frame, now):
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
            self.questions.ask(link, stream_id(frame))
        if link.refused:
            self.book.counts["strange_frames"] += 1
            self.book.count(link, REFUSED, 1)
            why = f"DATA of stream {stream_id(frame)}: no device of the site sends them from there"
            self.book.complain(link, why, now)
        return link.refused

    def put(self, link: Link, frames: list[bytes], now: Now) -> None:
        if not frames:
            return
        self._came[link] = None
        if link.number:
            for source, part in link.by_source(frames):
                taken = self.allowances.in_time(link, source, part, now)
                self.used += sum(map(len, taken))
                if len(taken) < len(part):
                    self.idle += sum(map(len, part[len(taken) :]))
                if taken:
                    self.rows.add(source, taken)
                    self.passing.add(link.number, taken)
            return
        self.used += 0 if link.refused else sum(map(len, frames))
        self.book.touch(link)
        if link.refused:
            self.book.count(link, REFUSED, len(frames))
            return
        over = link.keep(frames)
        assert link.master.cfg is not None  # it has accepted them
        if link.asked != link.tongue.stream_of(link.master.cfg, link.master):
            self.questions.ask(link, link.tongue.stream_of(link.master.cfg, link.master))
        self.book.count(link, LOST, over)

    def take_bulk(self, taken: Taken) -> None:
        """DATA of links whose sessions are steady, within their rates."""
        self.used += taken.frames.size
        self.rows.add_block(taken.layout, taken.frames, taken.links)
        self.passing.add_block(taken)

    def flush(self, now: Now) -> Actions:
        """Tell the rows collected so far."""
        if not self.rows.waiting:
            return
        changing: set[int] = set()
        for message, links in self.rows.columns(now):
            yield self.writer.say(message)
            for number, what, rows in self._oddities.of(message):
                self.book.remark(number, what, now, rows)
            changing.update((links[(message.status & CONFIGURATION_CHANGED) != 0] % SOURCES).tolist())
        came, self._came = self._came, {}
        for link in [*came, *(self.book.carriers[number] for number in changing if number in self.book.carriers)]:
            yield from self._note_status(link, link.number in changing, now)

    def _note_status(self, link: Link, changes: bool, now: Now) -> Actions:
        """DATA came, with or without STAT bit 10."""
        if not link.number:
            return
        if changes != link.master.changing:
            self.book.touch(link)
        events = link.master.note_status(True, changes, now)
        if events:
            yield from self.events(link, events, now)

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, link: Link, events: Sequence[Event], now: Now) -> Actions:
        """Do what a session said after it was told something."""
        self.book.touch(link)
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
                self.book.count(link, LOST, 1)
            elif isinstance(event, OpenData):
                self.balancers.say(link.balancer, "open", connection=link.connection)
            elif isinstance(event, Heard):
                self.book.counts["headers"] += 1
                self.passing.heard(link.number, event.header)
                self.book.complain(link, "headers that nobody asked for", now, least=MANY_HEADERS)
            elif isinstance(event, Ended) and not link.secondary:
                link.over = event.reason
                self.book.complain(link, event.reason, now)

    def refused(self, link: Link, event: Refused, now: Now) -> None:
        tongue, frame = link.tongue, event.frame
        if frame and tongue.is_data(frame):
            self.book.count(link, REFUSED, 1)
        elif frame and tongue.is_configuration(frame) and not link.number:
            whose = tongue.stream(frame)
            if whose != tongue.expected(link.master) and whose > 0:
                self.questions.ask(link, whose)  # not the one we expect there: the balancer refuses it by name
        self.book.complain(link, event.reason, now)

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
            self.questions.ask(link, stream)

    def _compile(self, link: Link, cfg: ConfigurationFrame, now: Now) -> None:
        why = link.compile(cfg)
        if why:
            self.book.complain(link, why, now)

    def say_configuration(self, link: Link, now: Now) -> Actions:
        """Rows of the old configuration first, then the new one."""
        yield from self.flush(now)
        for source, codec in link.sources.items():
            self.rows.configure(source, codec)
        assert link.codec
        self.passing.configure(link.number, link.identity["name"], link.codec.cfg)
        for message in told(link.tongue, link.codec.cfg, link.number, link.entry):
            yield self.writer.say(message)
