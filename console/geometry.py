"""Where devices stand in a drawing that knows no places: by region, in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDE = 2.0
"""Width over height of a region's block, and of the whole."""
HEAD, GAP = 1.0, 0.5
"""Of a block for its name, and between blocks; in cells, of which each device has one."""
FEW, BROAD = 60, 2.4
"""Of so many devices cells are broader than high by this, so that names have room."""


@dataclass(frozen=True)
class Schematic:
    """In cells, from the upper left corner."""

    places: list[tuple[float, float]]
    """Of each device."""
    boxes: list[tuple[float, float, float, float, str]]
    """x, y, width, height, name of each region."""


def schematic(regions: Sequence[str]) -> Schematic:
    """Of devices by the regions that they are in, in their order."""
    cell = BROAD if len(regions) <= FEW else 1.0
    members: dict[str, list[int]] = {}
    for device, region in enumerate(regions):
        members.setdefault(region, []).append(device)
    sizes = {name: _block(len(mine), cell) for name, mine in members.items()}
    area = sum((width * cell + GAP) * (height + HEAD + GAP) for width, height in sizes.values())
    most = max(math.sqrt(area * WIDE), *(width * cell for width, _ in sizes.values()), 1.0) if sizes else 1.0
    places = [(0.0, 0.0)] * len(regions)
    boxes = []
    x, y, row = 0.0, 0.0, 0.0
    for name in sorted(sizes):
        width, height = sizes[name]
        if x and x + width * cell > most + 1e-9:
            x, y, row = 0.0, y + row + GAP, 0.0
        boxes.append((x, y, width * cell, height + HEAD, name))
        for k, device in enumerate(members[name]):
            places[device] = x + (k % width + 0.5) * cell, y + HEAD + k // width + 0.5
        x, row = x + width * cell + GAP, max(row, height + HEAD)
    return Schematic(places, boxes)


def _block(count: int, cell: float) -> tuple[int, int]:
    """Columns and rows for so many."""
    columns = max(2, math.ceil(math.sqrt(count * WIDE / cell)))
    return columns, math.ceil(count / columns)
