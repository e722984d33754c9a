"""The one writer of CSV long rows: `syms decode` and `syms export` print the same text for the same row.

    time_ns,stream,station_id,station,quantity,name,value

One line per quantity of a row, in this order: status (decimal), frequency [Hz], rocof [Hz/s], per phasor
magnitude [V or A, primary] and angle [degrees] (of a spectrum, per component: `VA h5`, `VA 37.5 Hz`), analogs, digital
words (decimal, as received). A value is printed with the fewest digits that give back the same float32; an invalid one
as `nan`. Devices that have an IDCODE of text (GB/T 26865.2, Q/GDW 131) have it in the columns stream and station_id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from protocol.messages import F4, I8, U1, U2, Aside, Configuration

HEADER = "time_ns,stream,station_id,station,quantity,name,value"
REASONS = {int(reason): "" if reason is Aside.NO else reason.name.lower() for reason in Aside}
BLOCK = 4096
"""Rows formatted at a time."""


@dataclass(frozen=True)
class Rows:
    """Rows of one station under one configuration."""

    configuration: Configuration
    time: I8
    """[n] ns UTC"""
    status: U2
    """[n]"""
    values: F4
    """[n, c]"""
    digital: U2
    """[n, d]"""
    aside: U1 | None = None
    """[n] `Aside` of each row; None: all stand at their places."""


def write_header(out: TextIO, aside: bool = False) -> None:
    """The header line; with an eighth column `aside` (reason, else empty) if the rows will have one."""
    out.write(f"{HEADER},aside\n" if aside else f"{HEADER}\n")


def write_rows(out: TextIO, blocks: Iterable[Rows], aside: bool = False) -> int:
    """Write blocks of rows in the order given; `aside` as for `write_header`. Returns the number of lines."""
    lines = 0
    for rows in blocks:
        names = _names(rows.configuration)
        for first in range(0, len(rows.time), BLOCK):
            out.write(_text(rows, slice(first, first + BLOCK), names, aside))
        lines += len(rows.time) * len(names)
    return lines


def _text(rows: Rows, part: slice, names: list[str], aside: bool) -> str:
    head = _prefix(rows.configuration)
    columns: list[list[str]] = [_whole(rows.status[part])]
    columns += [shortest(column) for column in rows.values[part].T]
    columns += [_whole(word) for word in rows.digital[part].T]
    reasons = rows.aside[part].tolist() if rows.aside is not None else [0] * len(rows.time[part])
    ends = [f",{REASONS.get(reason, reason)}\n" if aside else "\n" for reason in reasons]
    lines: list[str] = []
    for time, end, *values in zip(rows.time[part].tolist(), ends, *columns, strict=True):
        start = f"{time}{head}"
        lines += [f"{start}{name}{value}{end}" for name, value in zip(names, values, strict=True)]
    return "".join(lines)


def shortest(values: F4) -> list[str]:
    """Each float32 with the fewest digits that give it back; `nan` for NaN."""
    texts: list[str] = values.astype("U").tolist()
    return texts


def _whole(values: NDArray[np.uint16]) -> list[str]:
    return [str(value) for value in values.tolist()]


def _prefix(configuration: Configuration) -> str:
    detail = configuration.detail
    stream = _quoted(str(detail.get("identity", configuration.stream)))
    station = _quoted(str(detail.get("station_identity", configuration.station)))
    return f",{stream},{station},{_quoted(configuration.name)},"


def _names(configuration: Configuration) -> list[str]:
    """`quantity,name,` of each line of a row."""
    key = (tuple(configuration.phasor_channels), tuple(configuration.analogs), configuration.table[3])
    return _cached_names(*key)


@lru_cache(maxsize=4096)
def _cached_names(phasors: tuple[str, ...], analogs: tuple[str, ...], words: int) -> list[str]:
    names = ["status,,", "frequency,,", "rocof,,"]
    for phasor in phasors:
        names += [f"magnitude,{_quoted(phasor)},", f"angle,{_quoted(phasor)},"]
    names += [f"analog,{_quoted(analog)}," for analog in analogs]
    return names + [f"digital,word {number}," for number in range(1, words + 1)]


def _quoted(text: str) -> str:
    """A CSV field (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
