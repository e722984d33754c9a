"""COMTRADE (IEEE C37.111-2013): a configuration and a data file for each station, or both in one (.cff).

A sample is a row. Where rows are missing the samples are told by their time stamps alone (nrates 0), else by rate.
Magnitudes, angles, frequency, ROCOF and analogs are analog channels in primary units (a value that the device marked
invalid is missing: 99999 in ASCII, 0x80000000 in BINARY32, NaN in FLOAT32); the bits of STAT and digital words are
status channels. Time quality is told once, for the whole record: the worst. Text is UTF-8.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archive.exports import cfg
from archive.exports.blocks import Block, Order, Part
from archive.exports.cfg import Bit, Kind, Scale
from archive.exports.formats import BlockWriter
from archive.exports.numbers import FORMAT, plain
from archive.exports.plan import Plan, Sheet, Track
from archive.exports.target import Target
from archive.exports.wide import of_part
from archive.folder import ArchiveError
from archive.settling import Settling, settle

MISSING = "99999"
WIDTH = 13
"""Characters of a number in an ASCII data file at most (clause 8.4)."""
STEP = 1 << 20
"""Bytes scaled or copied at a time."""
FULL = 2**31 - 2
"""Greatest scaled number; -2**31 is a missing one."""


@dataclass
class Record:
    """What is written of one track."""

    track: Track
    path: Path
    """Of its data."""
    pace: cfg.Pace
    bits: list[Bit]
    samples: int = 0
    quality: int = 0
    flags: int = 0
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    """[v] Least and greatest valid value of each channel."""

    @property
    def analog(self) -> int:
        """Number of analog channels."""
        return sum(channel.field == "values" for channel in self.track.channels)

    def row(self, number: str = "<f4") -> np.dtype[np.void]:
        """One sample of a binary data file."""
        words = -(-len(self.bits) // 16)
        return np.dtype([("n", "<u4"), ("t", "<u4"), ("a", number, (self.analog,)), ("d", "<u2", (words,))])


class Comtrade(BlockWriter):
    """A set of files for each track."""

    ORDER = Order.BY_HOUR

    def __init__(self, plan: Plan, target: Target, kind: Kind, combined: bool = False) -> None:
        """`combined`: one file (.cff) for each track."""
        super().__init__(plan, target)
        self._kind, self._combined = kind, combined
        self._settling = Settling()
        self._records: dict[int, Record] = {}
        empty = [track.label for track in plan.tracks if {channel.field for channel in track.channels} == {"quality"}]
        if empty:
            raise ArchiveError(f"COMTRADE has no channel for quality alone ({empty[0]}); choose other quantities too")
        for track in plan.tracks:
            path = target.file(track.label, ".dat")
            self._records[id(track)] = Record(track, path, cfg.pace(track), cfg.bits(track))

    def write(self, sheet: Sheet, block: Block) -> None:
        for part in block.parts:
            if part.present.any():
                self._write_part(self._records[id(part.track)], block.time, part)

    def _write_part(self, record: Record, slots: NDArray[np.int64], part: Part) -> None:
        here = part.present
        if not record.samples:
            first = int(slots[here][0] + part.offset[here][0])
            record.pace = cfg.Pace(first, record.pace.unit, record.pace.multiplier)
        stamp = slots[here] + part.offset[here] - record.pace.start
        step = record.pace.unit * record.pace.multiplier
        rows = np.empty(len(stamp), record.row())
        rows["n"] = record.samples + 1 + np.arange(len(stamp))
        rows["t"] = (np.maximum(stamp, 0) + step // 2) // step
        rows["a"] = np.where(np.isfinite(part.values[here]), part.values[here], np.float32(np.nan))
        rows["d"] = _words(record.bits, part)[here]
        record.samples += len(stamp)
        record.quality = max(record.quality, int((part.quality[here] & 0xF).max()))
        record.flags |= int(np.bitwise_or.reduce(part.quality[here]))
        _widen(record, rows["a"].astype(np.float64))
        with open(record.path, "ab") as out:
            if self._kind is Kind.ASCII:
                out.writelines(_lines(rows, len(record.bits)))
            else:
                out.write(rows.tobytes())
            out.flush()
            self._settling.grown(record.path, out.fileno(), out.tell())

    def finish(self) -> None:
        for record in self._records.values():
            scales = _scale(record) if self._kind is Kind.BINARY32 else [Scale()] * record.analog
            trigger = record.pace.start if self.plan.wish.onset is None else self.plan.wish.onset
            text = cfg.text(record.track, self._kind, record.pace, trigger, scales, record.quality,
                            cfg.leap_second(record.flags))  # fmt: skip
            if self._combined:
                _combine(text, record.path, self._kind)
            else:
                record.path.with_name(record.path.name.removesuffix(".dat") + ".cfg").write_bytes(text.encode())


def _words(bits: list[Bit], part: Part) -> NDArray[np.uint16]:
    """[n, w] Status channels, 16 in a word, the first one in bit 0."""
    states = np.zeros((len(part.present), -(-len(bits) // 16) * 16), np.uint8)
    for at, bit in enumerate(bits):
        states[:, at] = of_part(bit.field, bit.word, part) >> bit.bit & 1
    return np.packbits(states, axis=1, bitorder="little").view("<u2")


def _widen(record: Record, values: NDArray[np.float64]) -> None:
    """Note least and greatest values."""
    least = np.where(np.isnan(values), np.inf, values).min(axis=0)
    greatest = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    record.low = least if record.low is None else np.minimum(record.low, least)
    record.high = greatest if record.high is None else np.maximum(record.high, greatest)


def _lines(rows: NDArray[np.void], bits: int) -> Iterator[bytes]:
    """Samples of an ASCII data file."""
    states = np.unpackbits(np.ascontiguousarray(rows["d"]).view(np.uint8), axis=1, count=bits, bitorder="little")
    digits = ",".join(["%d"] * bits)
    values = plain(rows["a"].astype(np.float32)).tolist()
    for n, t, analog, state in zip(rows["n"].tolist(), rows["t"].tolist(), values, states.tolist(), strict=True):
        cells = [str(n), str(t), *map(_number, analog), *([digits % tuple(state)] if bits else [])]
        yield (",".join(cells) + "\r\n").encode()


def _number(value: float) -> str:
    """A value in at most 13 characters; of small ones that need more, seven digits."""
    if value != value:
        return MISSING
    told = FORMAT % value
    if len(told) > WIDTH:
        told = f"{value:.6e}"
    return f"{told}.0" if told == MISSING else told


def _scale(record: Record) -> list[Scale]:
    """Turn float32 in a data file into whole numbers that fill 32 bits, in place; returns what they mean."""
    low, high = record.low, record.high
    assert low is not None
    assert high is not None
    none = ~np.isfinite(low) | ~np.isfinite(high)
    low, high = np.where(none, 0.0, low), np.where(none, 0.0, high)
    b = (low + high) / 2
    a = np.where(high > low, (high - low) / 2 / FULL, 1.0)
    samples = max(1, STEP // record.row().itemsize) * record.row().itemsize
    with open(record.path, "r+b") as out:
        while data := bytearray(out.read(samples)):
            values = np.frombuffer(data, record.row())["a"].astype(np.float64)
            valid = ~np.isnan(values)
            rows = np.frombuffer(data, record.row("<i4"))
            rows["a"] = np.where(valid, np.rint((np.where(valid, values, b) - b) / a), -(2**31))
            out.seek(-len(data), os.SEEK_CUR)
            out.write(rows.tobytes())
            out.flush()
        settle(out.fileno())
    return [Scale(*pair) for pair in zip(a.tolist(), b.tolist(), strict=True)]


def _combine(text: str, data: Path, kind: Kind) -> None:
    """Configuration and data as one file, clause 10, in the place of the data file."""
    size = data.stat().st_size
    told = "" if kind is Kind.ASCII else f": {size}"
    path = data.with_name(data.name.removesuffix(".dat") + ".cff")
    with open(path, "wb") as out, open(data, "rb") as source:
        out.write(f"--- file type: CFG ---\r\n{text}".encode())
        out.write(b"--- file type: INF ---\r\n--- file type: HDR ---\r\n")
        out.write(f"--- file type: DAT {kind.value}{told} ---\r\n".encode())
        while piece := source.read(STEP):
            out.write(piece)
        out.flush()
        settle(out.fileno())
    data.unlink()
