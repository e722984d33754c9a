"""The groups of finished files and event files, as h5py, xarray, MATLAB and HDFView open them.

    /<table>/time [time] int64, nanoseconds since 1970-01-01; device, channel, word, bit: dimension scales
             values [device, channel, time] f4, NaN where there is no row or the device said invalid
             present, status, quality, offset [device, time]; digital [device, word, time]; present 0 = hole
             names, units [device, channel]; digital_names [device, word, bit]; latitude, longitude, … [device]
    /aside/<table>/time, reason, status, … [row]; values [row, channel]

No dataset has a `units` attribute that reads like a duration: readers would turn it into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.configurations import to_json
from archive.parts import Rows
from archive.sources import AsideRows, Joined
from protocol import clock
from protocol.messages import Aside, Configuration, Table

MINUTE = 60
CHUNK_LIMIT = 64 << 20
"""Bytes of one chunk of `values`."""
BATCH = 32
"""Devices merged at a time."""
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": 4}
TEXT = h5py.string_dtype()
TIME_UNITS = "nanoseconds since 1970-01-01"


def write_root(out: Any, start: int, stop: int, site: str, merged: Sequence[str]) -> None:
    """What the file is, the site file, and which parts went in."""
    out.attrs["title"] = "SYMS synchronized measurements"
    out.attrs["Conventions"] = "CF-1.11"
    out.attrs["format"] = layout.FORMAT
    out.attrs["start"] = f"{layout.moment(start):%Y-%m-%dT%H:%M:%S.%fZ}"
    out.attrs["stop"] = f"{layout.moment(stop):%Y-%m-%dT%H:%M:%S.%fZ}"
    out.create_dataset("site", data=site, dtype=TEXT).attrs["long_name"] = "site file (YAML)"
    data = out.create_dataset("merged", data="\n".join(merged), dtype=TEXT)
    data.attrs["long_name"] = "parts that this file holds, one a line"


def write_table(group: Any, rows: Joined, first: int, stop: int) -> None:
    """One table for the slots [first, stop)."""
    table, count = rows.table, stop - first
    group.attrs["first_slot"] = first
    group.attrs["rate"] = table.rate
    group.attrs["about"] = "rate > 0: frames per second, < 0: seconds per frame"
    _write_time(group, table, first, count)
    _write_devices(group, table, rows.configurations)
    steps = _chunk(table, count)
    for name, (dtype, dimensions, about) in _fields(table).items():
        shape = [group[dimension].shape[0] for dimension in dimensions]
        fill = np.nan if name == "values" else 0
        data = group.create_dataset(name, shape, dtype, chunks=(1, *shape[1:-1], steps), fillvalue=fill, **PACKED)
        _describe(data, group, dimensions, about)
    group["values"].attrs["coordinates"] = "latitude longitude elevation"
    for low in range(0, len(rows.configurations), BATCH):
        columns = range(low, min(low + BATCH, len(rows.configurations)))
        for at in range(first, stop, steps):
            block = rows.block(columns, at, min(at + steps, stop))
            _write_block(group, block, low, slice(at - first, min(at + steps, stop) - first))


def _chunk(table: Table, count: int) -> int:
    """Slots of a chunk: a minute, unless that is all there is, or too large."""
    minute = MINUTE * table.rate if table.rate > 0 else max(1, MINUTE // -table.rate)
    return max(1, min(minute, count, CHUNK_LIMIT // (4 * table.channels)))


def _write_block(group: Any, block: Rows, low: int, slots: slice) -> None:
    """Fields of some devices from device `low` on; a device without rows there leaves no chunk."""
    block["values"][block["present"] == 0] = np.nan
    for row in np.flatnonzero(block["present"].any(axis=1)).tolist():
        for name, values in block.items():
            group[name][low + row, ..., slots] = np.moveaxis(values[row], 0, -1)


def _fields(table: Table) -> dict[str, tuple[str, tuple[str, ...], str]]:
    fields = {
        "values": ("<f4", ("device", "channel", "time"), "measurements; see names and units; NaN = absent or invalid"),
        "status": ("<u2", ("device", "time"), "STAT word of C37.118; only where present"),
        "quality": ("|u1", ("device", "time"), "time quality byte of FRACSEC; only where present"),
        "offset": (layout.offset_type(table.rate), ("device", "time"), "time of the row minus `time`, in ns"),
        "present": ("|u1", ("device", "time"), "1 = there is a row, 0 = none came"),
        "digital": ("<u2", ("device", "word", "time"), "digital words as received; only where present"),
    }
    if not table.digitals:
        del fields["digital"]
    return fields


def _write_time(group: Any, table: Table, first: int, count: int) -> None:
    data = group.create_dataset("time", (count,), "<i8", chunks=(min(count, 1 << 20),), **PACKED)
    for at in range(0, count, 1 << 20):
        slots = np.arange(at, min(at + (1 << 20), count), dtype=np.int64) + first
        data[at : at + len(slots)] = clock.slot_time(slots, table.rate)
    data.attrs["units"] = TIME_UNITS
    data.attrs["calendar"] = "proleptic_gregorian"
    data.attrs["standard_name"] = "time"
    data.make_scale("time")


def _describe(data: Any, group: Any, dimensions: Sequence[str], about: str) -> None:
    data.attrs["long_name"] = about
    for axis, dimension in enumerate(dimensions):
        data.dims[axis].attach_scale(group[dimension])


def _scale(group: Any, name: str, values: Any, about: str) -> None:
    data = group.create_dataset(name, data=values, dtype=TEXT if isinstance(values, list) else None)
    data.attrs["long_name"] = about
    data.make_scale(name)


def _add(group: Any, name: str, values: NDArray[Any], dimensions: Sequence[str], about: str) -> Any:
    data = group.create_dataset(name, data=values, dtype=TEXT if values.dtype == object else None)
    _describe(data, group, dimensions, about)
    return data


def labels(configurations: Sequence[Configuration]) -> list[str]:
    """A name for each column, no two the same: the station's, with its link or a number where that is not enough."""
    names = [configuration.name for configuration in configurations]
    full = [each.name if names.count(each.name) == 1 else f"{each.link}/{each.name}" for each in configurations]
    taken: dict[str, int] = {}
    found = []
    for name in full:
        taken[name] = taken.get(name, 0) + 1
        found.append(name if taken[name] == 1 else f"{name} ({taken[name]})")
    return found


def _write_devices(group: Any, table: Table, held: Sequence[Configuration], scale: str = "device") -> None:
    """What the columns are: dimension scales, names, units, coordinates."""
    _scale(group, scale, labels(held), "station")
    _scale(group, "channel", layout.channels(table), "channel, by its position in the frame")
    quantity = np.array(layout.quantities(table), dtype=object)
    _add(group, "quantity", quantity, ["channel"], "frequency [Hz], rocof [Hz/s], magnitude, angle [degrees], analog")
    both = (scale, "channel")
    _add(group, "names", _grid([channel_names(each) for each in held]), both, "channel names of each device")
    _add(group, "units", _grid([channel_units(each) for each in held]), both, "units of each device's channels")
    if table.digitals:
        _scale(group, "word", np.arange(1, table.digitals + 1), "digital word")
        _scale(group, "bit", np.arange(16), "bit of a digital word, 0 = least significant")
        bits = np.array([each.digitals for each in held], dtype=object)
        _add(group, "digital_names", bits, (scale, "word", "bit"), "labels of the bits")
        for name in ("digital_normal", "digital_valid"):
            masks = np.array([getattr(each, name) for each in held], dtype=np.uint16)
            _add(group, name, masks, (scale, "word"), "mask as configured")
    for name, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east"), ("elevation", "m")):
        position = np.array([getattr(each, name) for each in held], dtype=np.float64)
        _add(group, name, position, [scale], "of the station").attrs["units"] = unit
    for name, dtype, about in DEVICE:
        values = np.array([getattr(each, name) for each in held], dtype=dtype)
        _add(group, name if name != "device" else "device_number", values, [scale], about)
    texts = np.array([to_json(each) for each in held], dtype=object)
    _add(group, "configuration", texts, [scale], "all that the configuration said (JSON)")


DEVICE: list[tuple[str, Any, str]] = [
    ("device", np.uint32, "device number: link * 65536 + position of the station in its stream"),
    ("version", np.uint32, "version of the configuration: CRC-32 of its content"),
    ("link", object, "name of the link in the site file"),
    ("stream", np.uint16, "IDCODE of the frames"),
    ("station", np.uint16, "IDCODE of the station's block"),
    ("region", object, "region"),
    ("protocol", object, "protocol"),
    ("nominal", np.uint16, "nominal frequency [Hz]"),
    ("time_base", np.uint32, "TIME_BASE: counts per second of FRACSEC"),
]


def _grid(rows: list[list[str]]) -> NDArray[Any]:
    return np.array(rows, dtype=object).reshape(len(rows), -1)


def channel_names(each: Configuration) -> list[str]:
    """Name of each value channel; a phasor's magnitude and angle share its name."""
    return ["frequency", "rocof", *(name for phasor in each.phasors for name in (phasor, phasor)), *each.analogs]


def channel_units(each: Configuration) -> list[str]:
    """Unit of each value channel."""
    phasors = [text for unit in each.phasor_units for text in (unit, "degrees")]
    return ["Hz", "Hz/s", *phasors, *each.analog_units]


def write_aside(group: Any, table: Table, aside: AsideRows) -> None:
    """Rows that do not stand at a place, with their own times and reasons."""
    _write_devices(group, table, aside.configurations)
    _scale(group, "row", np.arange(len(aside.column)), "row, in order of time")
    _add(group, "column", aside.column.astype(np.uint32), ["row"], "index of the row's device")
    for name, field in layout.aside_fields(table).items():
        if name == "column":
            continue
        if name == "digest":
            _scale(group, "digest_byte", np.arange(16), "byte of a digest")
        tail = {"values": ["channel"], "digital": ["word"], "digest": ["digest_byte"]}.get(name, [])
        data = _add(group, name, aside.rows[name], ["row", *tail], field.about)
        if name == "time":
            data.attrs["units"] = TIME_UNITS
            data.attrs["calendar"] = "proleptic_gregorian"
    group["reason"].attrs["reasons"] = ", ".join(f"{each.value}: {each.name.lower()}" for each in Aside)
