"""Raw data around an event, in the file of that event: as in a finished file, cropped to an interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archive import layout
from archive.reading import Extract
from archive.stations import key_of
from archive.tables import write_table
from protocol.messages import Configuration


def write_clip(out: Any, root: Path, devices: set[int], start: int, stop: int, alone: bool = False) -> None:
    """Each table that has one of the devices or its spectrum, in [start, stop) ns; absent if nothing is there.

    `alone`: without the other devices of those tables.
    """

    def wanted(each: Configuration) -> bool:
        return each.device in devices or key_of(each).station in devices

    extract = Extract(root, start, stop)
    for name, held in extract.configurations.items():
        table = layout.table_of(name)
        if table is None or not any(wanted(each) for each in held):
            continue
        with extract.joined(name) as rows:
            there = rows.crop()
            first, end = layout.first_slot(start, table.rate), layout.first_slot(stop, table.rate)
            if there is not None and (first := max(first, there[0])) < (end := min(end, there[1])):
                write_table(out.create_group(name), rows.only(wanted) if alone else rows, first, end)
