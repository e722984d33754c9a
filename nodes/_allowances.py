"""What a device may send of a link: so many DATA as its rate allows, another configuration now and then."""

from __future__ import annotations

from nodes._link import Link
from nodes._linkbook import LinkBook
from nodes._manners import Configurations, Rates
from nodes._rows import REFUSED
from nodes._state import SOURCES
from protocol.c37118 import frame_type
from protocol.clock import Now


class Allowances:
    """Frames beyond them are refused, counted and complained of."""

    def __init__(self, book: LinkBook, rates: Rates, configurations: Configurations) -> None:
        self._book, self._rates, self._configurations = book, rates, configurations

    def in_time(self, link: Link, source: int, frames: list[bytes], now: Now) -> list[bytes]:
        """Those of them that its rate allows; the others are refused."""
        rate = max(table.rate for table in link.codecs[source // SOURCES].tables)
        allowed = self._rates.allowed(source, rate, len(frames), now)
        if allowed < len(frames):
            self._book.count(link, REFUSED, len(frames) - allowed)
            self._book.counts["over_rate"] += len(frames) - allowed
            told = f"{rate}/s" if rate > 0 else f"every {-rate} s"
            why = f"DATA faster than `rate` allows, its configuration says {told}"
            self._book.complain(link, why, now, len(frames) - allowed)
        return frames[:allowed]

    def may_tell(self, link: Link, frame: bytes, now: Now) -> bool:
        """Whether the device may tell this configuration now; if not, nothing is decoded by the former one either."""
        whose = link.address, link.tongue.teller(frame), frame_type(frame)
        if self._configurations.may_tell(whose, *link.tongue.body(frame), link.master.cfg, now):
            return True
        self._book.touch(link)
        self._book.counts["configurations_refused"] += 1
        self._book.complain(link, "tells other configurations too often (`configurations`)", now)
        link.master.doubt()
        if not link.secondary:
            link.over = link.over or "it tells other configurations too often"
        return False
