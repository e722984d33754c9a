"""Flags: which device had bad data, of what kind, from when to when, as concentrators and triggers say it.

A span is said more than once (`protocol.messages.Flags`); every word of it is a row, in the hour of its `stop`, and a
span that goes on is said again every `layout.FLAG_REPEAT`. So an hour alone tells all spans that touch it.
`merged` makes one row of the words of each span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.layout import Field
from archive.ledgers import Columns, Ledger, Once, some
from archive.verdicts import detail_text
from protocol.messages import Flags

FIELDS = {
    "device": Field("<u4", (), "device number: link * 65536 + position of the station in its stream"),
    "name": Field("S64", (), "name of the station"),
    "kind": Field("S32", (), "as frozen, spikes, clock_offset"),
    "start": Field("<i8", (), f"of the span: its first bad sample, {layout.TIME_TEXT}"),
    "stop": Field("<i8", (), f"after the last sample that is known to be bad, {layout.TIME_TEXT}"),
    "going": Field("|u1", (), "1 = it went on when this was said; 0 = it ended at stop"),
    "score": Field("<f8", (), "how far beyond its limit where it was worst, 1.0 = at the limit"),
    "by": Field("S64", (), "process that says it"),
    "epoch": Field("<i8", (), "of that process's stream"),
    "number": Field("<i8", (), "of the word in that epoch"),
    "kept": Field("<i8", (), f"when the archive took it, {layout.TIME_TEXT}"),
    "detail": Field("S512", (), "figures of it (JSON)"),
}
"""What is kept of a word about a span. Texts are UTF-8, padded with zero bytes."""
SPAN = ("by", "device", "kind", "start")
"""What the words of one span have in common."""


KEY = (*SPAN, "stop", "going")
FLAGS = Ledger(
    name="flags",
    row="flag",
    about="word about a span of bad data, in order of the span's begin and device",
    fields=FIELDS,
    key=KEY,
    order=("start", "device", "kind", "by", "stop", "kept"),
    known=partial(Once, KEY),
    capacity=lambda: layout.FLAG_ROWS,
)


def rows_of(flags: Flags, name_of: Callable[[int], str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(time [ns] that says in which hour, row of `FIELDS` without `kept`) of every span."""
    by = FLAGS.fitting(flags.node.partition("/")[0], "by")
    columns = (getattr(flags, name).tolist() for name in ("device", "start", "stop", "going", "score"))
    for kind, detail, device, start, stop, going, score in zip(flags.kind, flags.detail, *columns, strict=True):
        yield stop, {
            "device": device, "name": FLAGS.fitting(name_of(device), "name"), "kind": FLAGS.fitting(kind, "kind"),
            "start": start, "stop": stop, "going": going, "score": score, "by": by, "epoch": flags.epoch,
            "number": flags.number, "detail": detail_text(detail, FIELDS["detail"]),
        }  # fmt: skip


def spans(root: Path, start: int, end: int) -> Columns:
    """The spans that touch [start, end) ns, a row each, in order. Raises ArchiveError."""
    found = merged(FLAGS.joined(list(FLAGS.hours(root, start - layout.FLAG_REPEAT, end + layout.FLAG_REPEAT))))
    return some(found, (found["start"] < end) & ((found["stop"] > start) | (found["going"] != 0)))


def merged(rows: Columns) -> Columns:
    """One row for the words of each span: the last word, with the highest score.

    A span goes on if its last word says so, and its writer has not begun anew since.
    """
    if not len(rows["start"]):
        return rows
    order = np.lexsort([rows["going"] == 0, rows["stop"], *(rows[name] for name in reversed(SPAN))])
    rows = {name: values[order] for name, values in rows.items()}
    changed = np.any([rows[name][1:] != rows[name][:-1] for name in SPAN], axis=0)
    first = np.flatnonzero(np.append(True, changed))
    last = np.append(first[1:], len(order)) - 1
    score = np.maximum.reduceat(rows["score"], first)
    found = {name: values[last] for name, values in rows.items()}
    newest = {by: int(found["epoch"][found["by"] == by].max()) for by in set(found["by"].tolist())}
    over = found["epoch"] < np.array([newest[by] for by in found["by"].tolist()])
    found |= {"score": score, "going": np.where(over, 0, found["going"]).astype(np.uint8)}
    order = np.lexsort([found[name] for name in ("by", "kind", "device", "start")])
    return {name: values[order] for name, values in found.items()}
