"""A capture cut into tapes: what each of its devices sent on each of its connections, ready to be played.

A *lane* is one stream of one captured device: it gets a loopback address of its own, so that two devices with
the same IDCODE stay apart. Its *tapes* are its connections, one after the other. A tape's items are frames, each
with the garbage that stood before it, so that an answer put between two items never lands within a frame.

The station may need a configuration that the capture has elsewhere (asked for by another master, told over TCP
while DATA went over UDP, or only later): an item knows the configuration in force for it.
"""

from __future__ import annotations

import ipaddress
import zlib
from binascii import crc_hqx
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from protocol.c37118 import ConfigurationFrame, FrameType, Splitter, encode_configuration, frame_type, stream_id
from protocol.c37118.common import CONFIGURATIONS, CRC_START
from protocol.c37118.offline import Sender, Study
from protocol.clock import period

NETWORK = int(ipaddress.IPv4Address("127.77.0.0"))
HOSTS = 1 << 16


class Item(NamedTuple):
    """A frame and the garbage before it."""

    time: int
    """ns UTC in the capture; 0 if it doesn't say."""
    data: bytes
    frames: int
    """DATA frames in it, damaged ones included."""
    rows: int
    """Rows they are: a frame of k stations is k."""
    needs: ConfigurationFrame | None
    """In force for the frame, if it is DATA that can be read."""
    tells: ConfigurationFrame | None
    """The configuration that is complete with this frame."""


@dataclass
class Tape:
    """One connection."""

    items: list[Item]
    frames: list[int] = field(init=False)
    """[n + 1] DATA frames in the first k items."""
    rows: list[int] = field(init=False)
    """[n + 1] the same in rows."""
    ahead: list[ConfigurationFrame | None] = field(init=False)
    """[n + 1] what the first DATA at or after item k needs."""

    def __post_init__(self) -> None:
        self.ahead = [None]
        for item in reversed(self.items):
            self.ahead.append(item.needs or self.ahead[-1])
        self.ahead.reverse()
        self.frames = list(accumulate((item.frames for item in self.items), initial=0))
        self.rows = list(accumulate((item.rows for item in self.items), initial=0))


@dataclass
class Lane:
    """One stream of one captured device."""

    source: str
    """Address in the capture; empty for a file that doesn't say."""
    stream: int
    address: str
    """Loopback address it is played from."""
    tapes: list[Tape]
    spoken: dict[int, list[bytes]]
    """By id of a configuration: the frames that tell it, as captured where they can be."""
    header: list[bytes]
    """HDR frames, the last one captured."""

    @property
    def frames(self) -> int:
        """DATA frames on all tapes."""
        return sum(tape.frames[-1] for tape in self.tapes)

    @property
    def rows(self) -> int:
        """Rows on all tapes."""
        return sum(tape.rows[-1] for tape in self.tapes)


@dataclass
class _Part:
    """One stream of one sender."""

    sender: Sender
    stream: int
    items: list[Item]
    first: int
    last: int


def lanes(study: Study) -> tuple[list[Lane], int]:
    """(lanes, DATA frames that can't be played: nothing in the capture says what they mean)."""
    parts: list[_Part] = []
    unplayed = 0
    for sender in study.senders:
        for part in _parts(sender):
            if any(item.needs for item in part.items):
                parts.append(part)
            else:
                unplayed += sum(item.frames for item in part.items)
    spoken: dict[int, list[bytes]] = {}
    for sender in study.senders:
        spoken |= _spoken(sender)
    grouped = _grouped(parts)
    addresses = _addresses([group[0].sender.flow.source for group in grouped])
    return [
        Lane(
            group[0].sender.flow.source,
            group[0].stream,
            address,
            [Tape(part.items) for part in group],
            spoken,
            _header(study, group[0]),
        )
        for group, address in zip(grouped, addresses, strict=True)
    ], unplayed


def _parts(sender: Sender) -> list[_Part]:
    """The streams of a sender, each with its items; garbage goes with the frame behind it."""
    streams: dict[int, list[Item]] = {}
    corrupt = 0
    for number, piece in enumerate(sender.pieces):
        frame = piece.frame
        if frame and sender.flow.transport == "file" and frame_type(frame) == FrameType.COMMAND:
            continue  # a file may hold both directions; a device sends no commands
        stream = stream_id(frame) if frame else next(reversed(streams), 0)
        damaged = _damaged(piece.garbage)
        corrupt += damaged
        needs = sender.in_force.get(number)
        data = int(bool(frame) and frame_type(frame) == FrameType.DATA)
        stations = len(needs.stations) if needs else 1
        frames = damaged + data
        item = Item(
            piece.time, piece.garbage + frame, frames, frames * stations, needs, sender.configurations.get(number)
        )
        streams.setdefault(stream, []).append(item)
    return [
        _Part(sender, stream, _paced(items), items[0].time, items[-1].time)
        for stream, items in streams.items()
        if any(item.frames for item in items)
    ]


def _damaged(garbage: bytes) -> int:
    """Damaged DATA frames in bytes of no frame."""
    if not garbage:
        return 0
    splitter = Splitter()
    splitter.feed(garbage)
    splitter.close()
    return splitter.corrupt_data


def _paced(items: list[Item]) -> list[Item]:
    """Where the capture has no times: one reporting period between DATA frames."""
    if any(item.time for item in items):
        return items
    time, paced = 0, []
    for item in items:
        paced.append(item._replace(time=time))
        time += period(item.needs.rate) if item.needs else 0
    return paced


def _grouped(parts: list[_Part]) -> list[list[_Part]]:
    """Parts of one stream from one address, in order; those that overlap in time were two devices, or two masters."""
    groups: list[list[_Part]] = []
    for part in sorted(parts, key=lambda part: part.first):
        key = part.sender.flow.source, part.stream
        for group in groups:
            before = group[-1]
            if (before.sender.flow.source, before.stream) == key and before.last < part.first:
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _addresses(sources: list[str]) -> list[str]:
    """A loopback address for each: the last two octets are those of the captured address where they are free."""
    taken: set[int] = {0, HOSTS - 1}
    chosen = []
    for source in sources:
        host = _host(source)
        while host in taken:
            host = (host + 1) % HOSTS
        taken.add(host)
        chosen.append(str(ipaddress.IPv4Address(NETWORK + host)))
    return chosen


def _host(source: str) -> int:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return zlib.crc32(source.encode()) % HOSTS
    return int(address) % HOSTS


def _spoken(sender: Sender) -> dict[int, list[bytes]]:
    """The frames that tell each configuration of a sender."""
    told = {}
    for number, configuration in sender.configurations.items():
        frame = sender.pieces[number].frame
        if configuration.kind == 3 and frame[14:16] != b"\0\0":
            told[id(configuration)] = encode_configuration(configuration)
        else:
            told[id(configuration)] = [_as_binding(frame)]
    return told


def _as_binding(frame: bytes) -> bytes:
    """A CFG-1 told as CFG-2, which differs in its type only: a station takes no other as in force."""
    if CONFIGURATIONS[FrameType(frame_type(frame))] != 1:
        return frame
    body = frame[:1] + bytes([FrameType.CONFIGURATION_2 << 4 | frame[1] & 0x0F]) + frame[2:-2]
    return body + crc_hqx(body, CRC_START).to_bytes(2, "big")


def _header(study: Study, part: _Part) -> list[bytes]:
    found: Counter[bytes] = Counter()
    for sender in study.senders:
        if sender.flow.source == part.sender.flow.source:
            for piece in sender.pieces:
                if piece.frame and frame_type(piece.frame) == FrameType.HEADER:
                    found[piece.frame] += 1
    return list(found)[-1:]
