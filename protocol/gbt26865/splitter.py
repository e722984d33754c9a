"""The splitter of C37.118 (its rules stand there) for these frames."""

from __future__ import annotations

from protocol.c37118 import splitter
from protocol.gbt26865.common import CRC_START, EDITIONS, KINDS, MIN_FRAME


class Splitter(splitter.Splitter):
    """Whole frames with a good check word out of bytes in any cut."""

    start = CRC_START
    heads = frozenset(kind << 4 | edition for kind in KINDS for edition in EDITIONS)
    smallest = MIN_FRAME
    piece = -1
