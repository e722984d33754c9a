"""Check words of many frames (compiled by numba). Their plain twin is `binascii.crc_hqx`.

Importing this costs 0.3 s, and compiling what is not in numba's cache more: only those who check many do it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocol.c37118.common import CRC_START, MIN_FRAME, SYNC, FrameType

U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]
Word = np.uint64

POLYNOMIAL = 0x1021
"""CRC-CCITT: x^16 + x^12 + x^5 + 1 (C37.118.2-2011 annex B)."""
DATA = int(FrameType.DATA)
SLICES = 8
"""Bytes taken at once."""


def _tables() -> NDArray[np.uint16]:
    """[k, b] what a byte b adds to the check word when k bytes come after it."""
    table = np.zeros((SLICES, 256), np.uint16)
    for byte in range(256):
        word = byte << 8
        for _ in range(8):
            word = (word << 1 ^ (POLYNOMIAL if word & 0x8000 else 0)) & 0xFFFF
        table[0, byte] = word
    for k in range(1, SLICES):
        before = table[k - 1]
        table[k] = before << 8 ^ table[0, before >> 8]
    return table


TABLES: Any = _tables()


@njit(cache=True, error_model="numpy", nogil=True)
def check_word(block: U1, at: int, size: int) -> np.uint64:
    """CRC-CCITT of block[at : at + size], which the caller knows to be inside; 0 over a frame with its own CRC.

    Slicing by eight: Kounavis and Berry, "Novel table lookup-based algorithms for high-performance CRC generation",
    IEEE Trans. Computers 57 (2008). The two lookups that wait for the step before come last, so that the others
    don't wait with them.
    """
    word, k, end = Word(CRC_START), Word(at), Word(at + size)
    while k + Word(8) <= end:
        later = (
            TABLES[Word(5), block[k + Word(2)]]
            ^ TABLES[Word(4), block[k + Word(3)]]
            ^ TABLES[Word(3), block[k + Word(4)]]
        )
        later ^= (
            TABLES[Word(2), block[k + Word(5)]]
            ^ TABLES[Word(1), block[k + Word(6)]]
            ^ TABLES[Word(0), block[k + Word(7)]]
        )
        first = TABLES[Word(7), block[k] ^ word >> Word(8)] ^ TABLES[Word(6), block[k + Word(1)] ^ word & Word(0xFF)]
        word = Word(later ^ first)
        k += Word(8)
    if k + Word(4) <= end:
        later = TABLES[Word(1), block[k + Word(2)]] ^ TABLES[Word(0), block[k + Word(3)]]
        first = TABLES[Word(3), block[k] ^ word >> Word(8)] ^ TABLES[Word(2), block[k + Word(1)] ^ word & Word(0xFF)]
        word = Word(later ^ first)
        k += Word(4)
    while k < end:
        word = Word(word << Word(8) & Word(0xFF00) ^ TABLES[Word(0), block[k] ^ word >> Word(8)])
        k += Word(1)
    return word


@njit(cache=True, error_model="numpy", nogil=True)
def frame_is_good(block: U1, at: int, size: int) -> bool:
    """Whether block[at : at + size] is a whole frame: inside the block, SYNC, FRAMESIZE = size, check word."""
    if at < 0 or size < MIN_FRAME or at + size > block.size:
        return False
    if block[at] != SYNC or (np.int64(block[at + 2]) << 8 | block[at + 3]) != size:
        return False
    return bool(check_word(block, at, size) == 0)


@njit(cache=True, error_model="numpy", nogil=True)
def check_words(block: U1, at: I8, size: I8) -> NDArray[np.bool_]:
    """[n] `frame_is_good` of frames at [n] with sizes [n]."""
    good = np.empty(at.size, np.bool_)
    for k in range(at.size):
        good[k] = frame_is_good(block, at[k], size[k])
    return good


@njit(cache=True, error_model="numpy", nogil=True)
def data_frames(block: U1, size: int, streams: I8) -> NDArray[np.bool_]:
    """[n] `frame_is_good` of frames of this size, end to end, that are DATA of these IDCODEs [n]."""
    good = np.empty(streams.size, np.bool_)
    for k in range(streams.size):
        at = k * size
        stream = np.int64(block[at + 4]) << 8 | np.int64(block[at + 5])
        good[k] = block[at + 1] >> 4 == DATA and stream == streams[k] and frame_is_good(block, at, size)
    return good


def warm() -> None:
    """Compile all for blocks that may be written to and those that may not (`bytes`)."""
    none = np.zeros(0, np.int64)
    for block in (np.zeros(MIN_FRAME, np.uint8), np.frombuffer(bytes(MIN_FRAME), np.uint8)):
        check_word(block, 0, MIN_FRAME)
        frame_is_good(block, 0, MIN_FRAME)
        check_words(block, none, none)
        data_frames(block, MIN_FRAME, none)
