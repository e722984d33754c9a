"""`/health`: whether the station works, for load balancers, who need no login. It says no more than what fails."""

from __future__ import annotations

from typing import Any

from console.model import Station
from protocol.clock import SECOND, Now

STALE = 5 * SECOND
"""The newest slot may be so old."""


def wellbeing(station: Station, now: Now) -> tuple[int, dict[str, Any]]:
    """(HTTP status, what to say): 200, or 503 with what fails."""
    silent = station.ask(lambda board: board.silent(now.monotonic / SECOND))
    newest = station.newest()
    faults = [f"{len(silent)} processes are silent"] if silent else []
    if not newest:
        faults.append("no data yet")
    elif now.utc - newest > STALE:
        faults.append(f"the newest data are {(now.utc - newest) // SECOND} s old")
    return (503 if faults else 200), {"status": "fail" if faults else "pass", "faults": faults}
