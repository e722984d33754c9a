"""Rows as xarray. Kept apart: xarray is an extra, and slow to import."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from archive import layout
from archive.folder import ArchiveError
from archive.groups import channel_names, channel_units, labels
from archive.sources import Joined
from protocol import clock


def dataset(rows: Joined, start: int, end: int) -> Any:
    """Rows with slot times in [start, end) as `xarray.Dataset`: values [device, channel, time] and so on."""
    try:
        import xarray
    except ImportError as fault:
        raise ArchiveError("xarray is not installed; pip install 'syms-station[archive]'") from fault
    table, span = rows.table, rows.crop()
    first, stop = span or (0, 0)
    if span is not None:
        first = max(first, layout.first_slot(max(start, 0), table.rate))
        stop = max(first, min(stop, layout.first_slot(min(end, 1 << 62), table.rate)))
    size = layout.row_bytes(table) * len(rows.configurations) * (stop - first)
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise ArchiveError(f"that would be {size >> 20} MiB in memory; open a shorter interval, or use get()")
    block = rows.block(range(len(rows.configurations)), first, stop)
    block["values"][block["present"] == 0] = np.nan
    time = clock.slot_time(np.arange(first, stop, dtype=np.int64), table.rate)
    held = rows.configurations
    data: dict[str, Any] = {"values": (("device", "channel", "time"), block["values"].swapaxes(1, 2))}
    data |= {name: (("device", "time"), block[name]) for name in ("status", "quality", "offset", "present")}
    if table.digitals:
        data["digital"] = (("device", "word", "time"), block["digital"].swapaxes(1, 2))
    data["names"] = (("device", "channel"), np.array([channel_names(each) for each in held]))
    data["units"] = (("device", "channel"), np.array([channel_units(each) for each in held]))
    coordinates: dict[str, Any] = {
        "device": labels(held), "channel": layout.channels(table), "time": time.astype("datetime64[ns]"),
    }  # fmt: skip
    for name in ("latitude", "longitude", "elevation"):
        coordinates[name] = ("device", np.array([getattr(each, name) for each in held], dtype=np.float64))
    if table.digitals:
        coordinates["word"] = np.arange(1, table.digitals + 1)
    return xarray.Dataset(data, coordinates, {"table": table.name, "rate": table.rate})
