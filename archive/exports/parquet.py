"""Parquet, with pyarrow: a file for each table, with the columns of the CSV files.

`time` is a timestamp in ns UTC. A cell is null where there is no row, NaN where the device said invalid. Units stand in
the fields' metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archive.exports.blocks import Block
from archive.exports.formats import BlockWriter
from archive.exports.plan import Plan, Sheet
from archive.exports.target import Settling, Target
from archive.exports.wide import Column, cells, columns
from archive.exports.wishes import told
from archive.folder import ArchiveError

TYPES = {"values": "float32", "status": "uint16", "digital": "uint16", "quality": "uint8", "offset": "int64"}


class Parquet(BlockWriter):
    """A file for each table."""

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self._arrow, self._parquet = _pyarrow()
        self._settling = Settling()
        self._columns: list[Column] = []
        self._file: Any = None
        self._out: Any = None

    def begin(self, sheet: Sheet) -> None:
        self._columns = columns(sheet)
        fields = [self._arrow.field("time", self._arrow.timestamp("ns", tz="UTC"), nullable=False)]
        for column in self._columns:
            unit = {"unit": column.unit} if column.unit else None
            fields.append(self._arrow.field(column.title, getattr(self._arrow, TYPES[column.field])(), metadata=unit))
        about = {"title": "SYMS synchronized measurements", "table": sheet.table.name, "asked": told(self.plan.wish),
                 "onset": str(self.plan.wish.onset or "")}  # fmt: skip
        self._file = open(self.target.file(sheet.table.name, ".parquet"), "wb")  # noqa: SIM115
        self._out = self._parquet.ParquetWriter(self._file, self._arrow.schema(fields, metadata=about))

    def write(self, sheet: Sheet, block: Block) -> None:
        arrays = [self._arrow.array(block.time.astype("datetime64[ns]"), self._out.schema.field(0).type)]
        for at, column in enumerate(self._columns, 1):
            values, there = cells(column, block)
            kind = self._out.schema.field(at).type
            arrays.append(self._arrow.array(np.ascontiguousarray(values), kind, mask=~there, from_pandas=False))
        self._out.write_table(self._arrow.Table.from_arrays(arrays, schema=self._out.schema))
        self._file.flush()
        self._settling.grown(Path(self._file.name), self._file.fileno(), self._file.tell())

    def end(self, sheet: Sheet) -> None:
        self._out.close()
        self._out = None
        self.close()

    def close(self) -> None:
        if self._file is not None:
            if self._out is not None:
                self._out.close()
            self._file.close()
            self._file = self._out = None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as fault:
        remedy = "pip install 'syms-station[parquet]', or choose another format"
        raise ArchiveError(f"Parquet needs pyarrow, which is not installed; {remedy}") from fault
    return pyarrow, pyarrow.parquet
