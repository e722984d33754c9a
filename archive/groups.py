"""The groups of finished files and event files, as h5py, xarray, MATLAB and HDFView open them.

    /<table>/time [time] int64, nanoseconds since 1970-01-01; device, channel, word, bit: dimension scales
             values [device, channel, time] f4, NaN where there is no row or the device said invalid
             present, status, quality, offset [device, time]; digital [device, word, time]; present 0 = hole
             names, units [device, channel]; digital_names [device, word, bit]; latitude, longitude, … [device]
             of harmonics and inter-harmonics also magnitude, angle …, see archive/spectra.py
    /<table>/overview/…   see archive/overviews.py; what fills a table: archive/tables.py
    /aside/<table>/time, reason, status, … [row]; values [row, channel]

No dataset has a `units` attribute that reads like a duration: readers would turn it into one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import layout, spectra
from archive.configurations import to_json
from archive.picking import told_apart
from archive.sources import AsideRows
from protocol.messages import Aside, Configuration, Table

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


def describe(data: Any, group: Any, dimensions: Sequence[str], about: str) -> None:
    """What a dataset is, and the scales of its dimensions."""
    data.attrs["long_name"] = about
    for axis, dimension in enumerate(dimensions):
        data.dims[axis].attach_scale(group[dimension])


def scale(group: Any, name: str, values: Any, about: str) -> None:
    """A dimension."""
    data = group.create_dataset(name, data=values, dtype=TEXT if isinstance(values, list) else None)
    data.attrs["long_name"] = about
    data.make_scale(name)


def _add(group: Any, name: str, values: NDArray[Any], dimensions: Sequence[str], about: str) -> Any:
    data = group.create_dataset(name, data=values, dtype=TEXT if values.dtype == object else None)
    describe(data, group, dimensions, about)
    return data


def labels(configurations: Sequence[Configuration]) -> list[str]:
    """A name for each column, no two the same: the station's, with its link or a number where that is not enough."""
    names = Counter(configuration.name for configuration in configurations)
    full = [each.name if names[each.name] == 1 else f"{each.link}/{each.name}" for each in configurations]
    taken: dict[str, int] = {}
    found = []
    for name in full:
        taken[name] = taken.get(name, 0) + 1
        found.append(name if taken[name] == 1 else f"{name} ({taken[name]})")
    return found


def write_devices(group: Any, table: Table, held: Sequence[Configuration], channels: Sequence[int]) -> None:
    """What the columns are: dimension scales, coordinates, names and units of these channels."""
    scale(group, "device", labels(held), "station")
    scale(group, "channel", _some(layout.channels(table), channels), "channel, by its position in the frame")
    quantity = np.array(_some(layout.quantities(table), channels), dtype=object)
    _add(group, "quantity", quantity, ["channel"], "frequency [Hz], rocof [Hz/s], magnitude, angle [degrees], analog")
    both = ("device", "channel")
    names, units = ([_some(of(each), channels) for each in held] for of in (channel_names, channel_units))
    _add(group, "names", _grid(names), both, "channel names of each device")
    _add(group, "units", _grid(units), both, "units of each device's channels")
    if table.digitals:
        scale(group, "word", np.arange(1, table.digitals + 1), "digital word")
        scale(group, "bit", np.arange(16), "bit of a digital word, 0 = least significant")
        bits = np.array([each.digitals for each in held], dtype=object)
        _add(group, "digital_names", bits, ("device", "word", "bit"), "labels of the bits")
        for name in ("digital_normal", "digital_valid"):
            masks = np.array([getattr(each, name) for each in held], dtype=np.uint16)
            _add(group, name, masks, ("device", "word"), "mask as configured")
    for name, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east"), ("elevation", "m")):
        position = np.array([getattr(each, name) for each in held], dtype=np.float64)
        _add(group, name, position, ["device"], "of the station").attrs["units"] = unit
    for name, dtype, about in DEVICE:
        values = np.array([getattr(each, name) for each in held], dtype=dtype)
        _add(group, name if name != "device" else "device_number", values, ["device"], about)
    texts = np.array([to_json(each) for each in held], dtype=object)
    _add(group, "configuration", texts, ["device"], "all that the configuration said (JSON)")


def write_components(group: Any, table: Table, held: Sequence[Configuration]) -> None:
    """Dimensions of a spectrum, and what its phasors are."""
    scale(group, "phasor", phasor_labels(held), "phasor, by its name if all devices have the same ones")
    axis, both = spectra.axis(table), ("device", "phasor")
    values, own = spectra.coordinates(table, held)
    scale(group, axis, values, spectra.about(table, own is not None))
    if own is not None:
        _add(group, "component", own, ("device", axis), spectra.about(table, False))
    elif table.frequencies:
        group[axis].attrs["units"] = "Hz"
    _add(group, "phasor_names", _grid([each.phasors for each in held]), both, "phasor names of each device")
    _add(group, "phasor_units", _grid([each.phasor_units for each in held]), both, "units of the magnitudes")


def phasor_labels(held: Sequence[Configuration]) -> list[str]:
    """The phasors' names if all devices have the same ones, else their numbers from 1 on."""
    names = {tuple(told_apart(each.phasors)) for each in held}
    return list(names.pop()) if len(names) == 1 else [f"{at + 1}" for at in range(len(held[0].phasors) if held else 0)]


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


def _some(names: Sequence[str], channels: Sequence[int]) -> list[str]:
    return [names[channel] for channel in channels]


def _grid(rows: list[list[str]]) -> NDArray[Any]:
    return np.array(rows, dtype=object).reshape(len(rows), -1)


def channel_names(each: Configuration) -> list[str]:
    """Name of each value channel; a phasor's magnitude and angle share its name."""
    return [
        "frequency",
        "rocof",
        *(name for phasor in each.phasor_channels for name in (phasor, phasor)),
        *each.analogs,
    ]


def channel_units(each: Configuration) -> list[str]:
    """Unit of each value channel."""
    phasors = [text for unit in each.phasor_units for text in (unit, "degrees") * max(1, len(each.components))]
    return ["Hz", "Hz/s", *phasors, *each.analog_units]


def write_aside(group: Any, table: Table, aside: AsideRows) -> None:
    """Rows that do not stand at a place, with their own times and reasons."""
    write_devices(group, table, aside.configurations, range(table.channels))
    scale(group, "row", np.arange(len(aside.column)), "row, in order of time")
    _add(group, "column", aside.column.astype(np.uint32), ["row"], "index of the row's device")
    for name, field in layout.aside_fields(table).items():
        if name == "column":
            continue
        if name == "digest":
            scale(group, "digest_byte", np.arange(16), "byte of a digest")
        tail = {"values": ["channel"], "digital": ["word"], "digest": ["digest_byte"]}.get(name, [])
        data = _add(group, name, aside.rows[name], ["row", *tail], field.about)
        if name == "time":
            data.attrs["units"] = TIME_UNITS
            data.attrs["calendar"] = "proleptic_gregorian"
    group["reason"].attrs["reasons"] = ", ".join(f"{each.value}: {each.name.lower()}" for each in Aside)
