"""One hour's finished file (or none yet) and its parts, by table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from archive import layout
from archive.parts import Part
from archive.sources import (
    AsideRows,
    FinishedSource,
    Joined,
    PartSource,
    aside_of_group,
    aside_of_part,
    join_aside,
)
from protocol.messages import Table


def _tables(file: Any, parts: Sequence[Part]) -> list[Table]:
    names = {part.table.name for part in parts}
    if file is not None:
        names |= {name for name in file if layout.table_of(name)} | set(file.get("aside", {}))
    return [table for name in sorted(names) if (table := layout.table_of(name)) is not None]


def joined(file: Any, parts: Sequence[Part]) -> Iterator[tuple[Table, Joined]]:
    """The rows at their places, by table; the finished file speaks first."""
    for table in _tables(file, parts):
        sources: list[PartSource | FinishedSource] = []
        if file is not None and table.name in file:
            sources.append(FinishedSource(file[table.name], table))
        sources += [PartSource(part) for part in parts if part.table == table and not part.is_aside]
        if sources:
            yield table, Joined(table, sources)


def joined_aside(file: Any, parts: Sequence[Part]) -> Iterator[tuple[Table, AsideRows]]:
    """The rows set aside, by table."""
    for table in _tables(file, parts):
        found = [aside_of_part(part) for part in parts if part.table == table and part.is_aside]
        if file is not None and f"aside/{table.name}" in file:
            found.append(aside_of_group(file[f"aside/{table.name}"], table))
        found = [each for each in found if len(each.column)]
        if found:
            yield table, join_aside(found)
