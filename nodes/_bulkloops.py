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

from nodes._bulk import BROKEN, I4, NOTHING, U1, Bools
from nodes._peek import MOST, StreamEnd
from protocol.c37118 import kernels

PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
DROP = int(socket.MSG_TRUNC | socket.MSG_DONTWAIT)
EAGAIN, EINTR = errno.EAGAIN, errno.EINTR

_recv: Any = types.ExternalFunction("recv", types.ssize_t(types.intc, types.uintp, types.size_t, types.intc))
_errno: Any = types.ExternalFunction("__errno_location", types.CPointer(types.intc)())  # type: ignore[no-untyped-call]


@njit(cache=True, nogil=True)
def _look(fds: I4, size: int, room: int, block: U1, got: I4) -> None:
    base = block.ctypes.data
    at = 0
    for k in range(fds.size):
        count = _recv(fds[k], base + at, room, PEEK)
        while count < 0 and carray(_errno(), 1)[0] == EINTR:
            count = _recv(fds[k], base + at, room, PEEK)
        if count < 0:
            got[k] = NOTHING if carray(_errno(), 1)[0] == EAGAIN else BROKEN
        else:
            got[k] = count
            at += count // size * size


@njit(cache=True, nogil=True)
def _take(fds: I4, sizes: I4, room: U1) -> None:
    base = room.ctypes.data
    for k in range(fds.size):
        left = np.int64(sizes[k])
        while left > 0:
            count = _recv(fds[k], base, min(left, room.size), DROP)
            if count < 0 and carray(_errno(), 1)[0] == EINTR:
                continue
            if count <= 0:
                break
            left -= count


class Compiled:
    """See `Loops`."""

    def __init__(self) -> None:
        self._room = np.empty(MOST, np.uint8)
        """Nothing is written to it: the bytes are dropped in the kernel."""
        warm()

    def look(self, ends: Sequence[StreamEnd], fds: I4, size: int, room: int, block: U1) -> I4:
        got = np.empty(fds.size, np.int32)
        _look(fds, size, room, block, got)
        return got

    def take(self, ends: Sequence[StreamEnd], fds: I4, sizes: I4) -> None:
        _take(fds, sizes, self._room)

    def good(self, frames: U1) -> Bools:
        count, size = frames.shape
        at = np.arange(count, dtype=np.int64) * size
        return kernels.check_words(frames.reshape(-1), at, np.full(count, size, np.int64))


def warm() -> None:
    """Compile what is not in the cache yet."""
    none = np.zeros(0, np.int32)
    _look(none, 1, 1, np.zeros(1, np.uint8), none)
    _take(none, none, np.zeros(1, np.uint8))
    kernels.warm()
