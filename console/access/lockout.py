"""Failed attempts to sign in: after a few, each further one waits longer. How often refusals are written down."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from protocol.clock import SECOND

FIRST_WAIT = 15 * SECOND
LONGEST_WAIT = 900 * SECOND
FORGOTTEN = 3600 * SECOND
"""After so long without a failure."""
NETWORK = 64
"""Bits of an IPv6 address that a provider gives."""
MOST = 4096
"""Names or addresses that are remembered."""


def place(address: str) -> str:
    """Who is held to be one: of IPv6 the network, of which everybody has as many addresses as he wants."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((found.packed, NETWORK), strict=False))


@dataclass
class Failures:
    """Of one; times are monotonic [ns]."""

    count: int
    last: int
    until: int


class Lockout:
    """Of names, or of addresses; those that nobody has are treated like others. Times are monotonic [ns]."""

    def __init__(self, free: int) -> None:
        """`free`: how many failures cost nothing."""
        self.free = free
        self._known: dict[str, Failures] = {}
        self.revision = 0
        """Another one if anything changed."""

    def known(self, now: int) -> list[tuple[str, Failures]]:
        """All that is not forgotten."""
        return [(who, each) for who, each in list(self._known.items()) if now < each.last + FORGOTTEN]

    def resume(self, who: str, failures: Failures) -> None:
        """What a process before this one knew."""
        self._known[who] = failures

    def wait(self, who: str, now: int) -> int:
        """ns until the next attempt is looked at; 0: now."""
        known = self._known.get(who)
        return max(0, known.until - now) if known else 0

    def strike(self, who: str, now: int) -> None:
        """An attempt begins. It counts as failed until `forgive`, so that many at once are not looked at for free."""
        known = self._known.pop(who, None)
        if known is None or now >= known.last + FORGOTTEN:
            known = Failures(0, now, 0)
        known.count, known.last = known.count + 1, now
        over = known.count - self.free
        if over >= 0:
            known.until = now + min(LONGEST_WAIT, FIRST_WAIT << min(over, 16))
        if len(self._known) >= MOST:
            self._known.pop(min(self._known, key=lambda each: self._known[each].until))
        self._known[who] = known
        self.revision += 1

    def forgive(self, who: str) -> None:
        """The attempt was right: nothing is held against this name any more."""
        if self._known.pop(who, None):
            self.revision += 1

    def take_back(self, who: str) -> None:
        """The attempt was right; earlier failures still count. For addresses, which several users share."""
        if known := self._known.get(who):
            known.count = max(known.count - 1, 0)  # a strike may be forgotten before it is taken back
            known.until = 0
            self.revision += 1


class Meter:
    """So many in a minute for each; times are monotonic [ns]."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._minute = -1
        self._counts: dict[str, int] = {}
        self._left_out: dict[str, int] = {}

    def take(self, who: str, now: int) -> int | None:
        """How many were left out before this one, None if this one is left out, too."""
        if (minute := now // (60 * SECOND)) != self._minute:
            self._minute, self._counts = minute, {}
            if len(self._left_out) > MOST:
                self._left_out = {}
        self._counts[who] = self._counts.get(who, 0) + 1
        if self._counts[who] > self.most or len(self._counts) > MOST:
            self._left_out[who] = self._left_out.get(who, 0) + 1
            return None
        return self._left_out.pop(who, 0)
