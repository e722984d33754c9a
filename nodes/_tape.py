"""A capture cut into tapes: what each of its devices sent on each of its connections, ready to be played.

A *lane* is one captured device (`offline.Device`): it gets a loopback address of its own, so that two devices with
the same IDCODE stay apart. Its *tapes* are its connections, one after the other. A tape's items are frames, each
with the garbage that stood before it, so that an answer put between two items never lands within a frame, and
the pieces of a CFG-3 together, so that it does not land between them.

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
from protocol.c37118.offline import Device, Sender, Study
from protocol.c37118.splitter import piece_index
from protocol.clock import period

NETWORK = int(ipaddress.IPv4Address("127.77.0.0"))
HOSTS = 1 << 16


class Item(NamedTuple):
    """A frame and the garbage before it."""

    time: int
    """ns UTC in the capture; 0 if it doesn't say."""
    data: bytes
    frames: int
    """DATA frames that a station finds when it has read it, damaged ones included."""
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


def lanes(study: Study) -> tuple[list[Lane], int]:
    """(lanes, DATA frames that can't be played: nothing in the capture says what they mean)."""
    tapes = [_tapes(sender) for sender in study.senders]
    played = {(each.sender, device.stream) for device in study.devices for each in device.appearances}
    unplayed = sum(
        tape.frames[-1]
        for number, streams in enumerate(tapes)
        for stream, tape in streams.items()
        if (number, stream) not in played
    )
    spoken: dict[int, list[bytes]] = {}
    for sender in study.senders:
        spoken |= _spoken(sender)
    addresses = _addresses([device.source for device in study.devices])
    return [
        Lane(
            device.source,
            device.stream,
            address,
            _connections(study, device, tapes),
            spoken,
            _header(study, device.source),
        )
        for device, address in zip(study.devices, addresses, strict=True)
    ], unplayed


def _connections(study: Study, device: Device, tapes: list[dict[int, Tape]]) -> list[Tape]:
    """Tapes of a device; datagrams have no connections, so those that follow one another are played on one."""
    played: list[Tape] = []
    datagrams = False
    for each in device.appearances:
        tape, before = tapes[each.sender][device.stream], datagrams
        datagrams = study.senders[each.sender].flow.transport == "udp"
        if before and datagrams:
            played[-1].items.extend(tape.items)
        else:
            played.append(Tape(tape.items))
    return [Tape(tape.items) for tape in played]


def _tapes(sender: Sender) -> dict[int, Tape]:
    """The streams of a sender; garbage goes with the frame behind it."""
    streams: dict[int, list[Item]] = {}
    littered: set[int] = set()
    for number, piece in enumerate(sender.pieces):
        frame = piece.frame
        if frame and sender.flow.transport == "file" and frame_type(frame) == FrameType.COMMAND:
            continue  # a file may hold both directions; a device sends no commands
        stream = stream_id(frame) if frame else next(reversed(streams), 0)
        if piece.garbage:
            littered.add(stream)
        needs, tells = sender.in_force.get(number), sender.configurations.get(number)
        data = int(bool(frame) and frame_type(frame) == FrameType.DATA)
        rows = data * len(needs.stations) if needs else data
        item = Item(piece.time, piece.garbage + frame, data, rows, needs, tells)
        items = streams.setdefault(stream, [])
        if items and _goes_on(items[-1], frame):
            item = item._replace(data=items.pop().data + item.data)
        items.append(item)
    judged = {stream: _judged(items) if stream in littered else items for stream, items in streams.items()}
    return {stream: Tape(_paced(items)) for stream, items in judged.items()}


def _goes_on(before: Item, frame: bytes) -> bool:
    """Whether this is a further piece of the CFG-3 whose pieces end the item before."""
    return piece_index(frame) > 1 and not before.frames and not before.tells


def _judged(items: list[Item]) -> list[Item]:
    """With the damaged DATA frames that a station will find in the garbage, where it will find them.

    What a damaged head claims may reach into what stands behind it: it is judged when that is there.
    """
    splitter, judged, before = Splitter(), [], 0
    for number, item in enumerate(items, 1):
        splitter.feed(item.data)
        if number == len(items):
            splitter.close()
        found, before = splitter.corrupt_data - before, splitter.corrupt_data
        stations = len(item.needs.stations) if item.needs else 1
        judged.append(item._replace(frames=item.frames + found, rows=item.rows + found * stations))
    return judged


def _paced(items: list[Item]) -> list[Item]:
    """Where the capture has no times: one reporting period between DATA frames."""
    if any(item.time for item in items):
        return items
    time, paced = 0, []
    for item in items:
        paced.append(item._replace(time=time))
        time += period(item.needs.rate) if item.needs else 0
    return paced


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


def _header(study: Study, source: str) -> list[bytes]:
    found: Counter[bytes] = Counter()
    for sender in study.senders:
        if sender.flow.source == source:
            for piece in sender.pieces:
                if piece.frame and frame_type(piece.frame) == FrameType.HEADER:
                    found[piece.frame] += 1
    return list(found)[-1:]
