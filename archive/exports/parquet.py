"""Parquet, with pyarrow: a file for each station.

`time` is a timestamp in ns UTC, a row's own; the other columns are called as in CSV files. NaN is what the device
marked invalid. Units stand in the fields' metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archive.exports.blocks import Block, Order, Part
from archive.exports.formats import BlockWriter
from archive.exports.plan import Plan, Sheet, Track
from archive.exports.target import Target
from archive.exports.wide import columns_of, of_part
from archive.exports.wishes import told
from archive.folder import ArchiveError
from archive.settling import Settling

TYPES = {"values": "float32", "status": "uint16", "digital": "uint16", "quality": "uint8"}


class Parquet(BlockWriter):
    """A file for each track. Its footer is kept in memory until it is closed: one track is written after the other."""

    ORDER = Order.BY_TRACK

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self._arrow, self._parquet = _pyarrow()
        self._settling = Settling()
        self._open: dict[int, tuple[Any, Any]] = {}
        """By the track's id: its file, and what writes to it."""

    def write(self, sheet: Sheet, block: Block) -> None:
        now = {id(part.track) for part in block.parts}
        for track in self._open.keys() - now:
            self._close(track)
        for part in block.parts:
            if part.present.any():
                self._write_part(sheet, part, block.time)

    def _write_part(self, sheet: Sheet, part: Part, slots: Any) -> None:
        if id(part.track) not in self._open:
            file = open(self.target.file(part.track.label, ".parquet"), "wb")  # noqa: SIM115
            self._open[id(part.track)] = file, self._parquet.ParquetWriter(file, self._schema(sheet, part.track))
        file, out = self._open[id(part.track)]
        here = part.present
        arrays = [self._arrow.array((slots + part.offset)[here].astype("datetime64[ns]"), out.schema.field(0).type)]
        for at, (channel, which) in enumerate(columns_of(part.track), 1):
            values = np.ascontiguousarray(of_part(channel.field, which, part)[here])
            arrays.append(self._arrow.array(values, out.schema.field(at).type, from_pandas=False))
        out.write_table(self._arrow.Table.from_arrays(arrays, schema=out.schema))
        file.flush()
        self._settling.grown(Path(file.name), file.fileno(), file.tell())

    def _schema(self, sheet: Sheet, track: Track) -> Any:
        fields = [self._arrow.field("time", self._arrow.timestamp("ns", tz="UTC"), nullable=False)]
        for channel in track.channels:
            unit = {"unit": channel.unit} if channel.unit else None
            kind = getattr(self._arrow, TYPES[channel.field])()
            fields.append(self._arrow.field(channel.title, kind, nullable=False, metadata=unit))
        about = {"title": "SYMS synchronized measurements", "station": track.label, "table": sheet.table.name,
                 "asked": told(self.plan.wish), "onset": str(self.plan.wish.onset or "")}  # fmt: skip
        return self._arrow.schema(fields, metadata=about)

    def finish(self) -> None:
        for track in list(self._open):
            self._close(track)

    def _close(self, track: int) -> None:
        file, out = self._open.pop(track)
        out.close()
        file.close()

    def close(self) -> None:
        self.finish()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as fault:
        remedy = "pip install 'syms-station[parquet]', or choose another format"
        raise ArchiveError(f"Parquet needs pyarrow, which is not installed; {remedy}") from fault
    return pyarrow, pyarrow.parquet
