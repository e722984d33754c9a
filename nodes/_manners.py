"""How a device behaves: how much of its connection is looked at in one step, and what it may tell in which time.

A receiver does all its devices' work in one thread: what one of them makes it do, the others wait for. So whoever sends
what is of no use is read in small bites; whoever sends nothing else is hung up on; and what costs disk space
(rows, configurations) is bounded by time.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from nodes._peek import CHUNK
from protocol.c37118 import ConfigurationFrame
from protocol.clock import SECOND, Now

BITE = 4096
"""Bytes of a connection looked at in one step while little good is known of it."""
DATAGRAM_BITE = 16384
"""The same of a UDP socket: there a bite is whole datagrams, maybe of several devices."""
FORGIVEN = 10_000
"""Bytes of no use that a connection may bring a second, for ever."""
TIMES = 4
"""DATA frames taken in the long run, in multiples of the device's own DATA_RATE: it may catch up."""
BURST = 10
"""Configurations of one device taken at once."""
REMEMBERED = 10_000
"""Devices whose configurations are counted."""


class Manners:
    """Of one connection."""

    def __init__(self, room: int = BITE, bite: int = BITE) -> None:
        self.room = room
        """Bytes to look at in one step."""
        self.wasteful = False
        """Most of what it brought last was of no use."""
        self.seen = 0
        """When it was looked at last, monotonic ns."""
        self.noise = 0
        """Bytes that belonged to no frame of use, beyond as many as were of use, and what is forgiven."""
        self._bite = bite

    def brought(self, size: int, used: int, idle: int, now: Now) -> None:
        """So many bytes: `used` of DATA that were taken, `idle` of DATA that were not, or that wait."""
        waste = size - used
        self.wasteful = waste > max(size // 2, self._bite // 4)
        if self.wasteful:
            self.room = self._bite
        elif size >= self.room:
            self.room = min(2 * self.room, CHUNK)
        forgiven = min(FORGIVEN * (now.monotonic - self.seen) // SECOND, self.noise)
        self.noise = max(0, self.noise - forgiven + waste - idle - used)
        self.seen = now.monotonic


class Rates:
    """DATA frames that devices may bring."""

    def __init__(self, rate: int, backlog: int) -> None:
        """`rate`: a second in the long run, or `TIMES` the device's DATA_RATE if that is less.
        `backlog` [ns]: what it may bring at once, in time of its own rate."""
        self.rate = rate
        self.span = max(backlog, 2 * TIMES * SECOND)
        self.own = np.zeros(0, np.int64)
        """Frames/s of each link, by its number."""
        self.credit = np.zeros(0, np.int64)
        """Frames * 1e9 that each may bring at once …"""
        self.since = np.zeros(0, np.int64)
        """… when that was so, monotonic ns."""

    def allowed(self, link: int, declared: int, frames: int, now: Now) -> int:
        """How many of so many frames are taken; `declared` is DATA_RATE as in the configuration."""
        own = min(declared if declared > 0 else 1, self.rate)
        self._grow(link + 1)
        if not self.own[link]:
            self.credit[link], self.since[link] = own * self.span, now.monotonic
        self.own[link] = own
        credit = int(self._now(np.array([link]), now.monotonic)[0])
        taken = min(frames, credit // SECOND)
        self.credit[link], self.since[link] = credit - taken * SECOND, now.monotonic
        return taken

    def spend(self, links: NDArray[np.int64], frames: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
        """[n] whether all of so many `frames` [n] of `links` [n] are taken; of a link whose are not, nothing is. Links
        that `allowed` was not asked of have no credit yet. `now` [monotonic ns]."""
        self.know(links)
        credit = self._now(links, now) - frames * SECOND
        taken = credit >= 0
        if not taken.all():
            links, credit = links[taken], credit[taken]
        self.credit[links] = credit
        self.since[links] = now
        return taken

    def know(self, links: NDArray[np.int64]) -> None:
        """There is a place for each of them."""
        self._grow(int(links.max(initial=0)) + 1)

    def _grow(self, size: int) -> None:
        more = size - self.own.size
        if more > 0:
            zeros = np.zeros(more, np.int64)
            self.own, self.credit, self.since = (
                np.concatenate([each, zeros]) for each in (self.own, self.credit, self.since)
            )

    def _now(self, links: NDArray[np.int64], now: int) -> NDArray[np.int64]:
        """[n] frames * 1e9 that each may bring now."""
        own = self.own[links]
        passed = np.minimum(now - self.since[links], self.span)
        gained = passed * np.minimum(TIMES * own, self.rate)
        return np.asarray(np.minimum(own * self.span, self.credit[links] + gained))


class Configurations:
    """Configurations that devices may tell: one that is not the one before it is decoded, journalled and archived."""

    def __init__(self, every: int) -> None:
        """`every` [ns] a device may tell another one, beyond a first `BURST`."""
        self._every = every
        self._told: dict[Hashable, tuple[int, int, int]] = {}
        """Who, and of which kind -> CRC-32 of the last one, credit [ns], monotonic ns when that was so; latest last."""

    def may_tell(self, whose: Hashable, piece: int, body: bytes, cfg: ConfigurationFrame | None, now: Now) -> bool:
        """Whether to look into a configuration frame with this body, the piece-th of it; `cfg` is in force."""
        if piece > 1 or (cfg is not None and body == cfg.body):
            return True
        key, check = whose, zlib.crc32(body)
        most = BURST * self._every
        last, credit, since = self._told.pop(key, (-1, most, now.monotonic))
        credit = min(most, credit + now.monotonic - since)
        may = check == last or credit >= self._every
        if check != last and may:
            last, credit = check, credit - self._every
        self._told[key] = last, credit, now.monotonic
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return may
