"""A tiny writer of captures: packets, pcap and pcapng, as tests need them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address

Records = list[tuple[int, bytes]]
"""(time ns, packet) each."""
SYN, ACK, FIN, RST = 2, 16, 1, 4


def ipv4(source: str, destination: str, protocol: int, payload: bytes, ident: int = 0, fragment: int = 0) -> bytes:
    """An IPv4 packet; `fragment` is the flags and offset word."""
    ends = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, 64, protocol, 0) + ends + payload


def ipv6(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet."""
    ends = IPv6Address(source).packed + IPv6Address(destination).packed
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


def network(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IP packet of the family that the addresses are of."""
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, payload)


def tcp(source_port: int, destination_port: int, sequence: int, data: bytes, flags: int = ACK, ack: int = 0) -> bytes:
    """A TCP segment."""
    head = (source_port, destination_port, sequence % 2**32, ack % 2**32, 0x50, flags, 65535, 0, 0)
    return struct.pack(">HHIIBBHHH", *head) + data


def udp(source_port: int, destination_port: int, data: bytes) -> bytes:
    """A UDP datagram."""
    return struct.pack(">HHHH", source_port, destination_port, 8 + len(data), 0) + data


def ethernet(packet: bytes, *vlans: int) -> bytes:
    """An Ethernet frame, padded to 60 octets, with VLAN tags if given."""
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return (bytes(12) + tags + kind + packet).ljust(60, b"\0")


def cooked(frame: bytes) -> bytes:
    """An Ethernet frame as Linux shows it on the device "any" (LINKTYPE_LINUX_SLL)."""
    return struct.pack(">HHH8s", 0, 1, 6, bytes(8)) + frame[12:]


def pcap(records: Iterable[tuple[int, bytes]], link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    """A pcap file of (time ns, packet)."""
    magic, unit = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for time, packet in records:
        seconds, rest = divmod(time, 10**9)
        parts += [struct.pack(order + "IIII", seconds, rest // unit, len(packet), len(packet)), packet]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    """A pcapng section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, resolution: int | None = None, order: str = "<") -> bytes:
    """A pcapng interface description."""
    options = b"" if resolution is None else struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    return block(1, struct.pack(order + "HHI", link, 0, 0) + options, order)


def enhanced(stamp: int, packet: bytes, number: int = 0, order: str = "<") -> bytes:
    """A pcapng packet of interface `number`; the stamp is in that interface's units."""
    head = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(packet), len(packet))
    return block(6, head + packet, order)


@dataclass
class Talk:
    """One TCP connection being written: `sends` and `says` add Ethernet packets with rising sequence numbers."""

    device: str = "10.0.0.1"
    master: str = "10.0.0.9"
    device_port: int = 4712
    master_port: int = 50001
    device_sequence: int = 1000
    master_sequence: int = 7000
    records: list[tuple[int, bytes]] = field(default_factory=list)
    vlans: tuple[int, ...] = ()

    def opened(self, time: int) -> Talk:
        """The handshake, dialled by the master."""
        self.records += [
            (time, self._from_master(b"", SYN)),
            (time, self._from_device(b"", SYN | ACK, self.master_sequence + 1)),
        ]
        self.device_sequence += 1
        self.master_sequence += 1
        return self

    def sends(self, time: int, data: bytes) -> Talk:
        """Bytes of the device."""
        self.records.append((time, self._from_device(data, ACK)))
        self.device_sequence += len(data)
        return self

    def says(self, time: int, data: bytes) -> Talk:
        """Bytes of the master."""
        self.records.append((time, self._from_master(data, ACK)))
        self.master_sequence += len(data)
        return self

    def repeats(self, time: int, data: bytes, back: int = 0) -> Talk:
        """Bytes of the device sent once more: those that end `back` bytes before where it stands."""
        self.device_sequence -= back + len(data)
        self.sends(time, data)
        self.device_sequence += back
        return self

    def swapped(self, time: int, first: bytes, second: bytes) -> Talk:
        """Two segments of the device that arrive in the wrong order."""
        self.device_sequence += len(first)
        self.sends(time, second)
        self.device_sequence -= len(first) + len(second)
        self.sends(time + 1, first)
        self.device_sequence += len(second)
        return self

    def loses(self, size: int) -> Talk:
        """Bytes of the device that the capture lacks."""
        self.device_sequence += size
        return self

    def _from_device(self, data: bytes, flags: int, ack: int = 0) -> bytes:
        segment = tcp(self.device_port, self.master_port, self.device_sequence, data, flags, ack)
        return ethernet(network(self.device, self.master, 6, segment), *self.vlans)

    def _from_master(self, data: bytes, flags: int) -> bytes:
        segment = tcp(self.master_port, self.device_port, self.master_sequence, data, flags)
        return ethernet(network(self.master, self.device, 6, segment), *self.vlans)


def datagram(time: int, source: str, destination: str, data: bytes, port: int = 4713) -> tuple[int, bytes]:
    """A record with one UDP datagram."""
    return time, ethernet(network(source, destination, 17, udp(port, 50000, data)))
