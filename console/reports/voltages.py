"""The section of voltages of a daily report."""

from __future__ import annotations

import numpy as np

from archive.reports.day import Day
from console.reports.content import LISTED, Cell, Section, Table, number, share, shown
from console.texts import Texts
from protocol.clock import SECOND


def voltages(day: Day, text: Texts) -> Section | None:
    """None if nobody measured any."""
    if not day.voltages:
        return None
    names = ("device", "channel", "lowest_kv", "mean_kv", "highest_kv", "range", "unbalance", "unbalance_95",
             "unbalance_max", "thd", "thd_95", "thd_max")  # fmt: skip
    rows = []
    for device, each in day.voltages.items():
        kilovolts = [number(value / 1e3, 2) for value in (each.lowest, each.mean, each.highest)]
        width = 100 * (each.highest - each.lowest) / each.mean if each.mean else np.nan
        both = [number(value, 2) for tens in (each.unbalance, each.distortion)
                for value in (tens.mean, tens.percentile(95), tens.highest)]  # fmt: skip
        rows.append([Cell(day.names.get(device, str(device))), Cell(each.channel or None), *kilovolts,
                     number(width, 2), *both])  # fmt: skip
    rows.sort(key=lambda row: -(row[5].value if row[5].known and isinstance(row[5].value, float) else -1.0))
    table = Table("voltages", [text(f"report.column.{name}") for name in names], rows, listed=LISTED)
    return Section("voltages", text("report.voltages.title"), text("report.voltages.lead"), tables=[table],
                   notes=[text("report.voltages.looked", **_looked(day)), text("report.voltages.note")])  # fmt: skip


def _looked(day: Day) -> dict[str, str]:
    """Which share of the day the figures are of."""
    told = day.voltages.values()
    seconds = {
        "range": [float(each.seconds) for each in told if each.channel],
        "unbalance": [each.unbalance.seconds for each in told if each.unbalance.seconds],
        "thd": [each.distortion.seconds for each in told if each.distortions],
    }
    whole = (day.until - day.start) / SECOND
    return {name: shown(share(min(sum(each) / len(each) / whole, 1.0) if each else np.nan), day.zone)
            for name, each in seconds.items()}  # fmt: skip
