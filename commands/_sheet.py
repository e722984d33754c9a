"""Devices in a table (CSV, Excel): one a row, a column for each setting of the site file.

The columns are the settings of `nodes._sitedevice.Device`, and those of its `link` beside them: what a site file can
say, a table can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from zipfile import BadZipFile

from pydantic import ValidationError

from commands._sitefile import Entry, SiteFile
from nodes import _tables, _yaml
from nodes._faults import Fault, Faulty, Lines, explain
from nodes._sitedevice import Device, Link

COLUMNS = {
    **{name: (name,) for name in Device.model_fields},
    **{name: ("link", name) for name in Link.model_fields if name not in Device.model_fields},
}
"""Column -> where its setting stands in an entry."""
_TEXTS = frozenset((str, bytes))


@dataclass(frozen=True)
class Row:
    """A device, as it was given."""

    line: int
    """Of the table, its heading is 1."""
    entry: Entry


def read(path: Path) -> list[Row]:
    """The devices in a table. Raises Faulty with every fault of every cell."""
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return rows(str(path), _excel(path))
    return rows(str(path), [cells for _, cells in _tables.read(path, wanted="CSV or .xlsx file")])


def _excel(path: Path) -> list[list[Any]]:
    import openpyxl  # only who imports from Excel waits for it
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError as fault:
        raise _faulty(path, 1, f"cannot be read: {fault.strerror or fault}", "name a CSV or .xlsx file") from fault
    except (InvalidFileException, BadZipFile, KeyError, ValueError, EOFError) as fault:
        raise _faulty(path, 1, f"is no .xlsx file: {fault}", "save it anew as .xlsx") from fault
    try:
        return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()


def _faulty(path: Path, line: int, what: str, remedy: str) -> Faulty:
    return Faulty([Fault(str(path), line, what, remedy)])


def rows(name: str, table: Sequence[Sequence[Any]]) -> list[Row]:
    """Rows of a table with a heading. Raises Faulty."""
    faults: list[Fault] = []
    columns = _tables.heading(name, table[0] if table else [], COLUMNS, ["name"], faults)
    found = []
    for line, cells in enumerate(table[1:], 2):
        if any(not _tables.is_empty(cell) for cell in cells):
            found.append(Row(line, _entry(name, line, columns, cells, faults)))
    if not found and not faults:
        faults.append(Fault(name, 1, "no devices", "a row for each, below the heading"))
    if faults:
        raise Faulty(faults)
    return found


def _entry(name: str, line: int, columns: Sequence[str], cells: Sequence[Any], faults: list[Fault]) -> Entry:
    """One row; what is wrong in it goes to `faults`."""
    entry: Entry = {}
    for position, cell in enumerate(cells):
        column = columns[position] if position < len(columns) else ""
        if _tables.is_empty(cell) or column not in COLUMNS:
            if not column and not _tables.is_empty(cell):
                faults.append(Fault(name, line, f"{cell!r} stands in no column", "give the column a heading"))
            continue
        try:
            put(entry, column, cell)
        except ValueError as fault:
            faults.append(Fault(name, line, f"column {column}: {fault}", "write it as in a site file"))
    faults.extend(_judged(name, line, entry))
    return entry


def put(entry: Entry, column: str, cell: Any) -> None:
    """A setting into an entry. Raises ValueError for a cell that can't be one, KeyError for an unknown column."""
    *around, key = COLUMNS[column]
    value = _value(column, cell)
    if around:
        link = entry.setdefault("link", {})
        if not isinstance(link, dict):
            raise ValueError(f"{cell!r}, beside link {link!r}")
        link[key] = value
    elif key == "link" and entry.get("link") and value != "dials_in":
        raise ValueError(f"{cell!r}, beside {', '.join(entry['link'])}")
    elif key != "link" or value != "dials_in" or not entry.get("link"):
        entry[key] = value


def _value(column: str, cell: Any) -> Any:
    """What a cell means: what the same word means in YAML."""
    if isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else cell
    if not isinstance(cell, str):
        raise ValueError(f"{cell} is a {type(cell).__name__}, no text or number")
    text = cell.strip()
    if _is_text(column):
        return text
    if not text.startswith(("{", "[")):
        return _yaml.scalar(text)
    lines = Lines("", {}, [])
    value = _yaml.parse(text, lines)
    if lines.faults:
        raise ValueError(lines.faults[0].what)
    return value


def _is_text(column: str) -> bool:
    """Whether a setting is text, whatever it looks like: `007` is a name."""
    model = Device if column in Device.model_fields else Link
    return not _TEXTS.isdisjoint(_bases(model.model_fields[column].annotation))


def _bases(annotation: Any) -> set[Any]:
    """The plain types that a setting may have."""
    if get_origin(annotation) is Annotated:
        return _bases(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {base for each in get_args(annotation) for base in _bases(each)}
    return {annotation}


def _judged(name: str, line: int, entry: Entry) -> Iterator[Fault]:
    """What the site file would say of it."""
    try:
        Device.model_validate({"number": 1} | entry)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            column = next((str(step) for step in reversed(detail["loc"]) if step in COLUMNS), "")
            what, remedy = explain(detail, Device, str(entry.get("name", "")) or "a device")
            yield Fault(name, line, f"column {column}: {what}" if column else what, remedy)


def numbered(rows: Sequence[Row], site: SiteFile) -> list[Row]:
    """With a number each: those without get the next ones. Raises Faulty if there is none left."""
    taken = [int(row.entry["number"]) for row in rows if "number" in row.entry]
    found = []
    for row in rows:
        number = row.entry.get("number") or site.free_number(taken)
        if number is None:
            raise Faulty([Fault(str(site.path), 1, "no number is free below 32768", "number the devices by hand")])
        taken.append(int(number))
        order = {"name": row.entry.get("name"), "number": number}
        found.append(Row(row.line, order | {key: value for key, value in row.entry.items() if key not in order}))
    return found
