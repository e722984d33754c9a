"""A receiver's connections: opened, read, resumed after a kill, ended.

Nothing is taken from the kernel, and no end is told, before `settle`: then what was worked on is in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from nodes._bulk import in_step
from nodes._bulkplain import Loops, Plain
from nodes._ended import Ended
from nodes._handover import Balancers
from nodes._link import Link
from nodes._links import Links
from nodes._node import Actions
from nodes._notes import Notebook, recall
from nodes._opening import Opening, has_stream, splitter_of
from nodes._peek import CHUNK, DatagramEnd, Machine, NoDatagrams, NoStream, StreamEnd
from nodes._pipes import PATIENCE, DataPipe, Pipes
from nodes._rows import CORRUPT
from nodes._tlsway import TlsWay
from nodes._tongues import Tongue
from nodes._waybook import WayBook
from nodes._ways import DatagramWay, StreamWay, Way
from nodes._waystate import Handed, WayState
from protocol import gbt26865
from protocol.c37118.session import MasterSettings
from protocol.clock import Now

DRAINS = 16
"""Looks at a connection that ends."""
HELD_AT_MOST = 64 << 20
"""Bytes of DATA that wait for configurations, of all devices together."""
ENDS_AT_MOST = 100
"""Connections that end in one tick; those of nobody we know wait for the next."""


class Reading:
    """See the module."""

    def __init__(
        self,
        links: Links,
        balancers: Balancers,
        machine: Machine,
        notebook: Notebook | None,
        session: MasterSettings,
        noise: int,
        tongues: dict[str, Tongue],
    ) -> None:
        """`session`: what sessions have in common. Without a notebook nothing is remembered. `noise`: bytes of no use
        that a connection may bring beyond those of use."""
        self.noise = noise
        self.links, self.balancers, self.machine, self.notebook = links, balancers, machine, notebook
        self.opening = Opening(machine, session, tongues)
        self.log = structlog.get_logger()
        self.ended = Ended(links, balancers, notebook)
        self.pipes = Pipes(links)
        self.book = WayBook(machine, self.pipes)
        self.loops: Loops = Plain()
        """Compiled ones take their place when they are loaded."""
        self._slot = 0

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, handed: Handed, descriptors: Sequence[int], now: Now) -> Actions:
        """A new connection."""
        self._slot += 1
        slot = self.notebook.came(handed) if self.notebook else self._slot
        ways = self.opening.ways(slot, handed, self.opening.ends(handed, descriptors, now))
        self.book.watch(ways)
        for link in ways[0].links:
            yield from self.links.events(link, link.master.begin(now), now)
        yield from self.pipes.came(ways[0], now)
        yield from self._find_partner(ways[0], now)

    def resume(self, slot: int, state: WayState, descriptors: Sequence[int], numbers: Any, now: Now) -> Actions:
        """A connection that our predecessor had, where it was; `numbers` are the links that it carries still."""
        ways = self.opening.ways(slot, state.handed, self.opening.ends(state.handed, descriptors, now))
        self._recall(ways, slot, state, now)
        for way in ways:
            if isinstance(way, DatagramWay):
                way.resume(state.last)
                continue
            missed = way.resume(state.position, splitter_of(state, way.tongue))
            if missed:
                self.links.book.counts["bytes_missed"] += missed
                self.log.warning("taken by a predecessor that could not journal it", bytes=missed, peer=way.handed.peer)
        self.book.watch(ways)
        for link in ways[0].links:
            if link.number and numbers is not None and link.number not in numbers:
                link.number, link.refused = 0, True  # given to another connection meanwhile
            yield from self.links.carry(link, now)
            self.links.questions.ask_again(link)
            self.links.questions.want_data_again(link)
        self.pipes.came_again(ways[0], state.position)
        yield from self._find_partner(ways[0], now)

    def abandon(self, slot: int, state: WayState, now: Now) -> Actions:
        """A connection of our predecessor that is no more: what it held goes to the books."""
        ends: list[StreamEnd | DatagramEnd] = [NoStream(), NoDatagrams()]
        ways = self.opening.ways(slot, state.handed, ends if has_stream(state.handed) else ends[1:])
        self._recall(ways, slot, state, now)
        if isinstance(ways[0], StreamWay):
            ways[0].splitter = splitter_of(state, ways[0].tongue)
        for link in ways[0].links:
            if link.number in self.links.book.carriers:
                link.number, link.refused = 0, True
            yield from self.links.carry(link, now)
        self.book.enter(ways)
        yield from self.end(slot, "it did not outlive its receiver", now)

    def _recall(self, ways: list[Way], slot: int, state: WayState, now: Now) -> None:
        links = []
        for key, told in sorted(state.links.items(), key=lambda each: each[0][1]):  # the first before those beside it
            link = ways[0].link_of(key)
            recall(link, told)
            link.master.wait_anew(now)
            links.append(link)
        if self.notebook:
            self.notebook.resumed(slot, links)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, now: Now) -> Actions:
        """What the kernel has of all of them."""
        self.opening.handshakes.renew()
        yield from self._read_bulk(now)
        ended = 0
        for way in self.book.in_turn(self.machine.ready(self.book.ways)):
            if way.slot not in self.book.slots:
                continue  # another one's word has ended it
            if ended >= ENDS_AT_MOST and not any(link.number for link in way.links):
                continue
            if isinstance(way, StreamWay) and self.pipes.waits(way):
                yield from self._pair(way, now)
                if self.pipes.waits(way) or way.slot not in self.book.slots or self.book.slots[way.slot][0] is not way:
                    continue  # a data pipe is read in the next tick
            before = way.came
            yield from self._read(way, now)
            if way.over:
                ended += 1
                yield from self.end(way.slot, way.over, now)
            elif way.came > before and isinstance(way, StreamWay) and in_step(way):
                self.book.join(way, now)

    def _read_bulk(self, now: Now) -> Actions:
        """Connections in step; those that are not any more are read by themselves."""
        for link in self.links.book.stirred:
            for way in self.book.slots.get(link.slot, []):
                self.book.part(way)
        self.links.book.stirred.clear()
        for taken, odd in self.book.bulks.look(self.loops, self.links.rates, now):
            self.links.take_bulk(taken)
            for way in odd:
                self.book.part(way)
                yield from self._read(way, now)
                if way.over:
                    yield from self.end(way.slot, way.over, now)

    def _read(self, way: Way, now: Now) -> Actions:
        self.book.read_now[way] = None
        came, used, idle = way.came, self.links.used, self.links.idle
        for link, frames in way.read():
            yield from self.links.take(link, frames, now)
            self.links.book.damage(link, way.splitter, now)
        if isinstance(way, DatagramWay):
            self._nobodys(way)
        elif isinstance(way, DataPipe) and way.partner and way.misplaced:
            self.links.book.complain(way.partner, "frames on its data pipe that are no DATA", now, way.misplaced)
            way.misplaced = 0
        way.manners.brought(way.came - came, self.links.used - used, self.links.idle - idle, now)
        if isinstance(way, StreamWay) and way.manners.noise > self.noise and not way.ended:
            way.ended = f"more than {self.noise} bytes of no use came (`noise`)"
            self.links.book.complain(way.carrier or way.link, way.ended, now)

    def _nobodys(self, way: DatagramWay) -> None:
        self.links.book.unknown[CORRUPT] += way.unclaimed
        self.links.book.counts["stray_datagrams"] += way.strangers
        self.links.book.counts["unreachable"] += way.unreachable
        way.unclaimed = way.strangers = way.unreachable = 0

    def look_around(self, now: Now) -> Actions:
        """Sessions whose time has come; commands that had no room; connections that waited long enough."""
        for silent in self.book.bulks.silent(now):
            self.book.part(silent)
        for slot in self.book.some_slots():
            ways = self.book.slots.get(slot, [])
            for way in ways:
                if isinstance(way, TlsWay):
                    way.end.wake(now)
                for link in way.links:
                    due = link.master.wake_at()
                    if due is not None and due <= now.monotonic:
                        yield from self.links.events(link, link.master.wake(now), now)
                way.flush()
                yield from self._find_partner(way, now)
            over = next((way.over for way in ways if way.over), "")
            if over:
                yield from self.end(slot, over, now)
        self.ended.expire(now)

    def bound_held(self, now: Now) -> Actions:
        """DATA that can't be decoded yet must not fill the memory: who has most of them is hung up on."""
        slots = {way.slot: self.book.slots[way.slot] for way in self.book.ways.values()}  # in step, none waits
        held = {slot: sum(link.held for link in ways[0].links) for slot, ways in slots.items()}
        total = sum(held.values())
        while total > HELD_AT_MOST:
            slot = max(held, key=lambda each: held[each])
            size = held.pop(slot)
            total -= size
            self.links.book.complain(self.book.slots[slot][0].links[0], "too much DATA without a configuration", now)
            yield from self.end(slot, f"{size} bytes of DATA without a configuration that they fit", now)

    # ── ending ──────────────────────────────────────────────────────────────────────────────────────────────

    def end_link(self, link: Link, reason: str, now: Now) -> Actions:
        """End its connection, unless that carries other streams."""
        ways = self.book.slots.get(link.slot, [])
        if any(each.number for way in ways for each in way.links if each is not link):
            yield from self.links.drop(link, reason, now)
        elif ways:
            yield from self.end(link.slot, reason, now)

    def end_of(self, balancer: str, connection: int, reason: str, now: Now) -> Actions:
        """End a balancer's connection, if it is ours."""
        yield from self.end(self.book.slot_of(balancer, connection), reason, now)

    def end(self, slot: int, reason: str, now: Now) -> Actions:
        """End a connection: what is still held, the books; who else is to know hears of it in `settle`."""
        ways = self.book.slots.pop(slot, [])
        yield from self._end_pipes(ways, now)
        self.book.forget(ways)
        for way in ways:
            yield from self._drain(way, now)
            if isinstance(way, TlsWay) and way.end.fault:
                handed = way.handed
                self.balancers.say(handed.balancer, "insecure", connection=handed.connection, reason=way.end.fault)
        links = list(dict.fromkeys(link for way in ways for link in way.links))
        for link in links:
            yield from self.links.events(link, link.master.end(now), now)
            yield from self.links.flush(now)
            if not link.expects_answer:
                self.links.book.settle(link)
            self.links.release(link)
            self.links.pairing.closed(link)
        if ways:
            self.ended.add(ways, links, reason, now)

    def _drain(self, way: Way, now: Now) -> Actions:
        """What the kernel and the splitter still hold."""
        way.manners.room = CHUNK
        for _ in range(DRAINS):
            before = way.looked
            yield from self._read(way, now)
            if way.looked == before:
                break
        rest, carrier = way.rest(), way.carrier or next(iter(way.links), None)
        if rest and carrier:
            yield from self.links.take(carrier, rest, now)
        if carrier:
            self.links.book.damage(carrier, way.splitter, now)

    # ── pipes ───────────────────────────────────────────────────────────────────────────────────────────────

    def _pair(self, way: StreamWay, now: Now) -> Actions:
        """A connection that dialled us may be the data pipe of a device whose management pipe we have."""
        way.manners.seen = now.monotonic
        link = self.pipes.owner(way, now)
        if link is None:
            return
        handed = way.handed._replace(pipe="data", beside=link.connection)
        pipe = DataPipe(way.slot, handed, way.end, self.opening.session(handed), way.tongue)
        self.book.enter([pipe])
        self.book.ways[pipe.end.fileno()] = pipe
        if self.notebook:
            self.notebook.known_as(way.slot, handed, way.link)
        yield from self.pipes.join(pipe, link, now)

    def _find_partner(self, way: Way, now: Now) -> Actions:
        """The management pipe of a data pipe that we dialled, or that our predecessor knew."""
        if not isinstance(way, DataPipe) or way.partner or way.ended:
            return
        found = self.book.links_of(way.handed.balancer, way.handed.beside)
        if found:
            yield from self.pipes.join(way, found[0], now)
        elif not way.until:
            way.until = now.monotonic + PATIENCE
        elif now.monotonic >= way.until:
            way.ended = "its management pipe is not there"

    def _end_pipes(self, ways: list[Way], now: Now) -> Actions:
        """Connections that end take their data pipes with them; a link that loses its last one is told."""
        for way in ways:
            self.pipes.gone(way.slot)
        mine = {link for way in ways for link in way.links}
        others = [pipe for pipe in self.pipes.data if pipe.partner]
        for pipe in others:
            if pipe.partner in mine:
                yield from self.end(pipe.slot, "its management pipe has ended", now)
        for link in {way.partner for way in ways if isinstance(way, DataPipe) and way.partner}:
            if all(pipe.partner is not link for pipe in others) and isinstance(link.master, gbt26865.Master):
                yield from self.links.events(link, link.master.data_pipe(False, now), now)

    # ── after the journal ───────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """All of this tick is safe: take it from the kernel, hang up what has ended, and say so."""
        self.book.bulks.done(self.loops)
        for way in self.book.read_now:
            way.done()
        self.book.read_now.clear()
        self.ended.settle()

    def hang_up(self, handed: Handed, descriptors: Sequence[int], ended: Sequence[Any]) -> None:
        """A connection that our predecessor had ended and not hung up any more."""
        self.ended.again(self.opening.ends(handed, descriptors, None), ended)

    def close(self) -> None:
        """The process ends."""
        with suppress(OSError):
            self.machine.close()
