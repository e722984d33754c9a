"""An event's record as a picture: what every device showed, where they stand, how sure each statement is.

Drawn by matplotlib's Agg alone, so that it looks the same on a server without a display.
"""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archive.clips import Trace
from archive.evidence import angles, level, probabilities
from archive.records import Answer, Record
from commands._eventpage import statements
from protocol.clock import SECOND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES = (15.0, 11.0)
DPI = 100
NAMED = 12
"""Devices in the legend, and named on the map: the nearest ones."""
KM = 111.2
"""Of a degree of latitude."""
CJK = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
       "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "PingFang SC", "Unifont")  # fmt: skip
"""Fonts that have Chinese letters; names in them are drawn with the first one that this machine has."""


def write(record: Record, traces: list[Trace], path: Path) -> None:
    """Draw into a PNG file. Raises ImportError without matplotlib, OSError."""
    import matplotlib

    with matplotlib.rc_context({"font.family": families(), "font.size": 9}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # drawn as a box
        figure(record, traces).savefig(path, format="png", dpi=DPI)


def families() -> list[str]:
    """matplotlib's own font, and one for what it lacks if there is one."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in CJK if name in there][:1]]


def figure(record: Record, traces: list[Trace]) -> Figure:
    """Left: frequency, voltage, angles over the seconds after the onset. Right: map, probabilities, what was said."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    said = record.counting
    drawing = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(drawing)
    grid = drawing.add_gridspec(3, 2, width_ratios=(3, 2))
    left = [drawing.add_subplot(grid[0, 0])]
    left += [drawing.add_subplot(grid[row, 0], sharex=left[0]) for row in (1, 2)]
    colours = _colours(said, traces)
    _draw_traces(left, said, traces, colours)
    _draw_map(drawing.add_subplot(grid[0, 1]), said, colours)
    _draw_probabilities(drawing.add_subplot(grid[1, 1]), said)
    _draw_words(drawing.add_subplot(grid[2, 1]), said)
    drawing.suptitle(f"{record.id}  ({'final' if record.final else 'not final'})")
    return drawing


def _colours(said: Answer, traces: list[Trace]) -> dict[int, Any]:
    """A colour for each device, from first to last arrival; those that saw nothing come last."""
    from matplotlib import colormaps

    arrivals = {each.device: each.arrival or 1 << 62 for each in said.devices}
    devices = sorted(
        {*arrivals, *(trace.device for trace in traces)}, key=lambda each: (arrivals.get(each, 1 << 62), each)
    )
    return {device: colormaps["turbo"](0.05 + 0.9 * k / max(len(devices) - 1, 1)) for k, device in enumerate(devices)}


def _draw_traces(axes: list[Axes], said: Answer, traces: list[Trace], colours: dict[int, Any]) -> None:
    arrivals = {each.device: each.arrival for each in said.devices}
    named = said.nearest[:NAMED] or [trace.name for trace in traces[:NAMED]]
    turned = angles(traces, said.onset)
    for trace in traces:
        seconds = (trace.time - said.onset) / SECOND
        colour = colours[trace.device]
        label = trace.name if trace.name in named else None
        usual = level(trace.voltage, trace.time < said.onset)
        for axis, values in zip(axes, (trace.frequency, trace.voltage / usual, turned[id(trace)]), strict=True):
            axis.plot(
                seconds, np.asarray(values), color=colour, linewidth=0.8, label=label if axis is axes[0] else None
            )
        arrival = arrivals.get(trace.device, 0)
        if arrival and seconds.size:
            at = int(np.abs(trace.time - arrival).argmin())
            axes[0].plot([(arrival - said.onset) / SECOND], trace.frequency[at : at + 1], "v", color=colour)
    for axis, text in zip(
        axes, ("frequency (Hz)", "voltage (pu of before)", "angle differences (degrees)"), strict=True
    ):
        axis.set_ylabel(text)
        axis.axvline(0.0, color="black", linewidth=0.8, linestyle=":")
        axis.grid(alpha=0.3)
    _shade(axes, said, traces, colours)
    axes[0].ticklabel_format(useOffset=False)
    axes[0].set_title("first and last arrivals from blue to red; ▼ arrival, shaded: bad data", fontsize=9)
    axes[-1].set_xlabel("seconds after the onset")
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(fontsize=7, loc="upper right")


def _shade(axes: list[Axes], said: Answer, traces: list[Trace], colours: dict[int, Any]) -> None:
    """Spans of bad data, as far as they are in the clip; devices lie one above the other."""
    if not traces:
        return
    low, high = min(int(each.time[0]) for each in traces), max(int(each.time[-1]) for each in traces)
    bad = sorted({int(each.get("device", 0)) for each in said.bad})
    for each in said.bad:
        start, stop = max(int(each.get("start", 0)), low), min(int(each.get("stop", 0)), high)
        device = int(each.get("device", 0))
        band = bad.index(device) / len(bad)
        if start < stop:
            for axis in axes:
                axis.axvspan((start - said.onset) / SECOND, (stop - said.onset) / SECOND, band, band + 1 / len(bad),
                             alpha=0.15, color=colours.get(device, "grey"))  # fmt: skip
    axes[0].set_xlim((low - said.onset) / SECOND, (high - said.onset) / SECOND)


def _draw_map(axis: Axes, said: Answer, colours: dict[int, Any]) -> None:
    """Devices by position, larger with their amplitude; the source as a star in its ellipse."""
    there = [each for each in said.devices if np.isfinite(each.latitude + each.longitude)]
    largest = max((each.amplitude for each in there if each.amplitude == each.amplitude), default=0.0) or 1.0
    for each in there:
        share = each.amplitude / largest if each.amplitude == each.amplitude else 0.0
        axis.scatter([each.longitude], [each.latitude], s=20 + 180 * share, color=colours[each.device], alpha=0.8,
                     edgecolors="black", linewidths=0.4)  # fmt: skip
        if len(there) <= NAMED or each.name in said.nearest[:NAMED]:
            axis.annotate(each.name, (each.longitude, each.latitude), fontsize=7, xytext=(4, 4),
                          textcoords="offset points")  # fmt: skip
    if np.isfinite(said.latitude):
        axis.plot([said.longitude], [said.latitude], "*", color="black", markersize=14, label="located")
        if len(said.ellipse) == 3:
            east, north = outline(said)
            axis.plot(east, north, color="black", linewidth=1.0, label="95 %")
        axis.legend(fontsize=7)
    latitudes = [each.latitude for each in there] or [said.latitude if np.isfinite(said.latitude) else 0.0]
    axis.set_aspect(1.0 / max(np.cos(np.radians(np.mean(latitudes))), 0.1), adjustable="datalim")
    axis.set_title("devices: size = amplitude", fontsize=9)
    axis.set_xlabel("longitude (degrees)")
    axis.set_ylabel("latitude (degrees)")


def outline(said: Answer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(longitudes, latitudes) [degrees] of the ellipse, closed."""
    major, minor, bearing = said.ellipse
    turn, around = np.radians(bearing), np.linspace(0.0, 2 * np.pi, 181)
    along, across = major * np.cos(around), minor * np.sin(around)
    north = along * np.cos(turn) - across * np.sin(turn)
    east = along * np.sin(turn) + across * np.cos(turn)
    return said.longitude + east / (KM * np.cos(np.radians(said.latitude))), said.latitude + north / KM


def _draw_probabilities(axis: Axes, said: Answer) -> None:
    found = sorted(probabilities(said).items(), key=lambda item: item[1])
    axis.barh([kind for kind, _ in found], [share for _, share in found],
              color=["tab:red" if kind == said.kind else "tab:grey" for kind, _ in found])  # fmt: skip
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("probability of the kind")


def _draw_words(axis: Axes, said: Answer) -> None:
    """What was said, and the rules that led to it."""
    lines = [f"{name}: {text}" for name, text in statements(said)]
    lines += [f"- {rule}" for rule in said.detail.get("rules", [])]
    wrapped = [part for line in lines for part in textwrap.wrap(line, 90, subsequent_indent="   ")]
    axis.set_axis_off()
    axis.text(0.0, 1.0, "\n".join(wrapped[:24]).replace("$", r"\$"), va="top", fontsize=7, transform=axis.transAxes)
