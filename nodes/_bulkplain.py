"""What is done once for each device or frame of thousands, in plain words: `nodes/_bulkloops.py` has it compiled."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes._manners import Rates
from nodes._peek import StreamEnd
from protocol.c37118.common import CRC_START, SYNC, FrameType
from protocol.clock import SECOND

U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOTHING, BROKEN = -1, -2
"""Instead of a number of bytes: no bytes there; what the network says is an error."""
OFTEN, HURRIED = 10, 5 * SECOND
"""A device that waits for our acknowledgement before it sends on (Nagle) is late by what stays queued. Where
one is late twice within so many periods, nothing stays queued for so long."""
SEAT = range(12)
"""What is known of a connection, a row of all connections each: what a tick needs of one lies side by side."""
(
    LINK,  # link number
    SLOT,  # of its connection, in the journal's notes
    POSITION,  # bytes of the stream that were worked on
    FD,
    STREAM,  # IDCODE
    PARTIAL,  # bytes of an unfinished frame that were seen alone
    FRESH,  # bytes that were worked on after the last look
    HELD,  # bytes that were worked on and are still queued
    DUE,  # those of them that are taken when the tick is safe
    LAST,  # monotonic ns of its last DATA
    LATE,  # monotonic ns when it last brought nothing at its time
    HURRY,  # monotonic ns until which what it brings is taken at once
) = SEAT


class Terms(NamedTuple):
    """Of one look."""

    size: int
    """Bytes of a frame."""
    period: int
    """Time between two frames of a device [ns]."""
    most: int
    """Bytes that may stay queued."""
    all_due: bool
    """What is safe is taken in this tick."""
    now: int
    """Monotonic ns."""


class Loops(Protocol):
    """What is done once for each device or frame of thousands (`nodes/_bulkloops.py`, compiled)."""

    def look(self, ends: Sequence[StreamEnd], fds: I8, held: I8, size: int, room: int, block: U1) -> I8:
        """[n] bytes that each has behind the first `held` [n], up to `room`, or 0 (closed), NOTHING, BROKEN. Whole
        frames of `size` bytes of those stand in `block` [n * room and the most held], one behind the other; all bytes
        stay queued."""

    def take(self, ends: Sequence[StreamEnd], fds: I8, sizes: I8) -> None:
        """So many bytes of each [n] are done with."""

    def sift(self, seats: I8, got: I8, fits: Bools, terms: Terms, rates: Rates) -> Bools:
        """[n] connections that are to be read by themselves, with nothing taken: those that bring no frame, that are
        over their rate, or with frames that don't fit (`fits` [frames], in order). What the others brought is booked in
        `seats` [what, n]."""

    def good(self, frames: U1, streams: I8) -> Bools:
        """[n] frames of [n, size] that are DATA of these IDCODEs [n]: SYNC, kind, their size, and a good check word."""


class Plain:
    """`Loops` in plain words."""

    def look(self, ends: Sequence[StreamEnd], fds: I8, held: I8, size: int, room: int, block: U1) -> I8:
        got, at = np.empty(len(ends), np.int64), 0
        for k, (end, skip) in enumerate(zip(ends, held.tolist(), strict=True)):
            try:
                chunk = end.look(skip, room)
            except OSError:
                got[k] = BROKEN
                continue
            got[k] = NOTHING if chunk is None else len(chunk)
            whole = len(chunk or b"") // size * size
            block[at : at + whole] = np.frombuffer(chunk or b"", np.uint8)[:whole]
            at += whole
        return got

    def take(self, ends: Sequence[StreamEnd], fds: I8, sizes: I8) -> None:
        for end, size in zip(ends, sizes.tolist(), strict=True):
            if size:
                end.take(size)

    def good(self, frames: U1, streams: I8) -> Bools:
        good = np.empty(len(frames), bool)
        for k, (frame, stream) in enumerate(zip(frames, streams.tolist(), strict=True)):
            head = frame[0] == SYNC and frame[1] >> 4 == FrameType.DATA
            names = frame[2:6].tobytes() == frame.size.to_bytes(2, "big") + stream.to_bytes(2, "big")
            good[k] = head and names and not crc_hqx(frame.tobytes(), CRC_START)
        return good

    def sift(self, seats: I8, got: I8, fits: Bools, terms: Terms, rates: Rates) -> Bools:
        size, now = terms.size, terms.now
        whole, part = np.maximum(got, 0) // size, (got > 0) & (got < size)
        odd: Bools = (got == 0) | (got == BROKEN) | (part & (got == seats[PARTIAL]))
        odd[np.repeat(np.arange(got.size), whole)[~fits]] = True
        whole[odd] = 0
        odd |= ~rates.spend(seats[LINK], whole, now)
        whole[odd] = 0
        late = (whole == 0) & (seats[HELD] > 0) & (seats[LAST] <= now - terms.period * 3 // 4)
        seats[HURRY, late & (seats[LATE] > now - OFTEN * terms.period)] = now + HURRIED
        seats[LATE, late] = now
        seats[LAST, whole > 0] = now
        seats[PARTIAL] = np.where(part, got, 0)
        seats[FRESH] = whole * size
        seats[POSITION] += seats[FRESH]
        seats[HELD] += seats[FRESH]
        due = late | (seats[HELD] >= terms.most) | (seats[HURRY] > now) | terms.all_due
        seats[DUE] = np.where(due, seats[HELD], 0)
        return odd
