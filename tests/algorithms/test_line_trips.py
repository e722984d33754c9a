"""Which line tripped: the chain from phasors of a grid that is simulated, machines and all, to the line's name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from algorithms.electrical import Network
from algorithms.location import locate
from tests.algorithms.grids import Machines, measured, run
from tests.algorithms.seen import Seen

ONSET = 12.0
RING = 8
DEVICES = [0, 2, 3, 5, 6]
SIDE_BY_SIDE = {0: {0, 1}, 1: {0, 1}, 3: {3, 4}, 4: {3, 4}, 6: {6, 7}, 7: {6, 7}}
"""Lines in a row with no device between them: which of them it was shows in nothing but their loads."""


def grid() -> Machines:
    """Eight buses in a ring with two chords, three machines behind transformers, and a spur."""
    ring = [(k, (k + 1) % RING, 0.08 + 0.01 * k) for k in range(RING)]
    more = [(1, 5, 0.12), (2, 6, 0.15), (3, 8, 0.1), (0, 9, 0.05), (4, 10, 0.05), (6, 11, 0.05)]
    loads = {bus: part + 0.2j * part for bus, part in enumerate([0.2, 0.5, 0.7, 0.3, 0.2, 0.6, 0.1, 0.8, 0.1])}
    return Machines(ring + more, loads, [9, 10, 11], [10.0, 8.0, 6.0], [1.6, 1.2, 0.7])


@dataclass(frozen=True)
class Found:
    onset: float = ONSET - 0.1
    """Devices begin ten samples later than the grid."""


def trip(line: int) -> Seen:
    """What devices at some buses see of it."""
    change = (ONSET, lambda machines: machines.open_lines.add(line))
    voltage, _ = run(grid(), ONSET + 5.0, lambda t: np.zeros(3), change)
    nowhere = np.full((len(DEVICES), 2), np.nan)
    seen = measured(voltage[DEVICES], None, nowhere, seed=line, noise=2e-5)
    return Seen(np.zeros(seen.frequency.shape, bool), seen, np.ones(len(DEVICES), bool))


def network() -> Network:
    lines = grid().lines
    nowhere = np.full(12, np.nan)
    start, stop = (np.array([line[k] for line in lines]) for k in (0, 1))
    reactance = np.array([line[2] for line in lines])
    return Network(
        tuple(f"B{k}" for k in range(12)), start, stop, reactance, np.array(DEVICES), nowhere, nowhere,
        tuple(f"L{k}" for k in range(len(lines))),
    )  # fmt: skip


@pytest.mark.parametrize("line", range(RING + 2))
def test_the_line_that_trips_is_named(line: int) -> None:
    found = locate(trip(line), Found(), "line_trip", network())
    assert found is not None
    names = [name for name, _ in found.detail["named"]]
    alike = {f"L{k}" for k in SIDE_BY_SIDE.get(line, {line})}
    assert names[0] in alike
    assert f"L{line}" in names
    assert not {"L10", "L11", "L12", "L13"} & set(names)  # a spur and transformers: without them there are islands
