"""Every answer of an event trigger, once: what was known of an event, and when.

Answers of one event are kept in the hour that its id tells, a row each (`archive/ledgers.py`). They go through the
same commit as rows. A twin changes nothing: the same answer of the same event, said again by a trigger that was started
anew.
The column `record` has all of it as JSON (`plain`); the others are what one looks for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.layout import Field
from archive.ledgers import Columns, Ledger, Once, some
from archive.verdicts import without_nan
from protocol.messages import Configuration, Event

Said = dict[str, Any]
"""An answer as plain values."""
NUMBERS = (
    *("id", "answer", "final", "disturbance", "confidence", "onset", "start", "stop", "score", "size_mhz", "size_mw"),
    *("latitude", "longitude", "completeness", "version", "took"),
)
TEXTS = ("kind", "trigger", "worker", "algorithm", "outcome", "error")
ELLIPSE = ("major", "minor", "bearing")
COUNTS = ("devices", "bad", "suspicions")
FIELDS = {
    "id": Field("S128", (), "of the event: the same in all its answers"),
    "answer": Field("<i8", (), "1, 2, …; the highest one counts"),
    "final": Field("|u1", (), "1 = nothing follows"),
    "disturbance": Field("|u1", (), "0 = bad data, or nothing that several devices saw"),
    "kind": Field("S32", (), "what it was; none if it was no disturbance"),
    "confidence": Field("<f8", (), "probability of the kind, 0 to 1"),
    "onset": Field("<i8", (), layout.TIME_TEXT),
    "start": Field("<i8", (), f"of what was judged: the first sample, {layout.TIME_TEXT}"),
    "stop": Field("<i8", (), f"of what was judged: after the last sample, {layout.TIME_TEXT}"),
    "score": Field("<f8", (), "how far beyond the algorithm's limit, 1.0 = at the limit"),
    "size_mhz": Field("<f8", (), "how far the frequency went, or amplitude of an oscillation, mHz; NaN = none"),
    "size_mw": Field("<f8", (), "power that the grid gained, or lost (< 0), MW; NaN = not known"),
    "latitude": Field("<f8", (), "of where it was, degrees north; NaN = not known"),
    "longitude": Field("<f8", (), "of where it was, degrees east; NaN = not known"),
    "major": Field("<f8", (), "semi-major axis of the 95 % ellipse in km; NaN = not known"),
    "minor": Field("<f8", (), "semi-minor axis of the 95 % ellipse in km; NaN = not known"),
    "bearing": Field("<f8", (), "of the major axis, degrees from north; NaN = not known"),
    "nearest": Field("S64", (), "name of the nearest device; empty = not known"),
    "devices": Field("<u4", (), "how many devices were looked at"),
    "bad": Field("<u4", (), "how many of them had bad data"),
    "suspicions": Field("<u4", (), "how many suspicious verdicts led here"),
    "completeness": Field("<f8", (), "share of samples measured, 0 to 1, of the least complete device"),
    "trigger": Field("S64", (), "process that says it"),
    "worker": Field("S64", (), "process that judged it"),
    "algorithm": Field("S64", (), "name of the algorithm; empty = it was not judged"),
    "version": Field("<i8", (), "version of the algorithm"),
    "outcome": Field("S16", (), "ok, incomplete (not judged: too much is missing), failed (given up)"),
    "error": Field("S256", (), "why it was not judged, cut to length"),
    "took": Field("<i8", (), "time of work in ns"),
    "epoch": Field("<i8", (), "of the trigger's stream"),
    "number": Field("<i8", (), "of the answer in that epoch"),
    "kept": Field("<i8", (), f"when the archive took it, {layout.TIME_TEXT}"),
    "record": Field("S131072", (), "all that was said (JSON)"),
}
"""What is kept of an answer. Texts are UTF-8, padded with zero bytes."""


KEY = ("id", "answer")
EVENTS = Ledger(
    name="events",
    row="event_answer",
    about="answer of an event trigger, in order of event and answer",
    fields=FIELDS,
    key=KEY,
    order=("id", "answer"),
    known=partial(Once, KEY),
    capacity=lambda: 256,
)


def plain(event: Event, of: Callable[[int], Configuration | None]) -> Said:
    """An answer as JSON can say it, with the names of its devices and where they stand; `of` knows a device."""

    def name(device: int) -> str:
        held = of(device)
        return held.name if held is not None else str(device)

    said = {key: getattr(event, key) for key in (*NUMBERS, "detail")} | _texts(event)
    said["ellipse"] = event.ellipse if len(event.ellipse) == len(ELLIPSE) else []
    held = [of(device) for device in event.device.tolist()]
    said["nearest"] = [{"device": device, "name": name(device)} for device in event.nearest]
    said["devices"] = {
        "device": event.device.tolist(),
        "name": [name(device) for device in event.device.tolist()],
        "region": [each.region if each else "" for each in held],
        "latitude": [each.latitude if each else math.nan for each in held],
        "longitude": [each.longitude if each else math.nan for each in held],
        "arrival": event.arrival.tolist(),
        "amplitude": event.amplitude.tolist(),
    }
    for key in ("suspicions", "bad"):
        known = [each for each in getattr(event, key) if type(each.get("device")) is int]
        said[key] = [each | {"name": name(each["device"])} for each in known]
    whole: Said = without_nan(said)
    return whole


def _texts(event: Event) -> dict[str, str]:
    """Texts of an answer, cut to what the ledger takes."""
    return {key: EVENTS.fitting(str(getattr(event, key)), key) for key in ("id", *TEXTS)}


def record_text(said: Said) -> str:
    """JSON of an answer; what does not fit is left out, and `left_out` names it."""
    room = np.dtype(FIELDS["record"].dtype).itemsize - 1024
    if _size(said) <= room:
        return _json(said)
    lists = ("suspicions", "bad", "nearest", "devices")
    kept: Said = {key: value for key, value in said.items() if key not in (*lists, "detail")} | {"detail": {}}
    left = []
    for key in lists:
        if _size(kept | {key: said[key]}) <= room:
            kept[key] = said[key]
        else:
            left.append(key)
    for key, value in sorted(said["detail"].items(), key=lambda item: _size(item[1])):
        if _size(kept | {"detail": kept["detail"] | {key: value}}) <= room:
            kept["detail"] = kept["detail"] | {key: value}
        else:
            left.append(f"detail.{key}")
    return _json(kept | {"left_out": left[:20]})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _size(value: Any) -> int:
    return len(_json(value).encode())


def row_of(event: Event, said: Said) -> dict[str, Any]:
    """An answer as a row of `FIELDS`, without `kept`; `said` is its `plain` form."""
    row = {key: getattr(event, key) for key in (*NUMBERS, "epoch", "number")}
    row |= _texts(event)
    ellipse = said["ellipse"] or [math.nan] * len(ELLIPSE)
    row |= dict(zip(ELLIPSE, ellipse, strict=True))
    row |= {"devices": event.device.size, "bad": len({each["device"] for each in said["bad"]})}
    row["suspicions"] = len(said["suspicions"])
    row["nearest"] = EVENTS.fitting(said["nearest"][0]["name"] if said["nearest"] else "", "nearest")
    return row | {"record": record_text(said)}


def hour_of(name: str, start: int) -> int:
    """In which hour [ns] the answers of an event are: the one that its id tells; else that of what was judged."""
    told = layout.instant_from(name)
    return layout.hour_of(start if told is None else told)


def answers(root: Path, hour: int, name: str) -> Columns:
    """All answers of an event, in order. Raises ArchiveError."""
    rows = EVENTS.of_hour(root, hour)
    return some(rows, rows["id"] == EVENTS.fitting(name, "id"))


def between(root: Path, start: int, end: int) -> Iterator[Columns]:
    """The answers with an onset in [start, end) ns, hour by hour. Raises ArchiveError."""
    for rows in EVENTS.hours(root, start - layout.SPAN, end + layout.SPAN):
        yield some(rows, (rows["onset"] >= start) & (rows["onset"] < end))
