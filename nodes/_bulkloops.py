"""The loops of `nodes/_bulk.py`, compiled: libc's recv is called without a step through Python. `Plain` is their twin.

Importing this costs 0.3 s, and seconds where it was not compiled before (`syms compile`).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined]

from nodes._bulk import BROKEN, I8, NOTHING, U1, Bools
from nodes._peek import MOST, StreamEnd
from protocol.c37118 import checking
from protocol.c37118.common import FrameType

PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
DROP = int(socket.MSG_TRUNC | socket.MSG_DONTWAIT)
DATA = int(FrameType.DATA)
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
def _good(block: U1, size: int, streams: I8, good: Bools) -> None:
    for k in range(streams.size):
        at = k * size
        stream = np.int64(block[at + 4]) << 8 | np.int64(block[at + 5])
        good[k] = block[at + 1] >> 4 == DATA and stream == streams[k] and checking.frame_is_good(block, at, size)


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
        good = np.empty(streams.size, np.bool_)
        _good(frames.reshape(-1), frames.shape[1], streams, good)
        return good


def warm() -> None:
    """Compile what is not in the cache yet."""
    none = np.zeros(0, np.int64)
    _look(none, none, 1, 1, np.zeros(1, np.uint8), none)
    _take(none, none, np.zeros(1, np.uint8))
    _good(np.zeros(0, np.uint8), 1, none, np.zeros(0, np.bool_))
    checking.warm()
