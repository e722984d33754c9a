"""How many may call: connections in all, connections from one address, and calls from it in a second."""

from __future__ import annotations

import ipaddress
from collections import Counter

from protocol.clock import SECOND, Now

REMEMBERED = 10_000
"""Addresses whose calls are counted; of more, those that were longest silent are forgotten."""


def origin(address: str) -> str:
    """Who counts as one caller: an IPv4 address; of IPv6 the /64 that a network usually gives to one host."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


class Limits:
    """Connections that devices dialled, against what is allowed."""

    def __init__(self, connections: int, per_address: int, calls: int, setting: str = "connections") -> None:
        """`calls`: a second from one address in the long run; `per_address` of them may come at once. `setting` is
        where `connections` was set."""
        self._setting = setting
        self.connections, self.per_address, self.calls = connections, per_address, calls
        self.open: Counter[str] = Counter()
        """By origin."""
        self.total = 0
        self._credit: dict[str, tuple[int, int]] = {}
        """Origin -> calls that it may make at once [1e-9], monotonic ns when that was so; the latest caller is last."""

    def call(self, address: str, now: Now) -> str:
        """Somebody calls: "" if it may (it counts as open until `hang_up`), else why not."""
        caller = origin(address)
        most = self.per_address * SECOND
        credit, since = self._credit.pop(caller, (most, now.monotonic))
        credit = min(most, credit + (now.monotonic - since) * self.calls)
        too_fast = credit < SECOND
        self._credit[caller] = credit if too_fast else credit - SECOND, now.monotonic
        if len(self._credit) > REMEMBERED:
            del self._credit[next(iter(self._credit))]
        if self.open[caller] >= self.per_address:
            return f"{caller}: more than {self.per_address} connections at once (`per_address`)"
        if too_fast:
            return f"{caller}: more than {self.calls} calls a second (`calls`)"
        if self.total >= self.connections:
            return f"more than {self.connections} connections at once (`{self._setting}`)"
        self.count(address)
        return ""

    def count(self, address: str) -> None:
        """One is open, allowed or not: a receiver has brought it back."""
        self.open[origin(address)] += 1
        self.total += 1

    def hang_up(self, address: str) -> None:
        """One that was counted is over."""
        caller = origin(address)
        self.total -= 1
        self.open[caller] -= 1
        if not self.open[caller]:
            del self.open[caller]
