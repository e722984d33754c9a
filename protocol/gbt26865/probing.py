"""Whose frames are these: C37.118's or ours? The check word tells, never the version in SYNC: both have 2 and 3."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Literal

from protocol.c37118 import common, splitter
from protocol.gbt26865.common import sound
from protocol.gbt26865.splitter import Splitter

Protocol = Literal["c37118", "gbt26865"]
PROTOCOLS: tuple[Protocol, ...] = ("c37118", "gbt26865")
LOOK = 1 << 20
"""Bytes of a stream that are looked at."""


def protocol_of(frame: bytes) -> Protocol | None:
    """Of a whole frame; None if neither check word fits. (Both never do: the two CRCs differ for every length.)"""
    if sound(frame):
        return "gbt26865"
    return "c37118" if len(frame) >= common.MIN_FRAME and crc_hqx(frame, common.CRC_START) == 0 else None


def probe(data: bytes) -> Protocol | None:
    """Of the beginning of a stream, whatever else is in it: the one that more bytes are frames of; None without frames.

    By chance one candidate in 65,536 is a frame of the other.
    """
    data = data[:LOOK]
    ours, theirs = (sum(map(len, each.feed(data) + each.close())) for each in (Splitter(), splitter.Splitter()))
    if ours == theirs:
        return None
    return "gbt26865" if ours > theirs else "c37118"
