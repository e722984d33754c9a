"""The grid that a site file names: tables of buses and lines, the bus of each device, and how its frequency answers.

    network: {buses: buses.csv, lines: lines.csv}
    frequency_response: 1500 MW/Hz
    devices:
      - {name: Wind Farm A, number: 1, stream: 7, bus: NORTH-220}

buses.csv has `name` and, where they are known, `latitude` and `longitude`; lines.csv `from`, `to`, `reactance` (all in
ohms of one voltage, or all per unit of one base), and, where there is something to say, `name`, `circuit` (of lines
side by side) and `transformer` (yes, no).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from algorithms.electrical import Network
from nodes import _tables
from nodes._faults import Fault, Faulty, Lines, explain, suggestion
from nodes._settings import FilePath, Number, Settings, fault
from protocol.messages import split_device

Row = TypeVar("Row", bound=Settings)

MOST_BUSES = 5000
"""All pairs of buses are reckoned with: 200 MB twice, and a minute when a detector starts."""


class Tables(Settings):
    """The tables of a network."""

    buses: FilePath
    """CSV of buses: name, latitude, longitude."""
    lines: FilePath
    """CSV of lines and transformers: from, to, reactance, name, circuit, transformer."""


class Bus(Settings):
    """A row of the table of buses."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None

    @model_validator(mode="after")
    def _is_placed(self) -> Bus:
        if (self.latitude is None) != (self.longitude is None):
            given, lacking = ("latitude", "longitude") if self.longitude is None else ("longitude", "latitude")
            raise fault(f"{self.name} has a {given} and no {lacking}", "give both, or neither")
        return self


class Line(Settings):
    """A row of the table of lines."""

    start: Annotated[str, Field(min_length=1, alias="from")]
    stop: Annotated[str, Field(min_length=1, alias="to")]
    reactance: Annotated[Number, Field(gt=0)]
    name: str = ""
    circuit: str = ""
    transformer: bool = False


@dataclass(frozen=True)
class Grid:
    """A network, and where the devices of a site are in it."""

    network: Network
    """Without devices."""
    bus: dict[int, int]
    """Number of a link -> place of its bus."""

    def of(self, devices: Iterable[int]) -> Network:
        """The network with the buses of the devices (`protocol.messages.device_number`) of a window."""
        at = [self.bus.get(split_device(device)[0], -1) for device in devices]
        return replace(self.network, devices=np.array(at, np.intp))


def check(tables: Tables | None, devices: Sequence[Any], lines: Lines) -> None:
    """Note what is wrong with the network of a site file: in its tables, and in the buses that devices name."""
    if tables is None:
        for position, device in enumerate(devices):
            if device.bus is not None:
                what = f"{device.name} is at bus {device.bus!r}, but there is no network"
                lines.fault(("devices", position, "bus"), what, "add network: {buses: …, lines: …}, or leave bus out")
        return
    try:
        names = load(tables, ()).network.buses
    except Faulty as faulty:
        lines.faults.extend(replace(fault, file=_shown(Path(fault.file), lines)) for fault in faulty.faults)
        return
    known = set(names)
    for position, device in enumerate(devices):
        if device.bus is not None and device.bus not in known:
            what = f"{device.name}: no bus {device.bus!r} in {_shown(tables.buses, lines)}"
            lines.fault(("devices", position, "bus"), what, suggestion(device.bus, known))


def _shown(path: Path, lines: Lines) -> str:
    """A table as the site file is shown."""
    site = Path(lines.file)
    try:
        return str(site.parent / path.relative_to(site.resolve().parent))
    except ValueError:
        return str(path)


def load(tables: Tables, devices: Sequence[Any]) -> Grid:
    """The network of a site. Raises Faulty with every fault of both tables.

    A bus without a position has that of the first device there; a device at a bus that there is not, has none.
    """
    faults: list[Fault] = []
    buses = _buses(tables.buses, faults)
    links = list(_lines(tables.lines, {bus.name for bus in buses}, faults)) if buses else []
    if faults:
        raise Faulty(faults)
    place = {bus.name: k for k, bus in enumerate(buses)}
    at = {device.number: place[device.bus] for device in devices if device.bus in place}
    position = np.array([[bus.latitude, bus.longitude] for bus in buses], np.float64).reshape(-1, 2)
    for device in devices:
        if device.number in at and np.isnan(position[at[device.number]]).any() and device.latitude is not None:
            position[at[device.number]] = device.latitude, np.nan if device.longitude is None else device.longitude
    network = Network(
        tuple(place),
        np.array([place[line.start] for line in links], np.intp),
        np.array([place[line.stop] for line in links], np.intp),
        np.array([line.reactance for line in links]),
        np.empty(0, np.intp),
        position[:, 0],
        position[:, 1],
        tuple(_called(line) for line in links),
    )
    return Grid(network, at)


def _called(line: Line) -> str:
    what = "transformer" if line.transformer else "line"
    circuit = f" circuit {line.circuit}" if line.circuit else ""
    own = f" ({line.name})" if line.name else ""
    return f"{what} {line.start} - {line.stop}{circuit}{own}"


def _buses(path: Path, faults: list[Fault]) -> list[Bus]:
    found: dict[str, tuple[int, Bus]] = {}
    for number, bus in _rows(path, Bus, faults):
        first, _ = found.setdefault(bus.name, (number, bus))
        if first != number:
            faults.append(Fault(str(path), number, f"bus {bus.name!r} stands already in line {first}", "keep one"))
    if len(found) > MOST_BUSES:
        remedy = "give the part of the grid that the devices are in"
        faults.append(Fault(str(path), 1, f"{len(found)} buses; {MOST_BUSES} are the most", remedy))
    return [bus for _, bus in found.values()]


def _lines(path: Path, buses: set[str], faults: list[Fault]) -> Iterator[Line]:
    seen: dict[tuple[str, ...], int] = {}
    for number, line in _rows(path, Line, faults):
        faults.extend(
            Fault(str(path), number, f"no bus {end!r} in the table of buses", suggestion(end, buses))
            for end in (line.start, line.stop)
            if end not in buses
        )
        if line.start == line.stop:
            faults.append(Fault(str(path), number, f"a line from {line.start!r} to itself", "leave it out"))
        key = (*sorted((line.start, line.stop)), line.circuit)
        first = seen.setdefault(key, number)
        if first != number:
            what = f"the line {line.start} - {line.stop} stands already in line {first}"
            faults.append(Fault(str(path), number, what, "keep one, or tell lines side by side apart by `circuit`"))
        yield line


def _rows(path: Path, model: type[Row], faults: list[Fault]) -> Iterator[tuple[int, Row]]:
    """(line, row) of those rows that have no fault."""
    try:
        table = _tables.read(path)
    except Faulty as faulty:
        faults.extend(faulty.faults)
        return
    fields = {spec.alias or name: spec for name, spec in model.model_fields.items()}
    needed = [name for name, spec in fields.items() if spec.is_required()]
    before = len(faults)
    columns = _tables.heading(str(path), table[0][1] if table else [], fields, needed, faults)
    if len(faults) > before:
        return
    what = model.__name__.lower()
    if all(_tables.is_empty(cell) for _, cells in table[1:] for cell in cells):
        faults.append(Fault(str(path), 1, f"no {what} in it", f"add a row for each {what}: {', '.join(needed)}"))
    for number, cells in table[1:]:
        values = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name and cell.strip()}
        if not values:
            continue
        try:
            yield number, model.model_validate(values)
        except ValidationError as error:
            faults.extend(
                Fault(str(path), number, *explain(detail, model, what)) for detail in error.errors(include_url=False)
            )
