"""Charts of an event in a workbook: frequency, and the first voltage, of some stations against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archive.exports.plan import Track

TRACES = 12
"""Stations of a chart: those that the event names first."""
SIZE = {"width": 1150, "height": 460}
BELOW = 24
"""Rows of the sheet that a chart takes."""
Drawn = tuple[Track, str, int]
"""A track, its sheet, and the last row of it."""


def draw(book: Any, out: Any, tracks: Sequence[Drawn], first: Sequence[str]) -> None:
    """Put the charts on a sheet."""
    order = sorted(tracks, key=lambda drawn: drawn[0].label not in first)
    fundamental = [drawn for drawn in order if not drawn[0].configuration.components]
    for number, (title, quantity, unit) in enumerate((("Frequency", "frequency", "Hz"), ("Voltage", "magnitude", "V"))):
        chart = book.add_chart({"type": "scatter", "subtype": "straight"})
        some = [(drawn, column) for drawn in fundamental if (column := _column(drawn[0], quantity, unit)) is not None]
        for (track, sheet, last), column in some[:TRACES]:
            name = track.label if quantity == "frequency" else f"{track.label} {track.channels[column - 2].name}"
            chart.add_series({"name": name.lstrip("="), "categories": [sheet, 1, 1, last, 1],
                              "values": [sheet, 1, column, last, column], "line": {"width": 1.25}})  # fmt: skip
        if some:
            chart.set_title({"name": title})
            chart.set_x_axis({"name": "seconds from the onset", "label_position": "low"})
            chart.set_y_axis({"name": unit})
            chart.set_size(SIZE)
            out.insert_chart(number * BELOW, 0, chart)


def _column(track: Track, quantity: str, unit: str) -> int | None:
    """Column of its first channel of a kind, behind time and seconds."""
    found = [at for at, channel in enumerate(track.channels, 2) if (channel.quantity, channel.unit) == (quantity, unit)]
    return found[0] if found else None
