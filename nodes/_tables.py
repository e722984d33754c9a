"""Tables that people write: CSV as spreadsheets save it, with the line of every row."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from nodes._faults import Fault, Faulty, suggestion

DELIMITERS = ",;\t"
"""The one that the heading has most of."""

Rows = list[tuple[int, list[str]]]
"""(line, cells); the heading first"""


def read(path: Path, shown: str | None = None, wanted: str = "CSV file") -> Rows:
    """The rows of a CSV file; `shown` is its name in faults. Raises Faulty."""
    name = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise Faulty([Fault(name, 1, f"cannot be read: {fault.strerror}", f"name a {wanted}")]) from fault
    except UnicodeDecodeError as fault:
        raise Faulty([Fault(name, 1, "is not UTF-8 text", f"save it as `CSV UTF-8`: a {wanted}")]) from fault
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: Rows = []
    try:
        while (cells := next(reader, None)) is not None:
            rows.append((reader.line_num, cells))
    except csv.Error as fault:
        raise Faulty([Fault(name, reader.line_num, f"is no CSV: {fault}", "mind quotes and line ends")]) from fault
    return rows


def heading(
    name: str, cells: Sequence[Any], known: Collection[str], needed: Sequence[str], faults: list[Fault]
) -> list[str]:
    """The columns that a heading names, "" for a cell without a word; what is wrong in it goes to `faults`."""
    columns = ["" if is_empty(cell) else str(cell).strip().casefold() for cell in cells]
    for column in dict.fromkeys(filter(None, columns)):
        if column not in known:
            faults.append(Fault(name, 1, f"unknown column {column!r}", suggestion(column, known)))
        elif columns.count(column) > 1:
            faults.append(Fault(name, 1, f"column {column!r} stands twice", "keep one"))
    remedy = f"the first row names the columns: {', '.join(known)}"
    faults.extend(Fault(name, 1, f"no column {column!r}", remedy) for column in needed if column not in columns)
    return columns


def is_empty(cell: Any) -> bool:
    """Whether nothing stands in a cell."""
    return cell is None or (isinstance(cell, str) and not cell.strip())
