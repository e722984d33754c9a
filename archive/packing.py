"""Chunks of finished files, packed: what HDF5's shuffle and deflate filters make, made plane by plane.

The shuffle filter puts the first bytes of all values of a chunk together, then all second bytes, and so on. These
planes have nothing in common: the low bytes of measured floats are noise, the high ones hardly change. One zlib
setting for all of them is slow where nothing can be gained, and finds short repetitions in noise that cost more
than they save. So every plane is packed in the way that suits it (stored, runs and Huffman codes, or repetitions
too), and the pieces are joined to one zlib stream (RFC 1950), which every HDF5 reader inflates and unshuffles as
usual.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.uint8]
"""[bytes of a value, values] a chunk after the shuffle filter"""
FILTERS = {"shuffle": True, "compression": "gzip", "compression_opts": 6}
"""What a dataset of such chunks says of itself."""
HEADER = b"\x78\x9c"
NOISE = 7.85
"""Bits of entropy of a byte above which a plane is stored: it might shrink by a fiftieth."""
SAMPLE = 4
"""Every so many bytes of a plane are counted for that."""
TRIALS = 12
"""Every so many chunks of a kind both ways are tried."""
LAST = b"\x03\x00"
"""An empty final block of a deflate stream."""


class Way(IntEnum):
    """How a plane is packed, and the strategy of zlib that does it."""

    RUNS = zlib.Z_RLE
    """Huffman codes and runs of one byte: right for noise about a value that hardly changes."""
    REPEATS = zlib.Z_DEFAULT_STRATEGY
    """Repetitions too: right for what takes few different values, or follows itself."""


LEVEL = {Way.RUNS: 1, Way.REPEATS: 4}


def planes(rows: NDArray[Any]) -> Planes:
    """[c * bytes of a value, n] of rows [n, c]: the planes of channel k are those from k * bytes on."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return np.ascontiguousarray(flat.view(np.uint8).T)


class Packer:
    """Packs chunks one after the other; remembers what suited those of the same kind before."""

    def __init__(self) -> None:
        self._ways: dict[tuple[int, int], Way] = {}
        self._count: dict[int, int] = {}

    def pack(self, chunk: Planes, kind: int = 0) -> bytes:
        """A chunk as the filters leave it. `kind`: chunks of one channel are alike."""
        count = self._count.get(kind, 0)
        self._count[kind] = count + 1
        parts = [self._plane(plane, (kind, at), count % TRIALS == 0) for at, plane in enumerate(chunk)]
        return b"".join([HEADER, *parts, LAST, struct.pack(">I", zlib.adler32(chunk.data))])

    def _plane(self, plane: Planes, kind: tuple[int, int], trial: bool) -> bytes:
        if _entropy(plane[::SAMPLE]) > NOISE:
            return _stored(plane)
        if not trial:
            return _deflated(plane, self._ways.get(kind, Way.RUNS))
        packed = {way: _deflated(plane, way) for way in Way}
        self._ways[kind] = min(packed, key=lambda way: len(packed[way]))
        return packed[self._ways[kind]]


def _entropy(plane: Planes) -> float:
    """Bits a byte, if each came by itself."""
    counts = np.bincount(plane)
    share = counts[counts > 0] / len(plane)
    return float(-(share * np.log2(share)).sum())


def _stored(plane: Planes) -> bytes:
    """Blocks of a deflate stream that hold bytes as they are; at most 65535 each."""
    pieces = [plane[at : at + 65535] for at in range(0, len(plane), 65535)]
    return b"".join(struct.pack("<BHH", 0, len(each), len(each) ^ 0xFFFF) + each.tobytes() for each in pieces)


def _deflated(plane: Planes, way: Way) -> bytes:
    """Blocks of a deflate stream that end with a byte, and refer to nothing before them."""
    packer = zlib.compressobj(LEVEL[way], zlib.DEFLATED, -15, 9, int(way))
    return packer.compress(plane.data) + packer.flush(zlib.Z_SYNC_FLUSH)
