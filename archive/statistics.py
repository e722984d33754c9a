"""Statistics: how every device was in every minute, as the concentrators say it; one row for each.

A minute is kept in the hour that it is of (`archive/ledgers.py`). A twin changes nothing: the same minute of the same
device, said again by a concentrator that was started anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from archive import layout
from archive.layout import Field
from archive.ledgers import Columns, Ledger, Once, some
from protocol.messages import Minutes

COUNTS = {
    "expected": "rows that the reporting rate promises for the seconds covered",
    "received": "rows that came",
    "missing": "rows that had not come when their slots were released, of devices that send",
    "late": "rows that came after the release of their slots",
    "duplicate": "rows that came again",
    "clock_off": "rows kept away from alignment: the device's clock was off",
    "invalid": "rows told with STAT bits 15-14 set: not to be used",
    "rejected": "rows of which validation took values out",
    "unsynchronised": "rows told with STAT bit 13 set",
    "modified": "rows told with STAT bit 9 set",
}
LATENCIES = ("latency_min", "latency_mean", "latency_p99", "latency_max")
FREQUENCIES = ("frequency_min", "frequency_mean", "frequency_max")
FIELDS = {
    "device": Field("<u4", (), "device number: link * 65536 + position of the station in its stream"),
    "name": Field("S64", (), "name of the station"),
    "start": Field("<i8", (), f"of the minute, by arrival, {layout.TIME_TEXT}"),
    "covered": Field("<f8", (), "seconds of the minute that the concentrator lived through, 0 to 60"),
    "concentrator": Field("S64", (), "process that says it"),
    **{name: Field("<i8", (), about) for name, about in COUNTS.items()},
    **{name: Field("<f8", (), f"{name.partition('_')[2]} of arrival - time in ms") for name in LATENCIES},
    **{name: Field("<f8", (), f"{name.partition('_')[2]} of the frequency told in Hz") for name in FREQUENCIES},
    "epoch": Field("<i8", (), "of the concentrator's stream of statistics"),
    "number": Field("<i8", (), "of the minute in that epoch"),
    "kept": Field("<i8", (), f"when the archive took it, {layout.TIME_TEXT}"),
}
"""What is kept of a device's minute. Texts are UTF-8, padded with zero bytes."""


KEY = ("concentrator", "device", "start")
STATISTICS = Ledger(
    name="statistics",
    row="statistic",
    about="minute of a device, in order of time and device",
    fields=FIELDS,
    key=KEY,
    order=("start", "device", "concentrator"),
    known=partial(Once, KEY),
    capacity=lambda: layout.STATISTIC_ROWS,
)


def statistics_of(minutes: Minutes, name_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """A minute of all devices as rows of `FIELDS`, without `kept`."""
    node, _, _ = minutes.node.partition("/")
    whole: dict[str, Any] = {
        "start": minutes.start,
        "covered": minutes.covered,
        "epoch": minutes.epoch,
        "number": minutes.number,
    }
    whole["concentrator"] = STATISTICS.fitting(node, "concentrator")
    names = ("device", *COUNTS, *LATENCIES, *FREQUENCIES)
    for figures in zip(*(getattr(minutes, name).tolist() for name in names), strict=True):
        row = whole | dict(zip(names, figures, strict=True))
        yield row | {"name": STATISTICS.fitting(name_of(row["device"]), "name")}


def minutes(root: Path, start: int, end: int) -> Iterator[Columns]:
    """The rows of minutes that begin in [start, end) ns, hour by hour, in order. Raises ArchiveError."""
    for rows in STATISTICS.hours(root, start, end):
        yield some(rows, (rows["start"] >= start) & (rows["start"] < end))
