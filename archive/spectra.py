"""Spectra in finished files: by phasor and component, not in one row of channels as in parts.

    /<table>/values [device, channel, time]: frequency, ROCOF, analogs
             magnitude, angle [device, phasor, order, time], or [device, phasor, frequency, time]
             phasor, order (of harmonics) or frequency (of inter-harmonics, Hz): dimension scales
             phasor_names, phasor_units [device, phasor]
             component [device, order]: only where devices differ; `order` is a plain index then

Tables without components have `values` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.messages import FIXED_CHANNELS, Configuration, Spectrum, Table

QUANTITIES = ("magnitude", "angle")
"""As they follow each other in a row."""


def axis(table: Table) -> str:
    """Dimension of the components."""
    return "order" if table.spectrum is Spectrum.HARMONICS else "frequency"


def has_components(table: Table) -> bool:
    """Whether there are phasors with components in it."""
    return bool(table.spectrum and table.phasors)


def datasets(table: Table) -> tuple[str, ...]:
    """What the values of a row stand in."""
    return ("values", *QUANTITIES) if has_components(table) else ("values",)


def plain(table: Table) -> list[int]:
    """Channels of a row that stand in `values`."""
    channels = list(range(table.channels))
    if has_components(table):
        del channels[FIXED_CHANNELS : _end(table)]
    return channels


def split(table: Table, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Values of rows [n, c] by dataset: [n, channel] and [n, phasor, component]."""
    if not has_components(table):
        return {"values": rows}
    pairs = rows[:, FIXED_CHANNELS : _end(table)].reshape(len(rows), table.phasors, table.components, 2)
    return {"values": rows[:, plain(table)]} | {name: pairs[..., at] for at, name in enumerate(QUANTITIES)}


def united(table: Table, parts: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Values of rows [n, c]; inverse of `split`."""
    if not has_components(table):
        return parts["values"]
    rows = np.empty((len(parts["values"]), table.channels), parts["values"].dtype)
    rows[:, plain(table)] = parts["values"]
    for at, name in enumerate(QUANTITIES):
        rows[:, FIXED_CHANNELS + at : _end(table) : 2] = parts[name].reshape(
            len(rows), table.phasors * table.components
        )
    return rows


def place(table: Table, first: int, many: int | None) -> tuple[str, tuple[Any, ...]]:
    """(dataset, index between device and time) of one channel, or of `many` as `all_components` tells them."""
    if not has_components(table) or not FIXED_CHANNELS <= first < _end(table):
        return "values", (plain(table).index(first),)
    pair, which = divmod(first - FIXED_CHANNELS, 2)
    phasor, component = divmod(pair, table.components)
    if many is None:
        return QUANTITIES[which], (phasor, component)
    return QUANTITIES[which], (slice(phasor, phasor + many // table.components), slice(None))


def all_components(table: Table, quantity: str, phasor: int | None) -> tuple[int, int]:
    """(first channel, how many, every second one) of a phasor's components; without one, of all phasors'."""
    first = FIXED_CHANNELS + QUANTITIES.index(quantity) + 2 * (phasor or 0) * table.components
    return first, table.components * (table.phasors if phasor is None else 1)


def _end(table: Table) -> int:
    """Channel after the last component."""
    return FIXED_CHANNELS + 2 * table.phasors * table.components


def coordinates(table: Table, held: Sequence[Configuration]) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """(coordinates [k] of the components, None), or (0 to k - 1, those of each device [m, k]) if devices differ."""
    each = np.array([list(configuration.components) for configuration in held], np.float64)
    each = each.reshape(len(held), table.components)
    if len(each) and (each != each[0]).any():
        return np.arange(table.components), each
    shared = each[0] if len(each) else np.zeros(table.components)
    return shared.astype(np.int64) if (shared == np.round(shared)).all() and table.orders else shared, None


def about(table: Table, differ: bool) -> str:
    """What the dimension of the components is."""
    what = "order of the harmonic" if table.orders else "frequency of the inter-harmonic in Hz"
    return f"index into component, which has the {what} of each device" if differ else what
