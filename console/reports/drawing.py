"""Drawings of a report as SVG: no script, no font and no file of their own, in colours that print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from math import ceil, floor, log10
from typing import TypeVar
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from archive.layout import moment
from console.reports.content import Bars, Trend
from protocol.clock import SECOND

F8 = NDArray[np.float64]
Place = TypeVar("Place", float, F8)
Point = tuple[float, float]
WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 64, 24, 34
"""Around what is drawn: names of series stand above it, those of limits at the right."""
COLOURS = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#134f5c", "#7f6000", "#990000", "#351c75")
BAND, GRID, INK, LIMIT, MARK = "#c9daf0", "#e3e6ea", "#374151", "#b91c1c", "#b91c1c"
NAMED = 8
"""Series that have a name and a colour of their own; others are grey."""
TICKS = 8
TEXT_SIZE = "10"


class Axes:
    """From values to places."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def across(self, value: Place) -> Place:
        """Place of x."""
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(self, value: Place) -> Place:
        """Place of y."""
        low, high = self.y
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def drawn(what: Trend | Bars, zone: tzinfo) -> str:
    """The SVG element."""
    root = Xml.Element("svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", xmlns="http://www.w3.org/2000/svg")
    Xml.SubElement(root, "title").text = what.title
    if isinstance(what, Trend):
        _trend(root, what, zone)
    else:
        _bars(root, what)
    return Xml.tostring(root, encoding="unicode")


def _trend(root: Xml.Element, what: Trend, zone: tzinfo) -> None:
    count = max(len(each) for each in what.series.values())
    whole = [*what.series.values(), *(each for each in (what.low, what.high) if each is not None)]
    axes = Axes((0.0, float(max(count, 1))), _reach(np.concatenate(whole)))
    _levels(root, axes, what.unit)
    _hours(root, axes, what, count, zone)
    _limits(
        root, what.lines, lambda value: ((float(LEFT), axes.up(value)), (float(WIDTH - RIGHT), axes.up(value))), axes.y
    )
    place: F8 = axes.across(np.arange(0.5, count, dtype=np.float64))
    if what.low is not None and what.high is not None:
        for run in _runs(what.low, what.high):
            there = [*zip(place[run], axes.up(what.high[run]), strict=True),
                     *reversed(list(zip(place[run], axes.up(what.low[run]), strict=True)))]  # fmt: skip
            Xml.SubElement(root, "path", d=_path(there) + "Z", fill=BAND, stroke="none")
    for at, (name, values) in reversed(list(enumerate(what.series.items()))):
        colour = COLOURS[at] if at < NAMED else "#9ca3af"
        for run in _runs(values):
            line = _path(zip(place[run], axes.up(values[run]), strict=True))
            Xml.SubElement(root, "path", {"d": line, "fill": "none", "stroke": colour, "stroke-width": "1.1"})
        if at < NAMED and len(what.series) > 1:
            _text(root, LEFT + 78 * at, TOP - 12, name if len(name) < 14 else f"{name[:12]}…", fill=colour)
    for time, name in what.marks:
        x = float(axes.across((time - what.start) / what.step))
        mark = Xml.SubElement(root, "path", d=f"M{x:.1f} {TOP + 1}l-4 -8h8Z", fill=MARK)
        Xml.SubElement(mark, "title").text = name


def _bars(root: Xml.Element, what: Bars) -> None:
    edges = what.edges
    axes = Axes((float(edges[0]), float(edges[-1])), (0.0, float(what.bars.max()) * 1.05))
    _levels(root, axes, "min")
    for value in _ticks(*axes.x):
        x = float(axes.across(value))
        _text(root, x, HEIGHT - BOTTOM + 14, _number(value, axes.x), anchor="middle")
    _text(root, WIDTH - RIGHT + 26, HEIGHT - BOTTOM + 14, what.unit)
    for low, high, value in zip(edges, edges[1:], what.bars, strict=False):
        a, b, y = float(axes.across(low)), float(axes.across(high)), float(axes.up(value))
        Xml.SubElement(root, "rect", x=f"{a:.2f}", y=f"{y:.2f}", width=f"{max(b - a - 0.6, 0.4):.2f}",
                       height=f"{HEIGHT - BOTTOM - y:.2f}", fill=COLOURS[0])  # fmt: skip
    _limits(
        root,
        what.lines,
        lambda value: ((axes.across(value), float(TOP)), (axes.across(value), float(HEIGHT - BOTTOM))),
        axes.x,
    )


def _reach(values: F8) -> tuple[float, float]:
    """Of an axis, with some room."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high) * 1e-3, 1e-3)
    return low - room, high + room


def _levels(root: Xml.Element, axes: Axes, unit: str) -> None:
    for value in _ticks(*axes.y):
        y = float(axes.up(value))
        _line(root, (LEFT, y), (WIDTH - RIGHT, y), GRID)
        _text(root, LEFT - 6, y + 3.5, _number(value, axes.y), anchor="end")
    _text(root, LEFT - 6, TOP - 12, unit, anchor="end")


def _hours(root: Xml.Element, axes: Axes, what: Trend, count: int, zone: tzinfo) -> None:
    """Every so many full hours of the time zone."""
    length = what.step * count
    every = next(hours for hours in (1, 2, 3, 6, 12, 24, 10**6) if length / (hours * 3600 * SECOND) <= 12.5)
    at = -(-what.start // (900 * SECOND)) * 900 * SECOND
    while at <= what.start + length:
        local = moment(at).astimezone(zone)
        if local.minute == 0 and local.hour % every == 0:
            x = float(axes.across((at - what.start) / what.step))
            _line(root, (x, TOP), (x, HEIGHT - BOTTOM), GRID)
            _text(root, x, HEIGHT - BOTTOM + 14, f"{local:%H:%M}", anchor="middle")
        at += 900 * SECOND


def _limits(root: Xml.Element, lines: Sequence[tuple[float, str]], ends: Callable[[float], tuple[Point, Point]],
            reach: tuple[float, float]) -> None:  # fmt: skip
    """Dashed, where they are in reach."""
    for value, name in lines:
        if reach[0] <= value <= reach[1]:
            start, stop = ends(value)
            _line(root, start, stop, LIMIT if name else INK, dashed=True)
            if name and start[1] == stop[1]:
                _text(root, WIDTH - RIGHT + 5, start[1] + 3.5, name, fill=LIMIT)
            elif name:
                _text(root, start[0], TOP - 4, name, anchor="middle", fill=LIMIT)


def _runs(*series: F8) -> Iterator[slice]:
    """Where all of them are known."""
    known = np.isfinite(series).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    for low, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield slice(low, stop)


def _path(points: Iterable[Point]) -> str:
    return "".join(f"{'ML'[at > 0]}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(points))


def _line(root: Xml.Element, start: Point, stop: Point, colour: str, dashed: bool = False) -> None:
    (x1, y1), (x2, y2) = start, stop
    told = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    line = Xml.SubElement(root, "line", {name: f"{value:.1f}" for name, value in told.items()})
    line.attrib |= {"stroke": colour, "stroke-width": "0.8"} | ({"stroke-dasharray": "4 3"} if dashed else {})


def _text(root: Xml.Element, x: float, y: float, text: str, anchor: str = "start", fill: str = INK) -> None:
    told = {"x": f"{x:.1f}", "y": f"{y:.1f}", "fill": fill, "text-anchor": anchor, "font-size": TEXT_SIZE}
    Xml.SubElement(root, "text", told).text = text


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two others."""
    step = _step(low, high)
    return [step * at for at in range(ceil(low / step), floor(high / step) + 1)]


def _step(low: float, high: float) -> float:
    rough = (high - low) / TICKS
    base = 10.0 ** floor(log10(rough))
    return float(next(base * factor for factor in (1, 2, 5, 10) if base * factor >= rough * 0.999))


def _number(value: float, reach: tuple[float, float]) -> str:
    digits = max(0, -floor(log10(_step(*reach)) + 1e-9))
    return f"{value + 0.0:.{digits}f}"
