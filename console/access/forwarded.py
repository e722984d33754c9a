"""Who is behind a proxy: what it says of the browser is believed of proxies that the settings name, and of nobody else.

One header is read, that which our proxies write: `X-Forwarded-For` with `X-Forwarded-Proto`, or `Forwarded` (RFC 7239).
The other one comes from whoever likes. Each proxy adds who called it at the right end; from there to the left the first
who is none of ours is the browser.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Said = Literal["X-Forwarded-For", "Forwarded"]
"""The header of our proxies."""
PROTO = "x-forwarded-proto"
MOST = 32
"""Proxies one after the other."""
PAIR = re.compile(r'\s*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]*))\s*(;|,|$)')


@dataclass(frozen=True)
class Caller:
    """Where a request comes from."""

    address: str
    tls: bool = False
    """Whether the browser speaks https to a proxy of ours."""


@dataclass(frozen=True)
class Proxies:
    """Those that are believed."""

    networks: Sequence[Network] = ()
    header: Said = "X-Forwarded-For"

    def caller(self, peer: str, said: Headers) -> Caller:
        """Who calls, of a connection from `peer`."""
        if not self._ours(_ip(peer)):
            return Caller(peer)
        if self.header == "Forwarded":
            hops = _elements(",".join(said.getlist("forwarded")))
        else:
            tls = _all_https(",".join(said.getlist(PROTO)))
            hops = [(each, tls) for each in ",".join(said.getlist(self.header)).split(",")]
        found, tls = peer, False
        for node, https in hops[: -MOST - 1 : -1]:
            tls, ip = https, _ip(node)
            if ip is None:  # nobody knows who that was: it is who said so
                break
            found = str(ip)
            if not self._ours(ip):
                break
        return Caller(found, tls)

    def _ours(self, ip: IP | None) -> bool:
        return ip is not None and any(ip in network for network in self.networks)


NO_PROXIES = Proxies()
"""Nobody is believed."""


def _all_https(said: str) -> bool:
    """Of all proxies; what a browser put before that can only take it away."""
    words = [word.strip().lower() for word in said.split(",")]
    return all(word == "https" for word in words)


def _elements(said: str) -> list[tuple[str, bool]]:
    """(for, whether by https) of each element of a `Forwarded` header; nothing of one that is malformed."""
    found: list[tuple[str, bool]] = []
    node, tls, at = "", False, 0
    while at < len(said):
        match = PAIR.match(said, at)
        if match is None:
            return []
        name, quoted, token, end = match.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
        if name.lower() == "for":
            node = value
        elif name.lower() == "proto":
            tls = value.lower() == "https"
        if end != ";":
            found.append((node, tls))
            node, tls = "", False
        at = match.end()
    return found


def _ip(node: str) -> IP | None:
    """Of `10.0.0.7`, `10.0.0.7:47011`, `2001:db8::1`, `[2001:db8::1]:47011`; None of anything else."""
    for text in _spellings(node.strip()):
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            continue
        return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
    return None


def _spellings(node: str) -> Iterator[str]:
    yield node
    host, _, port = node.rpartition(":")
    if node.startswith("["):
        yield node[1:].partition("]")[0]
    elif port.isascii() and port.isdigit() and ":" not in host:
        yield host
