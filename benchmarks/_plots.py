"""Line charts as SVG, by hand: a benchmark's plot is no reason to depend on a plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "plots"
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#6a4c93", "#5c5c5c", "#00a6a6", "#a0522d")

Points = Sequence[tuple[float, float]]


def chart(
    name: str, title: str, x: str, y: str, lines: Mapping[str, Points], marks: bool = True, top: float = 0
) -> Path:
    """Write `plots/NAME.svg` with a line per entry of `lines`; axes begin at 0, y reaches `top`. Returns its path."""
    across = _steps(max((point[0] for line in lines.values() for point in line), default=1.0))
    up = _steps(max([top, *(point[1] for line in lines.values() for point in line)]) or 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12">',
        "<style>text {font-family: sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 22, title, 'font-size="15"'),
        *_axes(across, up, x, y),
    ]
    for number, (label, points) in enumerate(lines.items()):
        parts += _line(number, label, [(_x(at, across), _y(value, up)) for at, value in points], marks)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.svg"
    path.write_text("\n".join([*parts, "</svg>\n"]))
    return path


def reference(path: Path, title: str) -> str:
    """Markdown that shows a plot from `benchmarks/RESULTS.md`."""
    return f"![{title}](plots/{path.name})"


def _steps(largest: float) -> list[float]:
    """Round values from 0 to at least `largest`, about five of them."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * k for k in range(math.ceil(largest / step - 1e-9) + 1)]


def _x(value: float, steps: list[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / steps[-1]


def _y(value: float, steps: list[float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / steps[-1]


def _axes(across: list[float], up: list[float], x: str, y: str) -> Iterable[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in up:
        at = _y(value, up)
        yield f'<line x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}" stroke="#ddd"/>'
        yield _text(LEFT - 6, at + 4, f"{value:g}", 'text-anchor="end"')
    for value in across:
        yield _text(_x(value, across), bottom + 18, f"{value:g}", 'text-anchor="middle"')
    yield f'<path d="M{LEFT} {TOP} V{bottom} H{right}" fill="none" stroke="black"/>'
    yield _text((LEFT + right) / 2, HEIGHT - 10, x, 'text-anchor="middle"')
    yield _text(0, 0, y, f'text-anchor="middle" transform="translate(18 {(TOP + bottom) / 2}) rotate(-90)"')


def _line(number: int, label: str, points: list[tuple[float, float]], marks: bool) -> Iterable[str]:
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{at:.1f},{value:.1f}" for at, value in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    for at, value in points if marks else ():
        yield f'<circle cx="{at:.1f}" cy="{value:.1f}" r="3" fill="{colour}"/>'
    yield f'<rect x="{WIDTH - RIGHT + 14}" y="{TOP + 20 * number}" width="12" height="12" fill="{colour}"/>'
    yield _text(WIDTH - RIGHT + 32, TOP + 20 * number + 10, label)


def _text(x: float, y: float, text: str, how: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {how}>{escape(text)}</text>'
