"""Every verdict, once: which window of which device was judged when, by what, and how it ended.

A verdict is kept in the hour of its window's `stop`, as a row for each of its devices (`archive/ledgers.py`). It goes
through the same commit as rows. A twin changes nothing: a verdict of the same trigger, device and start, by the same
version of the same algorithm, or one of the two without any (a window that nobody judged).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.ledgers import Columns, Ledger, some
from protocol.messages import Cause, Verdict

Window = tuple[str, int, int]
"""(trigger, device, start)"""
Judge = tuple[str, int]
"""(algorithm, its version); `NOBODY` if the window was not judged."""
NOBODY: Judge = ("", 0)


class Known:
    """Which windows of an hour have a verdict already."""

    def __init__(self) -> None:
        self._judged: dict[Window, set[Judge]] = {}

    def note(self, row: dict[str, Any]) -> bool:
        """Whether a row is new; it is known from now on."""
        judges = self._judged.setdefault((row["trigger"], row["device"], row["start"]), set())
        judge = (row["algorithm"], row["version"])
        if judges and (judge in judges or judge == NOBODY or NOBODY in judges):
            return False
        judges.add(judge)
        return True


VERDICTS = Ledger(
    name="verdicts",
    row="verdict",
    about="verdict, in order of its window's end",
    fields=layout.VERDICT_FIELDS,
    key=("trigger", "device", "start", "algorithm", "version"),
    order=("stop", "start", "device", "kept"),
    known=Known,
    capacity=lambda: layout.VERDICT_ROWS,
)


def detail_text(detail: dict[str, Any], field: layout.Field = layout.VERDICT_FIELDS["detail"]) -> str:
    """JSON of an algorithm's figures; those that do not fit are left out, and `left_out` says how many."""
    room = np.dtype(field.dtype).itemsize
    plain = without_nan(detail)
    whole = _json(plain)
    if len(whole) <= room:
        return whole
    kept: dict[str, Any] = {}
    for name, value in plain.items():
        if len(_json(kept | {name: value})) <= room - 32:
            kept[name] = value
    return _json(kept | {"left_out": len(plain) - len(kept)})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def without_nan(value: Any) -> Any:
    """The same as JSON can say it: what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rows_of(verdict: Verdict, name_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """A verdict as rows of `layout.VERDICT_FIELDS`, without `kept`."""
    said = {name: getattr(verdict, name, 0) for name in layout.VERDICT_FIELDS}
    for name in ("outcome", "algorithm", "trigger", "worker", "error"):
        said[name] = VERDICTS.fitting(str(said[name]), name)
    cause = {} if verdict.cause == Cause.SCHEDULE else {"cause": str(verdict.cause)}
    said["detail"] = detail_text(cause | verdict.detail)
    for device in verdict.device.tolist():
        yield said | {"device": device, "name": VERDICTS.fitting(name_of(device), "name")}


def between(root: Path, start: int, end: int) -> Iterator[Columns]:
    """The verdicts on windows whose `stop` is in (start, end] ns, hour by hour, in order. Raises ArchiveError."""
    for rows in VERDICTS.hours(root, start, end):
        yield some(rows, (rows["stop"] > start) & (rows["stop"] <= end))
