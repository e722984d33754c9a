"""A CFG-3 that came in pieces, put together again (C37.118.2-2011 §6.4, CONT_IDX).

CONT_IDX 0 = the only frame, 1 = first of a series, 2.. = following, 0xFFFF = last. Two habits exist:
`each`: every piece is a frame with its own CHK. `whole`: one long image is cut, the pieces after the first get
a head and CONT_IDX of their own, and the only CHK, at the very end, covers the image with the first piece's head.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.c37118.common import CHECK_SIZE, HEAD, HEAD_SIZE, MAX_FRAME, Frame, FrameError, sound
from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.decoding import parse_configuration
from protocol.clock import SECOND

PIECE_HEAD = HEAD_SIZE + 2
LAST_PIECE = 0xFFFF


@dataclass
class _Series:
    deadline: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class Fragments:
    """Pieces of the CFG-3 of one connection, by stream. Bounded in bytes, streams and time."""

    def __init__(self, timeout: int = 10 * SECOND, max_bytes: int = 16 * MAX_FRAME, max_streams: int = 4) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._max_streams = max_streams
        self._series: dict[int, _Series] = {}
        self.discarded = 0
        """Pieces thrown away: a piece was missing, too late, or too many came."""

    def add(self, frame: bytes, now: int) -> ConfigurationFrame | None:
        """Take a CFG-3 frame of any CONT_IDX at a monotonic time [ns]; the configuration, if it is whole now.

        Raises FrameError if what came together is no configuration.
        """
        self._forget(now)
        if len(frame) <= PIECE_HEAD:
            raise FrameError(f"CFG-3 of {len(frame)} bytes has no CONT_IDX")
        stream, index = frame[4] << 8 | frame[5], frame[14] << 8 | frame[15]
        if index == 0:
            self._drop(stream)
            return _join([frame])
        if not self._take(stream, index, frame, now):
            return None
        return _join(self._series.pop(stream).pieces)

    def state(self, at_most: int) -> list[Any]:
        """The series in progress as plain values; none if they hold more than so many bytes."""
        if sum(series.size for series in self._series.values()) > at_most:
            return []
        return [[stream, series.deadline, list(series.pieces)] for stream, series in self._series.items()]

    def restore(self, state: list[Any]) -> None:
        """Go on with the series of another one's `state`."""
        for stream, deadline, pieces in state:
            self._series[stream] = _Series(deadline, list(pieces), sum(map(len, pieces)))

    def _take(self, stream: int, index: int, frame: bytes, now: int) -> bool:
        """Add to the series; whether it is complete."""
        if index == 1:
            self._drop(stream)
            if len(self._series) >= self._max_streams:
                self._drop(next(iter(self._series)))
            self._series[stream] = _Series(now + self._timeout)
        series = self._series.get(stream)
        if series is None or index not in (len(series.pieces) + 1, LAST_PIECE):
            self._drop(stream)
            self.discarded += 1
            return False
        series.pieces.append(frame)
        series.size += len(frame)
        if series.size > self._max_bytes:
            self._drop(stream)
            return False
        return index == LAST_PIECE

    def _drop(self, stream: int) -> None:
        series = self._series.pop(stream, None)
        self.discarded += len(series.pieces) if series else 0

    def _forget(self, now: int) -> None:
        for stream in [stream for stream, series in self._series.items() if series.deadline <= now]:
            self._drop(stream)


def _join(pieces: list[bytes]) -> ConfigurationFrame:
    """The configuration of a whole series, whichever habit its check words follow."""
    first = pieces[0]
    if all(map(sound, pieces)):
        body = b"".join(piece[PIECE_HEAD:-CHECK_SIZE] for piece in pieces)
    else:
        image = first + b"".join(piece[PIECE_HEAD:] for piece in pieces[1:])
        if not sound(image):
            raise FrameError("CFG-3 in pieces: neither the pieces nor the whole have a good check word")
        body = image[PIECE_HEAD:-CHECK_SIZE]
    _, sync, _, stream, soc, fraction = HEAD.unpack_from(first)
    fields = Frame(stream=stream, soc=soc, quality=fraction >> 24, count=fraction & 0xFFFFFF, version=sync & 15)
    return parse_configuration(fields, 3, body)
