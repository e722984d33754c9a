"""The words of an event: the window that a detector gets, and what is said of its answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from algorithms.quality.flags import SETTLE
from algorithms.quantities import QUANTITIES
from nodes._case import Case, Due
from nodes._deadletters import letter_key
from nodes._eventgrid import NOBODY, Known
from nodes._flagging import Found, of_report
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Event, Outcome, Verdict, Window

TOLD = ("disturbance", "score", "onset", "kind", "confidence", "size_mhz", "size_mw", "arrival", "amplitude", "bad",
        "nearest", "latitude", "longitude", "ellipse")  # fmt: skip
"""What an `Event` has a field of its own for."""
UNKNOWN, NONE = "unknown", "none"

UNREADABLE = (LookupError, TypeError, ValueError, OverflowError)
"""What a report raises that has not the form of `algorithms/report.py`."""

Key = tuple[tuple[int, ...], int, int]
"""(devices, start, stop): what a detector answered."""


class EventTask(NamedTuple):
    """A window and what it is of."""

    window: Window
    due: Due

    @property
    def key(self) -> Key:
        """By which an answer to an earlier life is known."""
        return self.due.devices, self.due.start, self.due.stop

    @property
    def letter(self) -> tuple[int, int, int]:
        """By which a dead letter of it is known."""
        return letter_key(self.window)


def key(verdict: Verdict) -> Key:
    """The `EventTask.key` that an answer is of."""
    return tuple(verdict.device.tolist()), verdict.start, verdict.stop


def make(due: Due, trigger: str, known: Mapping[int, Known]) -> EventTask:
    """The work on a window that is due."""
    who = [known.get(device, NOBODY) for device in due.devices]
    m, q = len(who), len(QUANTITIES)
    values = np.zeros((m, q, 0), np.float32) if due.values is None else due.values
    shares = (~np.isnan(values).all(axis=1)).mean(axis=1) if values.size else np.zeros(1)
    window = Window(
        trigger=trigger,
        lease=0,
        attempt=0,
        device=np.array(due.devices, np.uint32),
        start=due.start,
        rate=due.rate or 1,
        quantities=list(QUANTITIES),
        values=values,
        filled=np.zeros((m, values.shape[-1]), np.uint8),
        completeness=float(shares.min()),
        detail={
            "latitude": [each.latitude for each in who],
            "longitude": [each.longitude for each in who],
            "nominal": float(next((each.nominal for each in who if each.nominal), 50)),
            "since": due.since,
            "late": round(SETTLE * due.rate),
            "event": due.event,
            "answer": due.answer,
        },
    )
    return EventTask(window, due)


def unjudged(task: EventTask, outcome: Outcome, error: str) -> Verdict:
    """The verdict of a window that no algorithm judged."""
    window, due = task
    return Verdict(
        trigger=window.trigger, lease=window.lease, attempt=window.attempt, worker="", algorithm="", version=0,
        device=window.device, start=due.start, stop=due.stop, outcome=outcome, suspicious=False, onset=0, score=0.0,
        detail={}, completeness=window.completeness, error=error,
    )  # fmt: skip


def bad_data(due: Due, verdict: Verdict) -> list[Found]:
    """What an answer says of bad data. Raises UNREADABLE."""
    if verdict.outcome != Outcome.OK:
        return []
    return list(of_report(verdict.detail, verdict.device.tolist(), verdict.start, verdict.stop, due.rate))


def most_felt(verdict: Verdict) -> int:
    """The device that felt most of what was found. Raises UNREADABLE."""
    amplitude = [math.nan if each is None else float(each) for each in verdict.detail.get("amplitude", [])]
    return int(verdict.device[int(np.argmax(np.nan_to_num(amplitude or [0.0], nan=-1.0)))])


def said(due: Due, case: Case, verdict: Verdict) -> Event:
    """What is to be said of an answer. What of a report is not there is not known. Raises UNREADABLE."""
    report, judged = verdict.detail, verdict.outcome == Outcome.OK
    devices, start = verdict.device.tolist(), verdict.start
    disturbance = bool(report.get("disturbance", verdict.suspicious))

    def moment(seconds: float | None) -> int:
        return 0 if seconds is None else start + round(float(seconds) * SECOND)

    def number(name: str) -> float:
        told = report.get(name)
        return math.nan if told is None else float(told)

    def bad(flag: dict[str, Any]) -> dict[str, Any]:
        span = {each: int(clock.slot_time(due.first + flag[each], due.rate)) for each in ("start", "stop")}
        return {**flag, "device": devices[flag["device"]], **span}

    arrival = [moment(each) for each in report.get("arrival", [])] or [0] * len(devices)
    amplitude = [math.nan if each is None else each for each in report.get("amplitude", [])]
    return Event(
        id=due.event,
        answer=due.answer,
        final=due.final,
        trigger=verdict.trigger,
        worker=verdict.worker,
        algorithm=verdict.algorithm,
        version=verdict.version,
        outcome=verdict.outcome,
        error=verdict.error,
        device=verdict.device,
        start=start,
        stop=verdict.stop,
        suspicions=case.suspicions,
        disturbance=disturbance,
        kind=str(report.get("kind", UNKNOWN if disturbance or not judged else NONE)),
        confidence=float(report.get("confidence") or 0.0),
        onset=moment(report.get("onset")) or verdict.onset or case.onset,
        score=verdict.score,
        size_mhz=number("size_mhz"),
        size_mw=number("size_mw"),
        latitude=number("latitude"),
        longitude=number("longitude"),
        ellipse=[float(each) for each in report.get("ellipse", [])],
        nearest=[devices[place] for place in report.get("nearest", [])],
        arrival=np.array(arrival, np.int64),
        amplitude=np.array(amplitude or [math.nan] * len(devices), np.float64),
        bad=[bad(flag) for flag in report.get("bad", [])],
        detail={name: told for name, told in report.items() if name not in TOLD},
        completeness=verdict.completeness,
        took=verdict.took,
    )
