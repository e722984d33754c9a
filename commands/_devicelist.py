"""The devices of a site file, with what a running station says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from commands import _orphans, _supervise
from commands.status import FIRST_LOOK, look, number
from console.board import Board
from nodes import _site, _yaml
from nodes._pipeline import load
from nodes._site import Site
from nodes._sitedevice import Device

COUNTED = {
    "connected": ("receiver_connected", "balancer_connected", "connected"),
    "received": ("archiver_received", "receiver_received", "received"),
    "late": ("late",),
    "latency_ms": ("latency_ms",),
}
"""What is told of a device -> names in `Board.devices`, the first that there is."""
LARGEST = ("connected", "latency_ms")
"""Of a device's stations the largest counts; others add up."""


@dataclass
class Listed:
    """A site, and the counters of its devices by number."""

    site: Site
    up: bool = False
    counts: dict[int, dict[str, float]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One per device, in the order of the site file."""
        told = ("number", "name", "protocol", "stream", "region", "latitude", "longitude", "elevation")
        return [
            device.model_dump(mode="json", include=set(told))
            | {"reached": reached(device)}
            | ({name: self.counts.get(device.number, {}).get(name) for name in COUNTED} if self.up else {})
            for device in self.site.devices
        ]


def listed(file: Path, host: str = "") -> Listed:
    """Of a pipeline file, or of a site file alone. Raises Faulty."""
    data, _, _ = _yaml.read(file)
    if not isinstance(data, dict) or "nodes" not in data:
        return Listed(_site.load(file))
    pipeline = load(file, here=host)
    if _supervise.supervisor_of(pipeline.run) is None and not _orphans.lock_holders(pipeline.run):
        return Listed(pipeline.site)
    return Listed(pipeline.site, True, counts(look(pipeline, FIRST_LOOK)))


def counts(board: Board) -> dict[int, dict[str, float]]:
    """Link number -> its counters, of all its stations together."""
    found: dict[int, dict[str, float]] = {}
    for row in board.devices():
        mine = found.setdefault(row["link"], {})
        for name, keys in COUNTED.items():
            value = next((row["counts"][key] for key in keys if key in row["counts"]), math.nan)
            if not math.isnan(value):
                mine[name] = max(mine.get(name, 0.0), value) if name in LARGEST else mine.get(name, 0.0) + value
    return found


def reached(device: Device) -> str:
    """In words: the ways of docs/connect-a-device.md."""
    link = device.link
    if link.how == "dials_in":
        return f"dials in{f' from {device.address}' if device.address else ''}"
    told = link.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(key if value in ({}, True) else f"{key} {value}" for key, value in told.items())


def table(listed: Listed) -> Table:
    """For people; columns that say nothing are left out."""
    shown = Table(title=f"devices: {len(listed.site.devices)}", title_justify="left", title_style="bold",
                  box=box.SIMPLE_HEAD, padding=0)  # fmt: skip
    rows = [{"place": _place(row), **row} for row in listed.rows()]
    columns = ["number", "name", "protocol", "stream", "reached", "region", "place", *(COUNTED if listed.up else ())]
    said = [each for each in columns if each in ("number", "name") or any(row[each] not in (None, "") for row in rows)]
    for column in said:
        justify: Any = "right" if column in ("number", "stream", *COUNTED) else "left"
        shown.add_column(column.replace("_", " "), justify=justify, overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(row[column]) for column in said))
    return shown


def _place(row: dict[str, Any]) -> str:
    if row["latitude"] is None or row["longitude"] is None:
        return ""
    return f"{row['latitude']:g}, {row['longitude']:g}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else escape(str(value))
