"""What a capture file holds, whatever its format: records (one packet each) and flows (one direction of one talk)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MAX_NOTES = 50


class CaptureError(ValueError):
    """A file that is no capture, or one of which nothing can be read."""


class Record(NamedTuple):
    """One packet as captured."""

    time: int
    """ns UTC since 1970; 0 if the format has none."""
    link: int
    """LINKTYPE_ of tcpdump.org, as 1 = Ethernet."""
    data: bytes
    """From the first octet of the link layer; shorter than it was on the wire if the capture cut it."""


class Chunk(NamedTuple):
    """Bytes of a flow that came at once: a TCP segment's new bytes, a datagram, a line of hex text."""

    time: int
    """ns UTC when the reader of the flow could have had them; 0 if unknown."""
    data: bytes


@dataclass
class Flow:
    """What one end sent to another: a direction of a TCP connection, the datagrams of a UDP address pair, or a file."""

    transport: str
    """`tcp`, `udp` or `file`."""
    source: str = ""
    """Address of the sender, as text."""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    ordinal: int = 0
    """Counts the connections between the same two endpoints: 0, 1, …"""
    chunks: list[Chunk] = field(default_factory=list)
    lost: int = 0
    """Bytes of a TCP stream that the capture lacks between the first and the last it has."""

    def data(self) -> bytes:
        """All bytes in order."""
        return b"".join(chunk.data for chunk in self.chunks)

    def __str__(self) -> str:
        if self.transport == "file":
            return "file"
        again = f" (connection {self.ordinal + 1})" if self.ordinal else ""
        ends = f"{self.source}:{self.source_port} > {self.destination}:{self.destination_port}"
        return f"{self.transport} {ends}{again}"


@dataclass
class Notes:
    """What a person should know about a file that could not be read whole. Bounded: a broken file says it once."""

    texts: list[str] = field(default_factory=list)
    more: int = 0
    """How many were not kept."""

    def add(self, text: str) -> None:
        """Keep a sentence, or count it when there are many."""
        if len(self.texts) < MAX_NOTES:
            self.texts.append(text)
        else:
            self.more += 1


@dataclass(frozen=True)
class Capture:
    """A capture file as flows, in order of their first byte."""

    kind: str
    """`pcap`, `pcapng`, `hex text` or `raw bytes`."""
    flows: list[Flow]
    notes: Notes
