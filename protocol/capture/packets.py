"""From a captured packet to a TCP segment or UDP datagram: link layer, IPv4 and IPv6 with fragments.

What is neither is left out silently (ARP, ICMP …): foreign traffic is normal. A header that lies about its
length makes the packet foreign too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from protocol.capture.records import Notes, Record

NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
RAW_ALIASES = frozenset((RAW, 12, 14, IPV4, IPV6))
ETHERTYPES_VLAN = frozenset((0x8100, 0x88A8, 0x9100))
ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
IPV4_FAMILY = 2
IPV6_FAMILIES = frozenset((10, 24, 28, 30))
TCP, UDP, FRAGMENT = 6, 17, 44
EXTENSIONS = frozenset((0, 43, 60, 135))
"""IPv6 headers of the form (next, length in 8 octets - 1): hop-by-hop, routing, destination, mobility."""
MAX_PENDING = 1024
"""Fragmented packets held at once; the oldest is given up."""
MAX_PACKET = 65535

FIN, SYN, RST, ACK = 1, 2, 4, 16


class Segment(NamedTuple):
    """One TCP segment or UDP datagram."""

    time: int
    transport: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    data: bytes
    sequence: int = 0
    acknowledged: int = 0
    flags: int = 0


class _Pieces:
    """Fragments of one IP packet."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._size: int | None = None

    def add(self, offset: int, data: bytes, more: bool) -> bytes | None:
        """The whole payload once it is complete. Where fragments overlap, the first to come counts."""
        self._parts.setdefault(offset, data)
        if not more:
            self._size = offset + len(data)
        if self._size is None:
            return None
        whole = bytearray()
        for start in sorted(self._parts):
            if start > len(whole):
                return None
            whole += self._parts[start][len(whole) - start :] if start < len(whole) else self._parts[start]
        return bytes(whole[: self._size]) if self._size <= len(whole) <= MAX_PACKET else None


class Dissector:
    """Turns records into segments; holds fragments between them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._pending: dict[tuple[str, str, int, int], _Pieces] = {}
        self._unknown: set[int] = set()

    def segments(self, record: Record) -> Iterator[Segment]:
        """None or one segment: an iterator because most records of a busy link are foreign."""
        packet = self._network(record)
        if len(packet) < 20:
            return
        version = packet[0] >> 4
        if version == 4:
            yield from self._ipv4(record.time, packet)
        elif version == 6 and len(packet) >= 40:
            yield from self._ipv6(record.time, packet)

    def close(self) -> None:
        """End of the capture: say what was never complete."""
        if self._pending:
            self._notes.add(f"{len(self._pending)} fragmented IP packets are incomplete in the capture")

    def _network(self, record: Record) -> bytes:
        """From the IP header on; empty if it is no IP."""
        data, link = record.data, record.link
        if link == ETHERNET:
            return _after_ethertype(data, 12)
        if link in RAW_ALIASES:
            return data
        if link == SLL:
            return _after_ethertype(data, 14)
        if link == SLL2:
            return data[20:] if data[:2] in (b"\x08\x00", b"\x86\xdd") else b""
        if link in (NULL, LOOP):
            # NULL has the family in the byte order of whoever captured; both are told apart by the small numbers.
            family = min(int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
            return data[4:] if family == IPV4_FAMILY or family in IPV6_FAMILIES else b""
        if link not in self._unknown:
            self._unknown.add(link)
            self._notes.add(f"packets of link type {link} are not understood; re-capture as Ethernet or Linux cooked")
        return b""

    def _ipv4(self, time: int, packet: bytes) -> Iterator[Segment]:
        header = (packet[0] & 0x0F) * 4
        total, ident, fragment = struct.unpack_from(">HHH", packet, 2)
        # Total length 0: the sending host's network card was to cut it (segmentation offload).
        total = total or len(packet)
        if header < 20 or total < header:
            return
        source, destination = _ipv4_text(packet[12:16]), _ipv4_text(packet[16:20])
        payload: bytes | None = packet[header:total]
        if fragment & 0x3FFF:
            key = (source, destination, packet[9], ident)
            payload = self._reassemble(key, (fragment & 0x1FFF) * 8, packet[header:total], bool(fragment & 0x2000))
        if payload is not None:
            yield from _transport(time, packet[9], source, destination, payload)

    def _ipv6(self, time: int, packet: bytes) -> Iterator[Segment]:
        length, following = struct.unpack_from(">HB", packet, 4)
        source, destination = _ipv6_text(packet[8:24]), _ipv6_text(packet[24:40])
        payload = packet[40 : 40 + length] if length else packet[40:]
        while following in EXTENSIONS or following == FRAGMENT:
            if len(payload) < 8:
                return
            if following == FRAGMENT:
                following, _, offset, ident = struct.unpack_from(">BBHI", payload)
                key = (source, destination, following, ident)
                whole = self._reassemble(key, offset & 0xFFF8, payload[8:], bool(offset & 1))
                if whole is None:
                    return
                payload = whole
            else:
                following, payload = payload[0], payload[8 + payload[1] * 8 :]
        yield from _transport(time, following, source, destination, payload)

    def _reassemble(self, key: tuple[str, str, int, int], offset: int, data: bytes, more: bool) -> bytes | None:
        pieces = self._pending.setdefault(key, _Pieces())
        whole = pieces.add(offset, data, more)
        if whole is not None:
            del self._pending[key]
        elif len(self._pending) > MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))
            self._notes.add("a fragmented IP packet was given up: too many are incomplete at once")
        return whole


def _after_ethertype(data: bytes, position: int) -> bytes:
    kind = int.from_bytes(data[position : position + 2], "big")
    while kind in ETHERTYPES_VLAN:
        position += 4
        kind = int.from_bytes(data[position : position + 2], "big")
    return data[position + 2 :] if kind in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) else b""


def _transport(time: int, protocol: int, source: str, destination: str, payload: bytes) -> Iterator[Segment]:
    if protocol == UDP and len(payload) >= 8:
        source_port, destination_port, length = struct.unpack_from(">HHH", payload)
        data = payload[8:length] if length >= 8 else payload[8:]
        yield Segment(time, "udp", source, source_port, destination, destination_port, data)
    elif protocol == TCP and len(payload) >= 20:
        source_port, destination_port, sequence, acknowledged, offset, flags = struct.unpack_from(">HHIIBB", payload)
        data = payload[max(20, (offset >> 4) * 4) :]
        ends = (source, source_port, destination, destination_port)
        yield Segment(time, "tcp", *ends, data, sequence, acknowledged, flags)


@lru_cache(maxsize=4096)
def _ipv4_text(raw: bytes) -> str:
    return str(IPv4Address(raw))


@lru_cache(maxsize=4096)
def _ipv6_text(raw: bytes) -> str:
    return str(IPv6Address(raw))
