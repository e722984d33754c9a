"""A capture seen by C37.118: who sent frames, which configuration each DATA frame is to be read with, what it says.

    study = examine(capture)
    for part in study.decode():
        part.batch.stations[0].values                     # rows of one sender under one configuration

One flow of a capture (a direction of a TCP connection, the datagrams of an address pair, a file) is one
`Sender`, of one protocol (`dialect.Dialect`: C37.118 or its kin). Flows without a believable frame are foreign and
left out: two bytes of check word fit by chance once in 65,536 candidates, so a lone frame in the middle of other bytes
is believed only when its inside makes sense.

Which configuration is in force for a DATA frame stands in `shelves`.

A `Device` is one stream from one address, as often as it appears: reconnections follow one another; flows that
overlap in time are two devices behind one address, or one device with two masters, and stay apart.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.c37118.codec import Batch, Codec
from protocol.c37118.common import CONFIGURATIONS, FrameError, FrameType, frame_type
from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.dialect import C37118, Dialect
from protocol.c37118.shelves import assign
from protocol.capture.records import Capture, Flow

BLOCK = 4096
"""DATA frames decoded at a time."""


class Piece(NamedTuple):
    """A frame as it lies in its flow."""

    time: int
    """ns UTC when its last byte was there; 0 if the capture doesn't say."""
    garbage: bytes
    """What stands between the frame before and this one; part of no frame."""
    frame: bytes
    """Empty at the end of a flow that ends with garbage."""


@dataclass
class Sender:
    """One flow that carries frames."""

    flow: Flow
    pieces: list[Piece]
    skipped: int
    """Bytes that belong to no frame."""
    corrupt: int
    """Frames with a bad check word."""
    corrupt_data: int
    """DATA frames among them."""
    configurations: dict[int, ConfigurationFrame] = field(default_factory=dict)
    """By the piece that completed it."""
    faults: dict[int, str] = field(default_factory=dict)
    """Pieces with a good check word that are wrong inside, and why."""
    in_force: dict[int, ConfigurationFrame] = field(default_factory=dict)
    """For each DATA piece that can be decoded."""
    dialect: Dialect = C37118

    @property
    def frames(self) -> int:
        return sum(1 for piece in self.pieces if piece.frame)

    @property
    def is_device(self) -> bool:
        """Sends something else than commands."""
        return any(piece.frame and frame_type(piece.frame) != FrameType.COMMAND for piece in self.pieces)


class Appearance(NamedTuple):
    """A stream in one sender."""

    sender: int
    first: int
    """ns UTC of its first frame in the capture, and of its last."""
    last: int


@dataclass
class Device:
    """One stream of one captured device, with DATA that can be read."""

    source: str
    """Address; empty for a file that doesn't say."""
    stream: int
    """As its dialect numbers it."""
    appearances: list[Appearance]
    """One after the other."""


@dataclass(frozen=True)
class Part:
    """DATA frames of one sender under one configuration, decoded."""

    device: int
    """Index in the study's devices."""
    sender: Sender
    configuration: ConfigurationFrame
    pieces: list[int]
    """[n] which pieces of the sender."""
    batch: Batch
    """n rows per station."""


class Place(NamedTuple):
    """A piece among all of a capture."""

    sender: int
    piece: int


@dataclass
class Study:
    """What a capture holds of C37.118."""

    senders: list[Sender]
    foreign: list[Flow]
    """Flows without a believable frame."""
    devices: list[Device] = field(default_factory=list)
    device_of: dict[tuple[int, int], int] = field(default_factory=dict)
    """(sender, stream) -> which of `devices` it is."""
    _codecs: dict[int, Codec] = field(default_factory=dict)

    def reads(self, sender: int, frame: bytes) -> bool:
        """Whether any DATA of the frame's stream in that sender can be read."""
        return (sender, self.senders[sender].dialect.stream(frame)) in self.device_of

    def places(self) -> Iterator[Place]:
        """All pieces in the order of the capture, each sender's in its own order."""
        timelines = [_timeline(number, sender) for number, sender in enumerate(self.senders)]
        return (place for _, place in heapq.merge(*timelines))

    def blocks(self, block: int = BLOCK) -> Iterator[tuple[list[Place], list[Part]]]:
        """All pieces in order, so many at a time, and the DATA among them decoded."""
        held: list[Place] = []
        for place in self.places():
            held.append(place)
            if len(held) == block:
                yield held, self._decode(held)
                held = []
        if held:
            yield held, self._decode(held)

    def decode(self, block: int = BLOCK) -> Iterator[Part]:
        """DATA of all senders, in the order of the capture block by block, and of each sender in its own."""
        for _, parts in self.blocks(block):
            yield from parts

    def codec(self, configuration: ConfigurationFrame, dialect: Dialect = C37118) -> Codec:
        """The compiled configuration."""
        key = id(configuration)
        if key not in self._codecs:
            self._codecs[key] = dialect.compile(configuration)
        return self._codecs[key]

    def _decode(self, places: list[Place]) -> list[Part]:
        groups: dict[tuple[int, int], tuple[ConfigurationFrame, list[int]]] = {}
        for number, piece in places:
            configuration = self.senders[number].in_force.get(piece)
            if configuration is not None:
                groups.setdefault((number, id(configuration)), (configuration, []))[1].append(piece)
        parts = []
        for (number, _), (configuration, pieces) in groups.items():
            sender = self.senders[number]
            codec = self.codec(configuration, sender.dialect)
            batch = codec.decode([sender.pieces[piece].frame for piece in pieces])
            device = self.device_of[number, sender.dialect.stream_of(configuration)]
            parts.append(Part(device, sender, configuration, pieces, batch))
        return parts


def examine(capture: Capture, choose: Callable[[Flow], Iterable[Dialect]] = lambda _: (C37118,)) -> Study:
    """Find the senders of a capture and the configuration in force for each of their DATA frames.

    choose: which protocols to try on a flow, in this order; it is of the first that finds a believable frame.
    """
    study = Study([], [])
    for flow in capture.flows:
        sender = next((found for dialect in choose(flow) if (found := split(flow, dialect))), None)
        if sender is None:
            study.foreign.append(flow)
        else:
            _read_configurations(sender)
            study.senders.append(sender)
    assign(study.senders)
    study.devices = _devices(study.senders)
    study.device_of = {
        (each.sender, device.stream): number
        for number, device in enumerate(study.devices)
        for each in device.appearances
    }
    return study


def split(flow: Flow, dialect: Dialect = C37118) -> Sender | None:
    """The frames of a flow; None if there is no believable one."""
    splitter = dialect.splitter()
    pieces: list[Piece] = []
    if flow.transport == "udp":
        for chunk in flow.chunks:
            frames = splitter.datagram(chunk.data)
            pieces += _placed(chunk.data, frames, lambda _, time=chunk.time: time)  # type: ignore[misc]
    else:
        data = flow.data()
        pieces = _placed(data, splitter.feed(data) + splitter.close(), _clock(flow))
    if not _believable(flow, pieces, dialect):
        return None
    return Sender(flow, pieces, splitter.skipped, splitter.corrupt, splitter.corrupt_data, dialect=dialect)


def _placed(data: bytes, frames: list[bytes], time: Callable[[int], int]) -> list[Piece]:
    """Frames with the garbage before them; `time` tells when the byte before a position was there."""
    pieces: list[Piece] = []
    position = 0
    for frame in frames:
        start = data.find(frame, position)
        end = start + len(frame)
        pieces.append(Piece(time(end), data[position:start], frame))
        position = end
    if position < len(data):
        pieces.append(Piece(time(len(data)), data[position:], b""))
    return pieces


def _clock(flow: Flow) -> Callable[[int], int]:
    ends: list[int] = []
    for chunk in flow.chunks:
        ends.append((ends[-1] if ends else 0) + len(chunk.data))
    return lambda position: flow.chunks[bisect_left(ends, position)].time


def _believable(flow: Flow, pieces: list[Piece], dialect: Dialect) -> bool:
    """A frame that starts where a segment, datagram or file starts, or that makes sense inside, or two of a stream."""
    frames = [piece.frame for piece in pieces if piece.frame]
    if not frames:
        return False
    if len(set(map(dialect.kin, frames))) < len(frames):
        return True
    starts = {chunk.data[:16] for chunk in flow.chunks}
    return any(frame[:16] in starts or dialect.sensible(frame) for frame in frames)


def _read_configurations(sender: Sender) -> None:
    read = sender.dialect.reader()
    for number, piece in enumerate(sender.pieces):
        if not piece.frame or frame_type(piece.frame) not in CONFIGURATIONS:
            continue
        try:
            whole = read(piece.frame, piece.time)
            if whole is not None:
                sender.configurations[number] = whole
        except FrameError as fault:
            sender.faults[number] = str(fault)


def _devices(senders: list[Sender]) -> list[Device]:
    """Who the senders are, in order of their first frames."""
    found: list[tuple[str, int, Appearance]] = []
    for number, sender in enumerate(senders):
        stream_of, stream_in = sender.dialect.stream_of, sender.dialect.stream
        readable = {stream_of(configuration) for configuration in sender.in_force.values()}
        spans: dict[int, list[int]] = {}
        for piece in sender.pieces:
            if piece.frame:
                spans.setdefault(stream_in(piece.frame), [piece.time, 0])[1] = piece.time
        found += [
            (sender.flow.source, stream, Appearance(number, *spans[stream])) for stream in spans if stream in readable
        ]
    devices: list[Device] = []
    for source, stream, appearance in sorted(found, key=lambda each: each[2].first):
        same = (each for each in devices if (each.source, each.stream) == (source, stream))
        before = next((each for each in same if each.appearances[-1].last < appearance.first), None)
        if before:
            before.appearances.append(appearance)
        else:
            devices.append(Device(source, stream, [appearance]))
    return devices


def _timeline(number: int, sender: Sender) -> Iterator[tuple[int, Place]]:
    latest = 0
    for piece, held in enumerate(sender.pieces):
        latest = max(latest, held.time)
        yield latest, Place(number, piece)
