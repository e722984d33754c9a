"""TCP streams put together again from captured segments, each direction by itself (RFC 9293 §3.4).

Offline one can wait: every segment is kept at its place in sequence space and the stream is read off at the
end. Retransmissions and overlaps add only what is new (the first to come counts, as a receiver would have
it), disorder sorts itself out, and what the capture lacks is a gap that is noted, not filled.

A connection is told from the next between the same endpoints by its SYN. Without one (capture started in mid
stream, SYN lost) two contiguous segments far outside the known sequence space start a new connection; a
single one is a stray and left out.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from protocol.capture.packets import ACK, RST, SYN, Segment
from protocol.capture.records import Chunk, Flow, Notes

SPACE = 1 << 32
FAR = 1 << 26
"""Octets; a segment further than this from the latest is of another connection."""


class _Stream:
    """One direction: bytes by their (unwrapped) sequence number."""

    def __init__(self) -> None:
        self.initial: int | None = None
        """Sequence number of the SYN, if seen or told by the other side's SYN+ACK."""
        self.latest: int | None = None
        """Unwrapped end of the furthest segment."""
        self.starts: list[int] = []
        self.chunks: list[Chunk] = []
        self.stray: Segment | None = None
        """The last segment that was far outside the known sequence space."""

    def place(self, sequence: int) -> int:
        """Unwrapped sequence number: the one nearest to the latest."""
        if self.latest is None:
            return sequence
        return self.latest + (sequence - self.latest + SPACE // 2) % SPACE - SPACE // 2

    def far(self, sequence: int) -> bool:
        return self.latest is not None and abs(self.place(sequence) - self.latest) > FAR

    def open(self, sequence: int) -> None:
        """A SYN with this number."""
        self.initial = sequence
        self.latest = sequence + 1

    def add(self, time: int, sequence: int, data: bytes) -> None:
        """Keep what of the data is new, at its place."""
        start = self.place(sequence)
        stop = start + len(data)
        if self.initial is not None and start <= self.initial:
            # A keep-alive probe may carry one octet of nothing from before the stream.
            data, start = data[self.initial + 1 - start :], self.initial + 1
        self.latest = stop if self.latest is None else max(self.latest, stop)
        if not self.starts or start >= self._end(-1):
            self.starts.append(start)
            self.chunks.append(Chunk(time, data))
            return
        self._fill(time, start, stop, data)

    def _fill(self, time: int, start: int, stop: int, data: bytes) -> None:
        """Put the parts of [start, stop) that no earlier segment covers between what is there."""
        position = start
        while position < stop:
            at = bisect_right(self.starts, position)
            if at and self._end(at - 1) > position:
                position = self._end(at - 1)
                continue
            limit = min(stop, self.starts[at]) if at < len(self.starts) else stop
            self.starts.insert(at, position)
            self.chunks.insert(at, Chunk(time, data[position - start : limit - start]))
            position = limit

    def _end(self, at: int) -> int:
        return self.starts[at] + len(self.chunks[at].data)

    def read(self) -> tuple[list[Chunk], list[tuple[int, int]]]:
        """(chunks in order, gaps as (bytes before it, length)).

        A chunk's time is when a receiver could have read it: not before anything that precedes it in the stream.
        """
        chunks: list[Chunk] = []
        gaps: list[tuple[int, int]] = []
        position = self.starts[0] if self.starts and self.initial is None else (self.initial or 0) + 1
        given, latest = 0, 0
        for start, chunk in zip(self.starts, self.chunks, strict=True):
            if start > position:
                gaps.append((given, start - position))
            latest = max(latest, chunk.time)
            chunks.append(Chunk(latest, chunk.data))
            given += len(chunk.data)
            position = start + len(chunk.data)
        return chunks, gaps


@dataclass
class _Connection:
    ends: tuple[str, int, str, int]
    """Who sent the first captured segment, and to whom."""
    ordinal: int
    streams: tuple[_Stream, _Stream] = field(default_factory=lambda: (_Stream(), _Stream()))
    """From the first end, and from the second."""

    def of(self, segment: Segment) -> tuple[_Stream, _Stream]:
        """(stream of the segment's sender, stream of its receiver)."""
        own, other = self.streams
        return (own, other) if (segment.source, segment.source_port) == self.ends[:2] else (other, own)


class Assembler:
    """All TCP connections of a capture."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._current: dict[frozenset[tuple[str, int]], _Connection] = {}
        self._all: list[_Connection] = []

    def add(self, segment: Segment) -> None:
        """Take a segment, in order of capture."""
        connection = self._connection(segment)
        own, other = connection.of(segment)
        sequence = segment.sequence
        if segment.flags & SYN:
            if own.initial is None:
                own.open(sequence)
            if segment.flags & ACK and other.latest is None:
                other.open((segment.acknowledged - 1) % SPACE)
            sequence += 1
        if segment.data and not segment.flags & RST:
            if own.far(sequence):
                self._stray(connection, own, segment)
            else:
                own.add(segment.time, sequence, segment.data)

    def flows(self) -> list[Flow]:
        """Each direction that carried bytes, in order of their first byte."""
        flows: list[Flow] = []
        for connection in self._all:
            a, a_port, b, b_port = connection.ends
            for ends, stream in zip(((a, a_port, b, b_port), (b, b_port, a, a_port)), connection.streams, strict=True):
                chunks, gaps = stream.read()
                if chunks:
                    flow = Flow("tcp", *ends, connection.ordinal, chunks, sum(size for _, size in gaps))
                    self._note(flow, gaps)
                    flows.append(flow)
        return flows

    def _connection(self, segment: Segment) -> _Connection:
        ends = frozenset(((segment.source, segment.source_port), (segment.destination, segment.destination_port)))
        known = self._current.get(ends)
        if known is None or (segment.flags & SYN and self._reopens(known, segment)):
            return self._new(ends, segment)
        return known

    @staticmethod
    def _reopens(known: _Connection, segment: Segment) -> bool:
        """A SYN that is not the known connection's own: no repetition, and not its missing half."""
        own, _ = known.of(segment)
        if own.initial is None:
            return bool(own.starts)
        return own.initial != segment.sequence

    def _new(self, ends: frozenset[tuple[str, int]], segment: Segment) -> _Connection:
        before = self._current.get(ends)
        sides = (segment.source, segment.source_port, segment.destination, segment.destination_port)
        connection = _Connection(sides, before.ordinal + 1 if before else 0)
        self._current[ends] = connection
        self._all.append(connection)
        return connection

    def _stray(self, connection: _Connection, own: _Stream, segment: Segment) -> None:
        """A segment far outside: believed when a second one follows it without a break."""
        before, own.stray = own.stray, segment
        if before is None or (before.sequence + len(before.data)) % SPACE != segment.sequence:
            sender = f"tcp {segment.source}:{segment.source_port}"
            self._notes.add(f"{sender}: {len(segment.data)} bytes far outside the stream's sequence numbers")
            return
        fresh, _ = self._new(frozenset((connection.ends[:2], connection.ends[2:])), segment).of(segment)
        fresh.add(before.time, before.sequence, before.data)
        fresh.add(segment.time, segment.sequence, segment.data)

    def _note(self, flow: Flow, gaps: list[tuple[int, int]]) -> None:
        if gaps:
            where, size = gaps[0]
            others = f" and {len(gaps) - 1} more gaps" if len(gaps) > 1 else ""
            self._notes.add(f"{flow}: the capture lacks {size} bytes after byte {where} of the stream{others}")
