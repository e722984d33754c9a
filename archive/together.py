"""Quantities of several stations, tables and rates on one time axis, resampled on demand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algorithms.interpolation import interpolate, mean, nearest, previous
from archive import layout
from archive.asking import Asked, Piece
from archive.datasets import check_memory, series
from archive.folder import ArchiveError
from archive.spans import FIRST, LAST, Moment, instant
from protocol import clock

if TYPE_CHECKING:
    from archive.reading import Extract

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
Times = str | Sequence[Moment] | NDArray[Any]
Quantity = tuple[str, str] | tuple[str, str, str]
"""(device, quantity[, name of the channel]), as for `Extract.get`."""
Quantities = Mapping[str, Quantity] | Sequence[Quantity]
HELD = {"status", "quality", "digital"}
"""What has no values between two samples."""
LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zµ]+)\s*")
RATE = re.compile(r"\s*([1-9]\d*)\s*/\s*s\s*")


class Method(StrEnum):
    """How a value comes to an instant that has no sample."""

    LINEAR = "linear"
    PREVIOUS = "previous"
    NEAREST = "nearest"
    MEAN = "mean"


@dataclass(frozen=True)
class Together:
    """Series on one time axis."""

    time: I8
    """[n] ns UTC"""
    values: dict[str, F8]
    """Name to [n]; NaN where there is nothing to say."""
    units: dict[str, str]
    """Name to unit, empty for words and bytes."""

    def __getitem__(self, name: str) -> F8:
        return self.values[name]

    def to_xarray(self) -> Any:
        """As `xarray.Dataset`, each series [time]. Raises ArchiveError if xarray is missing."""
        return series(self.time, self.values, self.units)


def together(extract: Extract, times: Times, quantities: Quantities, method: str, gap: int | str | None) -> Together:
    """See `Extract.at`."""
    how, bridged = _method(method), _length(gap) if isinstance(gap, str) else gap
    asked = {name: extract.asked(*each) for name, each in _named(quantities).items()}
    axis = Grid(times) if isinstance(times, str) else Instants(times, extract, how)
    low, high = axis.span(extract)
    reach = max([axis.step, *(_gap(rate, bridged) for each in asked.values() for rate in each.rates)])
    pieces = extract.between(max(low - reach, FIRST), min(high + reach, LAST)).samples(list(asked.values()))
    at = axis.over(*_limits((low, high), pieces, axis.step if how is Method.MEAN else 1), len(asked) + 1)
    values = {
        name: _series(some, each, how, at, axis.step, bridged)
        for (name, each), some in zip(asked.items(), pieces, strict=True)
    }
    return Together(at, values, {name: each.unit for name, each in asked.items()})


class Grid:
    """Instants that a step is multiplied to, from 1970 on, or the reporting grid of a rate."""

    def __init__(self, text: str) -> None:
        """Of "20 ms", "1 s" or "50/s"."""
        match = RATE.fullmatch(text)
        self._rate = int(match[1]) if match else 0
        self.step = clock.period(self._rate) if self._rate else _length(text)

    def span(self, extract: Extract) -> tuple[int, int]:
        """[low, high) ns in which instants may lie."""
        return extract.start, extract.end

    def over(self, low: int, high: int, columns: int) -> I8:
        """[n] the instants in [low, high) ns. Raises ArchiveError if so many rows fit no memory."""
        check_memory(max(high - low, 0) // self.step * columns * 8)
        if self._rate:
            slots = np.arange(layout.first_slot(low, self._rate), layout.first_slot(high, self._rate), dtype=np.int64)
            return np.asarray(clock.slot_time(slots, self._rate))
        return np.arange(-(-low // self.step), -(-high // self.step), dtype=np.int64) * self.step


class Instants:
    """Instants that were told one by one."""

    def __init__(self, times: Sequence[Moment] | NDArray[Any], extract: Extract, how: Method) -> None:
        """Raises ArchiveError if one is not in the interval, or they make no steps where steps are averaged."""
        self._at = _instants(times)
        outside = self._at[(self._at < extract.start) | (self._at >= extract.end)]
        if len(outside):
            moment = f"{layout.moment(int(outside[0])):%Y-%m-%dT%H:%M:%S.%fZ}"
            raise ArchiveError(f"{moment} is not in the interval that was opened; open a longer one")
        if how is Method.MEAN and (len(self._at) < 2 or (np.diff(self._at) <= 0).any()):
            raise ArchiveError("means are of the steps between instants: name two or more, ascending, or a step")
        self.step = int(self._at[-1] - self._at[-2]) if how is Method.MEAN else 1

    def span(self, _: Extract) -> tuple[int, int]:
        """[low, high) ns in which they lie."""
        return (int(self._at.min()), int(self._at.max()) + 1) if len(self._at) else (0, 0)

    def over(self, *_: int) -> I8:
        """[n] all of them."""
        return self._at


def _instants(times: Sequence[Moment] | NDArray[Any]) -> I8:
    """[n] ns UTC."""
    if not isinstance(times, np.ndarray):
        times = np.array([instant(each, 0) for each in times], np.int64)
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ns]").astype(np.int64)
    if times.dtype.kind not in "iu" or times.ndim != 1:
        raise ArchiveError(f"an array of {times.dtype} is no times: whole ns UTC (int64) or datetime64, in one row")
    return times.astype(np.int64)


def _length(text: str) -> int:
    """ns of "20 ms". Raises ArchiveError."""
    match = LENGTH.fullmatch(text)
    found = int(Decimal(match[1]) * clock.TIMES[match[2]]) if match and match[2] in clock.TIMES else 0
    if found < 1:
        raise ArchiveError(f'{text!r} is no length of time; write it as "20 ms", "1 s" (a step also as "50/s")')
    return found


def _method(method: str) -> Method:
    try:
        return Method(method)
    except ValueError as fault:
        raise ArchiveError(f"no method {method!r}: {', '.join(Method)}") from fault


def _named(quantities: Quantities) -> dict[str, Quantity]:
    """Quantities by name; those in a list by what they are."""
    named = quantities if isinstance(quantities, Mapping) else {" ".join(each): each for each in quantities}
    for each in named.values():
        if isinstance(each, str) or not 2 <= len(each) <= 3:
            raise ArchiveError(f'{each!r} names no quantity; write it as ("Hub A", "magnitude", "VA")')
    return dict(named)


def _gap(rate: int, bridged: int | None) -> int:
    """ns between two samples of a table that are bridged."""
    return bridged if bridged is not None else clock.period(rate) * 3 // 2


def _limits(span: tuple[int, int], pieces: Sequence[Sequence[Piece]], step: int) -> tuple[int, int]:
    """[low, high) ns: the span, and where that has no limit, from the first sample's step to the last sample."""
    low, high = span
    first = min((int(each.time.min()) for some in pieces for each in some), default=1)
    last = max((int(each.time.max()) for some in pieces for each in some), default=0)
    return low if low > FIRST else first - step + 1, high if high < LAST else last + 1


def _series(pieces: Sequence[Piece], asked: Asked, how: Method, at: I8, step: int, bridged: int | None) -> F8:
    """[k] One quantity at all instants. Each table is taken by itself, those of the highest rate first."""
    found = np.full(len(at), np.nan)
    for rate in sorted({each.rate for each in pieces}, key=clock.period):
        time = np.concatenate([each.time for each in pieces if each.rate == rate])
        values = np.concatenate([each.values for each in pieces if each.rate == rate]).astype(np.float64)
        order = np.argsort(time, kind="stable")
        order = order[~np.isnan(values[order])]
        one = _resampled(time[order], values[order], asked.quantity, how, at, step, _gap(rate, bridged))
        found = np.where(np.isnan(found), one, found)
    return found


def _resampled(time: I8, values: F8, quantity: str, how: Method, at: I8, step: int, gap: int) -> F8:
    """[k] Valid samples [n] of one quantity at some instants; `step` is the last one."""
    angle = np.array([quantity == "angle"])
    if quantity in HELD or how is Method.PREVIOUS:
        return np.append(values, np.nan)[previous(time, at, gap)]
    if how is Method.NEAREST:
        return np.append(values, np.nan)[nearest(time, at, gap // 2)]
    if how is Method.MEAN:
        return mean(time, values[:, None], angle, at, np.append(at[1:], at[-1:] + step))[:, 0]
    return interpolate(time, values[:, None], angle, at, gap)[:, 0]
