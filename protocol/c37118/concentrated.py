"""DATA frames of one stream that carries many stations, as a PDC sends them.

`Bank.encode` makes frames of many streams and loops over stations. Here the stations are many and the stream is one:
neighbours of one shape are encoded together, so that a frame of 150 stations costs as many numpy calls as one of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocol.c37118.codec import HEAD_FIELDS, Shape, StationRows, block_fields, compile_codec, fill, sealed
from protocol.c37118.common import CHECK_SIZE, HEAD_SIZE, SYNC, FrameType
from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.conversion import Scales, stacked


class Group:
    """Stations that follow each other in a configuration and look alike."""

    def __init__(self, shape: Shape, scales: Sequence[Scales]) -> None:
        self.shape, self.count = shape, len(scales)
        self._scales = stacked(scales)
        self._dtype = np.dtype(block_fields(shape, 0))

    @property
    def size(self) -> int:
        """Bytes of all their blocks."""
        return self._dtype.itemsize * self.count

    def blocks(self, rows: StationRows) -> NDArray[np.uint8]:
        """[n, size] of rows status [n, m], values [n, m, c], digital [n, m, d]."""
        n, m = rows.status.shape
        flat = StationRows(rows.status.reshape(n * m), rows.values.reshape(n * m, -1), rows.digital.reshape(n * m, -1))
        image = np.zeros(n * m, self._dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            fill(image, 0, self.shape, flat, self._scales, np.tile(np.arange(m), n))
        return image.view(np.uint8).reshape(n, self.size)


class Concentrated:
    """Encodes the DATA of one configuration."""

    def __init__(self, cfg: ConfigurationFrame, sizes: Sequence[int] | None = None) -> None:
        """`sizes`: how many stations each group has, all of one shape; none: as many as follow each other alike."""
        codec = compile_codec(cfg)
        self.cfg, self.frame_size = cfg, codec.frame_size
        if sizes is None:
            sizes = [len(list(alike)) for _, alike in groupby(codec.shapes)]
        ends = list(accumulate(sizes))
        begins = [end - size for end, size in zip(ends, sizes, strict=True)]
        self.groups = [Group(codec.shapes[a], codec.scales[a:b]) for a, b in zip(begins, ends, strict=True)]
        """In the order of the frame."""

    def encode(
        self, rows: Sequence[StationRows], soc: ArrayLike, count: ArrayLike, quality: ArrayLike = 0
    ) -> list[bytes]:
        """n whole frames with check words.

        rows: of each group, status [n, m], values [n, m, c], digital [n, m, d]; NaN becomes the marker of the format,
        what an integer can't hold is held at its ends. soc [n], count [n] (FRACSEC) and quality [n] as `Bank.encode`.
        """
        head = np.zeros(len(np.atleast_1d(np.asarray(soc))), np.dtype(HEAD_FIELDS))
        head["sync"] = SYNC, FrameType.DATA << 4 | self.cfg.version
        head["size"], head["stream"] = self.frame_size, self.cfg.stream
        head["soc"] = soc
        head["fracsec"] = np.asarray(count, np.int64) | np.asarray(quality, np.int64) << 24
        parts: list[NDArray[Any]] = [head.view(np.uint8).reshape(len(head), HEAD_SIZE)]
        parts += [group.blocks(each) for group, each in zip(self.groups, rows, strict=True)]
        parts.append(np.zeros((len(head), CHECK_SIZE), np.uint8))
        return sealed(np.concatenate(parts, axis=1).tobytes(), self.frame_size)
