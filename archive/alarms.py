"""Alarms: every change of every alarm, as it was told, in the hour in which it was.

A row has all that was known of the alarm then, so the last one of an id tells where it stands.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.layout import Field
from archive.ledgers import Columns, Ledger, Once, some
from archive.verdicts import detail_text
from protocol.messages import Alarm

FIELDS = {
    "id": Field("S16", (), "of the alarm: the same as long as there is such a thing to be alarmed of"),
    "change": Field("S16", (), "what was told: raised, escalated, cleared, acknowledged, commented, shelved, …"),
    "state": Field(
        "S16", (), "where it stood then: unacknowledged, acknowledged, returned, shelved, suppressed, normal"
    ),
    "source": Field("S16", (), "limit, event, flag, health, notify"),
    "kind": Field("S64", (), "name of the limit, kind of the event or of the bad data, kind of process"),
    "subject": Field("S128", (), "what it is of: a device, a region, an event, a process"),
    "device": Field("<u4", (), "device number; 0 = it is of none"),
    "region": Field("S64", (), "of that device, or that it is of"),
    "severity": Field("S16", (), "notice, warning, serious, critical"),
    "text": Field("S512", (), "a sentence for a person"),
    "active": Field("|u1", (), "1 = it was active"),
    "acknowledged": Field("|u1", (), "1 = it was acknowledged"),
    "chattering": Field("|u1", (), "1 = it came and went"),
    "stale": Field("|u1", (), "1 = it was active by data that did not come any more"),
    "count": Field("<i8", (), "how often it was raised since it was last normal"),
    "value": Field("<f8", (), "what was worst, in unit; NaN = it has none"),
    "limit": Field("<f8", (), "what value was compared with; NaN = nothing"),
    "unit": Field("S16", (), "of value and limit"),
    "raised": Field("<i8", (), f"by the time of the data, {layout.TIME_TEXT}"),
    "cleared": Field("<i8", (), f"0 = it was active, {layout.TIME_TEXT}"),
    "time": Field("<i8", (), f"of the change, {layout.TIME_TEXT}"),
    "user": Field("S64", (), "who did it; empty = nobody"),
    "comment": Field("S512", (), "of the last comment or shelving"),
    "until": Field("<i8", (), f"up to which it was shelved, 0 = it was not, {layout.TIME_TEXT}"),
    "by": Field("S16", (), "id of the alarm that suppressed it; empty = none"),
    "node": Field("S64", (), "process that told it"),
    "epoch": Field("<i8", (), "of that process's stream"),
    "number": Field("<i8", (), "of the word in that epoch"),
    "kept": Field("<i8", (), f"when the archive took it, {layout.TIME_TEXT}"),
    "detail": Field("S1024", (), "figures of it (JSON)"),
}
"""What is kept of a change. Texts are UTF-8, padded with zero bytes."""
KEY = ("node", "epoch", "number")
ALARMS = Ledger(
    name="alarms",
    row="alarm",
    about="change of an alarm, in order of time",
    fields=FIELDS,
    key=KEY,
    order=("time", "epoch", "number", "node"),
    known=partial(Once, KEY),
    capacity=lambda: layout.ALARM_ROWS,
)


def row_of(alarm: Alarm) -> dict[str, Any]:
    """A change as a row of `FIELDS`, without `kept`."""
    row: dict[str, Any] = {name: getattr(alarm, name) for name in FIELDS if name not in ("kept", "detail")}
    row |= {name: ALARMS.fitting(row[name], name) for name in ALARMS.texts if name in row}
    return row | {"detail": detail_text(alarm.detail, FIELDS["detail"])}


def changes(root: Path, start: int, end: int) -> Columns:
    """The changes that were told in [start, end) ns, in order. Raises ArchiveError."""
    found = ALARMS.joined(list(ALARMS.hours(root, start, end)))
    return some(found, (found["time"] >= start) & (found["time"] < end))


def last(rows: Columns) -> Columns:
    """Of each alarm the last change."""
    place = {name: at for at, name in enumerate(rows["id"].tolist())}
    return some(rows, np.isin(np.arange(len(rows["id"])), list(place.values())))
