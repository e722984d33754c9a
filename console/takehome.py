"""An export as a page asks for it: what it will hold, and about how large it becomes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from archive.exports.wishes import QUANTITIES
from protocol.clock import SECOND
from protocol.messages import Configuration, Table

BYTES = {"hdf5": 2.5, "csv": 11.0, "xlsx": 9.0, "comtrade": 11.0, "comtrade_binary32": 4.5, "mat": 4.0, "parquet": 4.0}
"""Of a value in each format, about."""
PER_PHASOR = ("magnitude", "angle")


def estimate(known: Iterable[Configuration], quantities: Collection[str], seconds: float, form: str) -> tuple[int, int]:
    """(values, bytes) that some devices have of some quantities (none: of all) in so many seconds."""
    wanted = set(quantities or QUANTITIES)
    values = 0.0
    for each in known:
        table = Table(*each.table)
        if table.spectrum:
            continue
        channels = len(wanted & {"frequency", "rocof", "status", "quality"})
        channels += table.phasors * len(wanted & set(PER_PHASOR))
        channels += table.analogs * ("analog" in wanted) + table.digitals * ("digital" in wanted)
        values += channels * seconds * (table.rate if table.rate > 0 else 1 / -table.rate if table.rate else 1)
    return int(values), int(values * BYTES[form])


def instant(text: str) -> int | None:
    """ns UTC of `2026-05-06 07:00`, with or without seconds; None: it is no time."""
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return int(told.timestamp()) * SECOND


def written(time: int) -> str:
    """The inverse, as `syms export` takes it."""
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
