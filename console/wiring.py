"""A pipeline as a drawing: boxes in the order of data, ways between them. Sugiyama's layers (IEEE SMC-11, 1981)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

BOX = (148.0, 84.0)
"""Width and height."""
GAP = (34.0, 16.0)
"""Between columns; between what stands below each other."""
LANE = 10.0
"""Height that a way needs where it passes a column."""
EDGE = 6.0
SWEEPS = 4
"""Over all columns, to and fro, so that ways cross little."""


@dataclass(frozen=True)
class Unit:
    """A node of the pipeline file."""

    name: str
    kind: str
    copies: int = 1
    host: str = ""

    def has(self, process: str) -> bool:
        """Whether a process is one of its copies, or stands in for one."""
        return process == self.name or process.rpartition(".")[0] == self.name


@dataclass(frozen=True)
class Wiring:
    """What a pipeline file says."""

    units: tuple[Unit, ...] = ()
    ways: tuple[tuple[str, str, str], ...] = ()
    """(from, to, what goes there)"""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Wiring:
        """As `syms draw --json` tells it."""
        units = tuple(Unit(each["name"], each["kind"], each["copies"], each.get("host", "")) for each in told["nodes"])
        return cls(units, tuple((source, reader, what) for source, reader, what in told["edges"]))

    def unit(self, name: str) -> Unit:
        """Raises KeyError."""
        return {each.name: each for each in self.units}[name]


@dataclass(frozen=True)
class Way:
    """A line from a box to another."""

    source: str
    reader: str
    what: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """Boxes by their upper left corners."""

    width: float
    height: float
    boxes: dict[str, tuple[float, float]]
    ways: tuple[Way, ...]


@dataclass
class _Spot:
    """Something in a column: a box, or a way that passes."""

    name: str
    passes: bool
    before: list[_Spot] = field(default_factory=list)
    behind: list[_Spot] = field(default_factory=list)
    y: float = 0.0

    @property
    def height(self) -> float:
        return LANE if self.passes else BOX[1]

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def columns(wiring: Wiring) -> dict[str, int]:
    """The column of each node: behind all that feed it. Ways of a circle that lead back do not count."""
    feeds: dict[str, list[str]] = {each.name: [] for each in wiring.units}
    for source, reader, _ in wiring.ways:
        if source in feeds and reader in feeds:
            feeds[reader].append(source)
    found: dict[str, int] = {}

    def place(name: str, above: tuple[str, ...]) -> int:
        if name not in found:
            depths = [place(each, (*above, name)) for each in feeds[name] if each not in (*above, name)]
            found[name] = 1 + max(depths, default=-1)
        return found[name]

    for name in feeds:
        place(name, ())
    return found


def draw(wiring: Wiring) -> Drawing:
    """Nodes that nobody feeds and that feed nobody (a monitor) stand where there is room, below the others."""
    wired = {name for source, reader, _ in wiring.ways for name in (source, reader)}
    column = columns(wiring)
    count = 1 + max((column[each.name] for each in wiring.units if each.name in wired), default=0)
    grid: list[list[_Spot]] = [[] for _ in range(count)]
    spots = {each.name: _Spot(each.name, False) for each in wiring.units}
    for each in wiring.units:
        if each.name in wired:
            grid[column[each.name]].append(spots[each.name])
    lines = [_lay(way, column, spots, grid) for way in wiring.ways]
    for sweep in range(SWEEPS):
        _order(grid if sweep % 2 == 0 else grid[::-1], forth=sweep % 2 == 0)
    for each in wiring.units:
        if each.name not in wired:
            min(grid, key=_height).append(spots[each.name])
    _stack(grid)
    boxes = {spot.name: (EDGE + at * (BOX[0] + GAP[0]), spot.y)
             for at, stack in enumerate(grid) for spot in stack if not spot.passes}  # fmt: skip
    width = max((x for x, _ in boxes.values()), default=0.0) + BOX[0] + EDGE
    height = max((spot.y + spot.height for stack in grid for spot in stack), default=0.0) + EDGE
    ways = tuple(_way(way, line, boxes) for way, line in zip(wiring.ways, lines, strict=True))
    return Drawing(width, height, {each.name: boxes[each.name] for each in wiring.units}, ways)


def _height(stack: Sequence[_Spot]) -> float:
    return sum(spot.height + GAP[1] for spot in stack) - GAP[1]


def _lay(
    way: tuple[str, str, str], column: Mapping[str, int], spots: Mapping[str, _Spot], grid: list[list[_Spot]]
) -> list[_Spot]:
    """What a way passes between its ends."""
    source, reader, what = way
    passed = []
    at = spots[source]
    for place in range(column[source] + 1, column[reader]):
        lane = _Spot(what, True)
        grid[place].append(lane)
        passed.append(lane)
        _join(at, lane)
        at = lane
    if column[source] < column[reader]:
        _join(at, spots[reader])
    return passed


def _join(one: _Spot, other: _Spot) -> None:
    one.behind.append(other)
    other.before.append(one)


def _order(grid: Sequence[list[_Spot]], forth: bool) -> None:
    """Each column by the mean place of what its spots are joined to in the column before."""
    for before, here in pairwise(grid):
        place = {id(spot): at for at, spot in enumerate(before)}
        ranks = {}
        for at, spot in enumerate(here):
            joined = [place[id(each)] for each in (spot.before if forth else spot.behind) if id(each) in place]
            ranks[id(spot)] = sum(joined) / len(joined) if joined else float(at)
        here.sort(key=lambda spot: ranks[id(spot)])


def _stack(grid: Sequence[list[_Spot]]) -> None:
    """Below each other, each column in the middle."""
    heights = [_height(each) for each in grid]
    for each, height in zip(grid, heights, strict=True):
        y = EDGE + (max(heights) - height) / 2
        for spot in each:
            spot.y = y
            y += spot.height + GAP[1]


def _way(way: tuple[str, str, str], passed: Sequence[_Spot], boxes: Mapping[str, tuple[float, float]]) -> Way:
    source, reader, what = way
    (x, y), (end_x, end_y) = boxes[source], boxes[reader]
    points = [(x + BOX[0], y + BOX[1] / 2)]
    for at, spot in enumerate(passed, 1):
        left = x + at * (BOX[0] + GAP[0])
        points += [(left, spot.middle), (left + BOX[0], spot.middle)]
    return Way(source, reader, what, (*points, (end_x, end_y + BOX[1] / 2)))
