"""Rows as xarray. Kept apart: xarray is an extra, and slow to import."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archive import layout, spectra
from archive.folder import ArchiveError
from archive.groups import channel_names, channel_units, labels, phasor_labels
from archive.sources import Joined
from protocol import clock
from protocol.messages import Configuration, Table

if TYPE_CHECKING:
    from archive.repaired import Repaired


def dataset(rows: Joined, start: int, end: int) -> Any:
    """Rows with slot times in [start, end) as `xarray.Dataset`, of the shape that finished files have."""
    table, span = rows.table, rows.crop()
    first, stop = span or (0, 0)
    if span is not None:
        first = max(first, layout.first_slot(max(start, 0), table.rate))
        stop = max(first, min(stop, layout.first_slot(min(end, 1 << 62), table.rate)))
    check_memory(layout.row_bytes(table) * len(rows.configurations) * (stop - first))
    block = rows.block(range(len(rows.configurations)), first, stop)
    block["values"][block["present"] == 0] = np.nan
    time = clock.slot_time(np.arange(first, stop, dtype=np.int64), table.rate)
    held, channels = rows.configurations, spectra.plain(table)
    data = _values(table, block["values"])
    data |= {name: (("device", "time"), block[name]) for name in ("status", "quality", "offset", "present")}
    if table.digitals:
        data["digital"] = (("device", "word", "time"), block["digital"].swapaxes(1, 2))
    data["names"] = (("device", "channel"), np.array([channel_names(each) for each in held])[:, channels])
    data["units"] = (("device", "channel"), np.array([channel_units(each) for each in held])[:, channels])
    coordinates: dict[str, Any] = {
        "device": labels(held), "channel": [layout.channels(table)[each] for each in channels],
        "time": time.astype("datetime64[ns]"),
    }  # fmt: skip
    for name in ("latitude", "longitude", "elevation"):
        coordinates[name] = ("device", np.array([getattr(each, name) for each in held], dtype=np.float64))
    if table.digitals:
        coordinates["word"] = np.arange(1, table.digitals + 1)
    if spectra.has_components(table):
        _add_components(data, coordinates, table, held)
    return _xarray().Dataset(data, coordinates, {"table": table.name, "rate": table.rate})


def _values(table: Table, values: NDArray[np.float32]) -> dict[str, Any]:
    """Values [device, slot, channel] of rows, as variables."""
    devices, slots, _ = values.shape
    parts = spectra.split(table, values.reshape(devices * slots, table.channels))
    dimensions = {"values": ("device", "channel", "time")}
    by_component = ("device", "phasor", spectra.axis(table), "time")
    return {
        name: (dimensions.get(name, by_component), np.moveaxis(part.reshape(devices, slots, *part.shape[1:]), 1, -1))
        for name, part in parts.items()
    }


def _add_components(data: dict[str, Any], coordinates: dict[str, Any], table: Table,
                    held: Sequence[Configuration]) -> None:  # fmt: skip
    axis = spectra.axis(table)
    coordinates["phasor"] = phasor_labels(held)
    coordinates[axis], own = spectra.coordinates(table, held)
    if own is not None:
        data["component"] = (("device", axis), own)
    data["phasor_names"] = (("device", "phasor"), np.array([each.phasors for each in held]))
    data["phasor_units"] = (("device", "phasor"), np.array([each.phasor_units for each in held]))


def series(time: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]], units: Mapping[str, str]) -> Any:
    """Series [n] on one time axis as `xarray.Dataset`, each with its unit."""
    data = {name: ("time", each, {"units": units[name]} if units[name] else {}) for name, each in values.items()}
    return _xarray().Dataset(data, {"time": time.astype("datetime64[ns]")})


def repaired_dataset(found: Repaired, units: Mapping[str, str]) -> Any:
    """Series of several devices as measured, and as they most probably were, as `xarray.Dataset`."""
    data: dict[str, Any] = {}
    for name, unit in units.items():
        data[name] = (("device", "time"), found.measured[name], {"units": unit})
        about = {
            "units": unit,
            "repaired": 1,
            "long_name": f"{name} without bad data; `how` says what stands behind it",
        }
        data[f"{name}_repaired"] = (("device", "time"), found.repaired[name], about)
    meanings = {"flag_values": np.arange(3, dtype=np.uint8), "flag_meanings": "measured repaired missing"}
    data["how"] = (("device", "time"), found.how, meanings)
    data["phasor"] = ("device", np.array(found.phasors, object))
    flags: dict[str, Any] = {
        name: np.array([getattr(flag, name) for flag in found.flags]) for name in ("start", "stop")
    }
    time = np.append(found.time, 2 * found.time[-1:] - found.time[-2:-1])
    data |= {f"flag_{name}": ("flag", time[at.astype(np.intp)]) for name, at in flags.items()}
    data["flag_kind"] = ("flag", np.array([str(flag.kind) for flag in found.flags], object))
    data["flag_device"] = ("flag", np.array([found.devices[flag.device] for flag in found.flags], object))
    coordinates = {"device": np.array(found.devices, object), "time": found.time.astype("datetime64[ns]")}
    return _xarray().Dataset(data, coordinates)


def check_memory(size: int) -> None:
    """Raises ArchiveError if this machine can't hold so many bytes."""
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise ArchiveError(f"that would be {size >> 20} MiB in memory; open a shorter interval, or use get()")


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as fault:
        raise ArchiveError("xarray is not installed; pip install 'syms-station[archive]'") from fault
    return xarray
