"""The rows of several columns become one: redundant streams the best one, a missing row that of its shadow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.columns import Columns, Counters
from algorithms.redundancy import best, ranks

At = NDArray[np.intp]
I8 = NDArray[np.int64]

MODIFIED = np.uint16(0x0200)
"""STAT bit 9: data modified by post-processing (C37.118.2-2011)."""
REMEMBERED = 1024
"""Slots of which it is known whose row was told: what comes later for them is a duplicate."""
NOBODY = -1


@dataclass(frozen=True)
class Plan:
    """How the columns of slots become fewer."""

    device: NDArray[np.uint32]
    """[g] told"""
    members: At
    """[g, r] columns of its streams, the preferred one first, filled up with `NOBODY`."""
    shadow: At
    """[g] column of what fills its gaps, or `NOBODY`."""


def plan(
    device: NDArray[np.uint32], target: Mapping[int, int], members: Mapping[int, Sequence[int]],
    shadows: Mapping[int, int],
) -> Plan | None:  # fmt: skip
    """For columns of these devices; None if each is told as it is. `shadows`: shadow's number -> device."""
    numbers = device.tolist()
    if not any(number in target or number in shadows for number in numbers):
        return None
    at = {number: column for column, number in enumerate(numbers)}
    shadow = {target.get(shadows[number], shadows[number]): at[number] for number in numbers if number in shadows}
    own = {target.get(number, number) for number in numbers if number not in shadows}
    told = sorted(own | shadow.keys())
    streams = [[at[each] for each in members.get(number, [number]) if each in at] for number in told]
    width = max(1, *map(len, streams))
    return Plan(
        np.array(told, np.uint32),
        np.array([each + [NOBODY] * (width - len(each)) for each in streams], np.intp),
        np.array([shadow.get(number, NOBODY) for number in told], np.intp),
    )


class Merger:
    """Of one table."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        """With `redundant` and `filled`."""
        self._columns = Columns()
        self._told = np.zeros((REMEMBERED, 0), np.int64)
        """[slot % REMEMBERED, m] the slot that was told of a device."""

    def merge(self, released: Released, how: Plan, late: bool = False) -> Released:
        """The slots with one column for each device that is told."""
        present = released.present != 0
        came = released.came if released.came is not None else np.zeros(present.shape, np.int64)
        chosen = best(ranks(present, released.status, released.quality, came), how.members)
        there = _there(present, chosen)
        streams = np.where(how.members >= 0, present[:, how.members], False).sum(axis=-1)
        told_before = self._remember(released.slot, how, there, late)
        self._counters.add("redundant", how.device, (streams - (there & ~told_before)).sum(axis=0))
        there &= ~told_before
        filled = np.zeros_like(there)
        if (how.shadow >= 0).any() and not late:
            shadow = np.broadcast_to(how.shadow, there.shape)
            filled = ~there & _there(present, shadow)
            chosen = np.where(filled, shadow, chosen)
            self._counters.add("filled", how.device, filled.sum(axis=0))
        merged = _gather(released, how, chosen, there | filled)
        merged.status[filled] |= MODIFIED
        return merged

    def _remember(self, slot: I8, how: Plan, there: NDArray[np.bool_], late: bool) -> NDArray[np.bool_]:
        """[k, g] which were told before, if these came late; what is told now is kept in mind."""
        column = self._columns.of(how.device)
        more = len(self._columns) - self._told.shape[1]
        if more:
            self._told = np.concatenate([self._told, np.full((REMEMBERED, more), NOBODY, np.int64)], axis=1)
        cells = np.ix_(slot % REMEMBERED, column)
        known = self._told[cells]
        before = known == slot[:, None]
        kept = there & (slot[:, None] > known) if late else there  # one of long ago takes no newer one's place
        self._told[cells] = np.where(kept, slot[:, None], known)
        twice: NDArray[np.bool_] = before & there & late
        return twice


def _there(present: NDArray[np.bool_], column: At) -> NDArray[np.bool_]:
    """[k, g] whether there is a row in these columns [k, g]."""
    found: NDArray[np.bool_] = np.take_along_axis(present, np.maximum(column, 0), axis=1) & (column >= 0)
    return found


def _gather(released: Released, how: Plan, chosen: At, there: NDArray[np.bool_]) -> Released:
    rows, columns = np.arange(len(chosen))[:, None], np.maximum(chosen, 0)
    cells: dict[str, NDArray[Any]] = {}
    for name, nothing in (("quality", 0), ("status", 0), ("values", np.nan), ("digital", 0)):
        cells[name] = getattr(released, name)[rows, columns]
        cells[name][~there] = nothing
    return replace(released, device=how.device, present=there.view(np.uint8), **cells, came=None)
