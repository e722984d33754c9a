"""The section of voltages of a daily report."""

from __future__ import annotations

import numpy as np

from archive.reports.day import Day
from console.reports.content import LISTED, Cell, Section, Table, number
from console.texts import Texts


def voltages(day: Day, text: Texts) -> Section | None:
    """None if nobody measured any."""
    if not day.voltages:
        return None
    by_number = {each.device: name for name, each in
                 zip(day.completeness.devices, day.completeness.configurations, strict=True)}  # fmt: skip
    names = ("device", "channel", "lowest_kv", "mean_kv", "highest_kv", "range", "unbalance", "unbalance_max", "thd",
             "thd_max")  # fmt: skip
    rows = []
    for device, each in day.voltages.items():
        kilovolts = [number(value / 1e3, 2) for value in (each.lowest, each.mean, each.highest)]
        width = 100 * (each.highest - each.lowest) / each.mean if each.mean else np.nan
        both = [number(value, 2) for values in (each.unbalance, each.distortion)
                for value in (_mean(values), max(values, default=np.nan))]  # fmt: skip
        rows.append([Cell(by_number.get(device, str(device))), Cell(each.channel or None), *kilovolts,
                     number(width, 2), *both])  # fmt: skip
    rows.sort(key=lambda row: -(row[5].value if row[5].known and isinstance(row[5].value, float) else -1.0))
    table = Table("voltages", [text(f"report.column.{name}") for name in names], rows, listed=LISTED)
    return Section("voltages", text("report.voltages.title"), text("report.voltages.lead"), tables=[table],
                   notes=[text("report.voltages.note")])  # fmt: skip


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else np.nan
