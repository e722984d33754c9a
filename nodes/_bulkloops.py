"""The loops of `nodes/_bulkplain.py`, compiled: libc's recv is called without a step through Python.

Importing this costs 0.3 s, and seconds where it was not compiled before (`syms compile`).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined]

from nodes._bulkplain import (
    BROKEN,
    DUE,
    FRESH,
    HELD,
    HURRIED,
    HURRY,
    I8,
    LAST,
    LATE,
    LINK,
    NOTHING,
    OFTEN,
    PARTIAL,
    POSITION,
    SEAT,
    U1,
    Bools,
    Terms,
)
from nodes._manners import TIMES, Rates
from nodes._peek import MOST, StreamEnd
from protocol.c37118 import checking
from protocol.clock import SECOND

PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
DROP = int(socket.MSG_TRUNC | socket.MSG_DONTWAIT)
EAGAIN, EINTR = errno.EAGAIN, errno.EINTR

_recv: Any = types.ExternalFunction("recv", types.ssize_t(types.intc, types.uintp, types.size_t, types.intc))
_move: Any = types.ExternalFunction("memmove", types.uintp(types.uintp, types.uintp, types.size_t))
_errno: Any = types.ExternalFunction("__errno_location", types.CPointer(types.intc)())  # type: ignore[no-untyped-call]


@njit(cache=True, nogil=True)
def _look(fds: I8, held: I8, size: int, room: int, block: U1, got: I8) -> None:
    base = block.ctypes.data
    at = 0
    for k in range(fds.size):
        count = _recv(fds[k], base + at, held[k] + room, PEEK)
        while count < 0 and carray(_errno(), 1)[0] == EINTR:
            count = _recv(fds[k], base + at, held[k] + room, PEEK)
        if count < 0:
            got[k] = NOTHING if carray(_errno(), 1)[0] == EAGAIN else BROKEN
        elif held[k] and count <= held[k]:
            got[k] = NOTHING
        else:
            got[k] = count - held[k]
            whole = got[k] // size * size
            if held[k]:
                _move(base + at, base + at + held[k], whole)
            at += whole


@njit(cache=True, nogil=True)
def _take(fds: I8, sizes: I8, room: U1) -> None:
    base = room.ctypes.data
    for k in range(fds.size):
        left = sizes[k]
        while left > 0:
            count = _recv(fds[k], base, min(left, room.size), DROP)
            if count < 0 and carray(_errno(), 1)[0] == EINTR:
                continue
            if count <= 0:
                break
            left -= count


@njit(cache=True, nogil=True)
def _credit(link: int, frames: int, own: I8, credit: I8, since: I8, rate: int, span: int, now: int) -> bool:
    """`Rates.spend` of one link."""
    gained = min(now - since[link], span) * min(TIMES * own[link], rate)
    left = min(own[link] * span, credit[link] + gained) - frames * SECOND
    if left < 0:
        return False
    credit[link], since[link] = left, now
    return True


@njit(cache=True, nogil=True)
def _sift(
    seats: I8, got: I8, fits: Bools, size: int, period: int, most: int, all_due: bool, now: int,
    own: I8, credit: I8, since: I8, rate: int, span: int, odd: Bools,
) -> None:  # fmt: skip
    at = 0
    for k in range(got.size):
        whole, part = max(got[k], 0) // size, 0 < got[k] < size
        odd[k] = got[k] == 0 or got[k] == BROKEN or (part and got[k] == seats[PARTIAL, k])
        for frame in range(at, at + whole):
            odd[k] |= not fits[frame]
        at += whole
        whole = 0 if odd[k] else whole
        if not _credit(seats[LINK, k], whole, own, credit, since, rate, span, now):
            odd[k], whole = True, 0
        late = whole == 0 and seats[HELD, k] > 0 and seats[LAST, k] <= now - period * 3 // 4
        if late and seats[LATE, k] > now - OFTEN * period:
            seats[HURRY, k] = now + HURRIED
        if late:
            seats[LATE, k] = now
        if whole > 0:
            seats[LAST, k] = now
        seats[PARTIAL, k] = got[k] if part else 0
        seats[FRESH, k] = whole * size
        seats[POSITION, k] += whole * size
        seats[HELD, k] += whole * size
        due = late or seats[HELD, k] >= most or seats[HURRY, k] > now or all_due
        seats[DUE, k] = seats[HELD, k] if due else 0


class Compiled:
    """See `Loops`."""

    def __init__(self) -> None:
        self._room = np.empty(MOST, np.uint8)
        """Nothing is written to it: the bytes are dropped in the kernel."""
        warm()

    def look(self, ends: Sequence[StreamEnd], fds: I8, held: I8, size: int, room: int, block: U1) -> I8:
        got = np.empty(fds.size, np.int64)
        _look(fds, held, size, room, block, got)
        return got

    def take(self, ends: Sequence[StreamEnd], fds: I8, sizes: I8) -> None:
        _take(fds, sizes, self._room)

    def good(self, frames: U1, streams: I8) -> Bools:
        return checking.data_frames(frames.reshape(-1), frames.shape[1], streams)

    def sift(self, seats: I8, got: I8, fits: Bools, terms: Terms, rates: Rates) -> Bools:
        odd = np.empty(got.size, np.bool_)
        rates.know(seats[LINK])
        _sift(
            seats, got, fits, terms.size, terms.period, terms.most, terms.all_due, terms.now,
            rates.own, rates.credit, rates.since, rates.rate, rates.span, odd,
        )  # fmt: skip
        return odd


def warm() -> None:
    """Compile what is not in the cache yet."""
    none = np.zeros(0, np.int64)
    _look(none, none, 1, 1, np.zeros(1, np.uint8), none)
    _take(none, none, np.zeros(1, np.uint8))
    # Seats are a part of a table that has room for more.
    seats, flags = np.zeros((len(SEAT), 2), np.int64)[:, :0], np.zeros(0, np.bool_)
    _sift(seats, none, flags, 1, 1, 1, False, 0, none, none, none, 1, 1, flags)
    checking.warm()
