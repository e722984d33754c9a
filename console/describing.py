"""A device in words and figures, as a panel shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import phasors
from algorithms.sequences import unbalance
from archive.picking import told_apart
from console.model import Reading
from console.quantities import names, source
from console.texts import Texts
from protocol.c37118.status import describe_quality, describe_status
from protocol.clock import SECOND
from protocol.gbt26865 import status as chinese
from protocol.messages import FIXED_CHANNELS, Configuration, Table
from protocol.threephase import sets_of

PROTOCOLS = {"c37118": "IEEE C37.118", "gbt26865": "GB/T 26865.2", "smd": "GB/T 26865.2 (SMD)"}
OFF = "!"
"""Before a value that is not as it should be."""
NONE = "\N{EN DASH}"
LATE = 3.0
"""Seconds after which the last row is old, or three of its periods."""


@dataclass(frozen=True)
class Block:
    """Rows of one kind: each has a name and as many values as there are columns."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def described(
    known: Configuration, reading: tuple[Reading, NDArray[np.uint16], int] | None, flags: Sequence[str], now: int,
    text: Texts,
) -> list[Block]:  # fmt: skip
    """All that is known of it; `now` [ns UTC] is what its age is told by."""
    if reading is None:
        return [_identity(known, text)]
    row, digital, heard = reading
    values = row.values if row.present else np.full_like(row.values, np.nan)
    age = (now - heard) / SECOND if heard else math.inf
    blocks = [_status(known, row, flags, age, text), _plain(known, values, text), _phasors(known, values, text)]
    blocks += [_analogs(known, values, text), _digitals(known, digital, text), _identity(known, text)]
    return [block for block in blocks if block.rows]


def _identity(known: Configuration, text: Texts) -> Block:
    table = Table(*known.table)
    rate = f"{table.rate} / s" if table.rate > 0 else f"1 / {-table.rate} s"
    place = NONE if math.isnan(known.latitude) else f"{known.latitude:.4f}°, {known.longitude:.4f}°"
    protocol = PROTOCOLS.get(known.protocol, known.protocol)
    told = {"name": known.name, "link": known.link, "region": known.region or NONE, "protocol": protocol,
            "rate": rate, "idcode": f"{known.stream} / {known.station}", "place": place}  # fmt: skip
    return Block(text("device.identity"), [""], [(text(f"device.{name}"), [value]) for name, value in told.items()])


def _status(known: Configuration, row: Reading, flags: Sequence[str], age: float, text: Texts) -> Block:
    words = chinese.describe_status(row.status) if known.protocol != "c37118" else describe_status(row.status)
    time = describe_quality(row.quality)["time"]
    old = age > max(LATE, 3 * -Table(*known.table).rate)
    told = {
        "age": _off(f"{age:.1f} s" if age < 1e6 else NONE, old),
        "stat": f"0x{row.status:04X}",
        "data": _off(text.of("stat", words["data"]), row.status >= 0x4000),
        "clock": _off(
            text.of("stat", "synchronised" if words["synchronised"] else "not synchronised"), not words["synchronised"]
        ),
        "time_quality": _off(text.of("stat", time), row.quality & 15 != 0),
        "trigger": _off(text.of("stat", words["trigger_reason"]), True) if words["trigger"] else text("device.no"),
        "flags": _off(", ".join(text.of("fault", each) for each in sorted(set(flags))), True)
        if flags
        else text("device.no"),
    }
    rows = [(text(f"device.{name}"), [value]) for name, value in told.items()]
    if words.get("configuration_change"):
        rows.append((text("device.configuration"), [_off(text("device.changes"), True)]))
    if words.get("modified"):
        rows.append((text("device.values"), [text("device.modified")]))
    return Block(text("device.status"), [""], rows)


def _off(value: str, is_: bool) -> str:
    return OFF + value if is_ else value


def _plain(known: Configuration, values: Any, text: Texts) -> Block:
    rows = [(text("quantity.frequency"), [f"{figure(values[0], 4)} Hz"])]
    rows += [(text("quantity.rocof"), [f"{figure(values[1], 3)} Hz/s"])]
    for quantity, short in (("active", "P"), ("reactive", "Q")):
        for name in names(known, quantity):
            how = source(known, quantity, name)
            if how:
                told = float(how.compute(values[how.channels][:, None])[0])
                rows.append((f"{short} {name}", [f"{figure(told, 2)} {how.unit}"]))
    for each in sets_of(known):
        at = FIXED_CHANNELS + 2 * np.array(each.phasors)
        told = float(unbalance(phasors(values[at].astype(np.float64), values[at + 1])))
        rows.append((text("quantity.unbalance", name=each.name), [f"{figure(told, 2)} %"]))
    return Block(text("device.figures"), [""], rows)


def _phasors(known: Configuration, values: Any, text: Texts) -> Block:
    rows = []
    for place, (name, unit) in enumerate(zip(told_apart(known.phasors), known.phasor_units, strict=True)):
        size, angle = values[FIXED_CHANNELS + 2 * place], values[FIXED_CHANNELS + 2 * place + 1]
        shown = f"{figure(size / 1000, 3)} kV" if unit == "V" else f"{figure(size, 1)} A"
        rows.append((name, [shown, f"{figure(angle, 2)}°"]))
    return Block(text("device.phasors"), [text("quantity.magnitude"), text("quantity.angle")], rows)


def _analogs(known: Configuration, values: Any, text: Texts) -> Block:
    first = len(values) - len(known.analogs)
    rows = []
    for place, (name, unit) in enumerate(zip(told_apart(known.analogs), known.analog_units, strict=True)):
        rows.append((name, [f"{figure(values[first + place])} {'' if unit.startswith('user') else unit}".strip()]))
    return Block(text("device.analogs"), [""], rows)


def _digitals(known: Configuration, digital: NDArray[np.uint16], text: Texts) -> Block:
    rows = []
    for place, labels in enumerate(known.digitals[: digital.size]):
        word, normal = int(digital[place]), known.digital_normal[place]
        valid = known.digital_valid[place] or 0xFFFF
        for bit, label in enumerate(labels):
            if valid >> bit & 1 and label.strip():
                value = word >> bit & 1
                rows.append((label, [_off(str(value), value != normal >> bit & 1)]))
    return Block(text("device.digitals"), [""], rows)


def figure(value: Any, digits: int | None = None) -> str:
    """A number with so many digits behind the point, else as fits its size; a dash for none."""
    told = float(value)
    if not math.isfinite(told):
        return NONE
    if digits is None:
        size = abs(told)
        digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{told:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def values_of(blocks: Sequence[Block]) -> list[str]:
    """All values in order."""
    return [value for block in blocks for _, row in block.rows for value in row]
