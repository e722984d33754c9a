"""What the archive has, as the API tells it. All of it reads files: it belongs into threads, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import flags, folder
from archive.asking import Asked
from archive.events import Event, find_event, list_events
from archive.folder import ArchiveError
from archive.reading import Extract, open_archive
from archive.spans import FIRST, LAST, Moment, instant
from console.api.models import EventAnswer, EventRecord, Events, Flag, History, text_of
from console.api.now import Regions
from console.api.problems import Refused
from protocol.clock import SECOND

AT_ONCE = 2
"""Readers of the archive at a time: acquisition goes first."""
PATIENCE = 20.0
"""Seconds that one waits for its turn."""
RAW = 100_000
"""Rows of one channel in an answer, at most."""
HIDDEN = "Not yours to see"
_turns = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def turn() -> Iterator[None]:
    """One's turn to read the archive. Raises Refused if it does not come."""
    if not _turns.acquire(timeout=PATIENCE):
        raise Refused(503, "Too many read the archive", "ask again in some seconds, or for shorter spans")
    try:
        yield
    finally:
        _turns.release()


def _folder(root: Path | None) -> Path:
    if root is None or not root.is_dir():
        raise Refused(503, "There is no archive", "this station has none yet: wait for its first rows")
    return root


def history(root: Path | None, regions: Regions, device: str, quantity: str, channel: str | None, start: Moment,
            end: Moment, points: int) -> History:  # fmt: skip
    """One channel in [start, end): as measured if that is no more than `points` rows, else in steps."""
    with turn(), open_archive(_folder(root), start, end) as found:
        try:
            wanted = found.asked(device, quantity, channel)
        except ArchiveError as fault:
            raise Refused(404, "There is nothing of that name", str(fault)) from fault
        _allowed(found, wanted, regions)
        said = {"device": device, "quantity": quantity, "channel": channel or "", "unit": wanted.unit}
        seconds = (instant(end, LAST) - instant(start, FIRST)) / SECOND
        if seconds * max((rate if rate > 0 else 1 for rate in wanted.rates), default=1) <= points:
            time, values = found.get(device, quantity, channel)
            return History(**said, time=_texts(time), value=values.astype(float).tolist())
        if quantity in ("digital", "status", "quality"):
            remedy = f"ask for a shorter span, or points up to {RAW}: there is no mean of {quantity}"
            raise Refused(422, "Too many rows", remedy)
        over = found.overview(device, quantity, channel)
        step = max(1, -(-int(seconds) // points))
        time, low, mean, high = in_steps(over.time, over.minimum, over.mean, over.maximum, over.count, step)
        return History(
            **said, step_s=step, time=_texts(time), minimum=low.tolist(), mean=mean.tolist(), maximum=high.tolist()
        )


def in_steps(time: NDArray[np.int64], low: NDArray[np.float32], mean: NDArray[np.float32],
             high: NDArray[np.float32], count: NDArray[np.int64], step: int
             ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Seconds [n] put together in steps of `step` s that begin at multiples of it: (start [k], minimum, mean weighted
    by count, maximum)."""
    of = time // (step * SECOND)
    first = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if of.size else np.zeros(0, np.int64)
    if not first.size:
        nothing = np.zeros(0, np.float64)
        return time, nothing, nothing, nothing
    valid = count * ~np.isnan(mean)
    total = np.add.reduceat(np.where(valid, mean, 0).astype(np.float64) * valid, first)
    with np.errstate(invalid="ignore"):
        means = total / np.add.reduceat(valid, first)
    return (
        of[first] * step * SECOND,
        np.fmin.reduceat(low, first).astype(np.float64),
        means,
        np.fmax.reduceat(high, first).astype(np.float64),
    )


def _allowed(found: Extract, wanted: Asked, regions: Regions) -> None:
    """Raises Refused if a reader may not see a device."""
    if regions is None:
        return
    of = {each.region for held in found.configurations.values() for each in held
          if any(key.device == each.device for key in wanted.keys)}  # fmt: skip
    if not of <= set(regions):
        raise Refused(403, HIDDEN, "its region is none of yours; ask an administrator for it")


def _texts(time: NDArray[np.int64]) -> list[str]:
    return [text_of(each) for each in time.tolist()]


def events(root: Path | None, regions: Regions, kinds: list[str], start: Moment, end: Moment, rejected: bool,
           limit: int) -> Events:  # fmt: skip
    """Events with an onset in [start, end), the oldest first."""
    with turn():
        where = _folder(root)
        mine = _names(where, regions)
        found = [
            event for event in list_events(where, kinds, start, end, rejected)
            if mine is None or mine & {*event.devices, *event.nearest}
        ]  # fmt: skip
    more = found[limit:]
    return Events(events=[_event(each) for each in found[:limit]], next=text_of(more[0].onset) if more else None)


def _names(root: Path, regions: Regions) -> set[str] | None:
    """Names of the devices that a reader may see; None: all."""
    if regions is None:
        return None
    with open_archive(root) as found:
        return {each.name for held in found.configurations.values() for each in held if each.region in regions}


def _event(event: Event) -> EventAnswer:
    said = {name: getattr(event, name) for name in EventAnswer.model_fields if name not in ("onset", "id")}
    return EventAnswer(id=event.id or Path(event.files[0]).stem, onset=text_of(event.onset), **said)


def event(root: Path | None, regions: Regions, name: str) -> EventRecord:
    """One event with all its answers. Raises Refused: there is none."""
    with turn():
        where = _folder(root)
        folder.check(where)
        try:
            record = find_event(where, name)
        except ArchiveError as fault:
            raise Refused(404, "There is no such event", str(fault)) from fault
        listed = {each.id or Path(each.files[0]).stem: each for each in list_events(where, rejected=None)}
        mine = _names(where, regions)
    told = listed.get(record.id)
    if told is None:
        raise Refused(404, "There is no such event", f"{name}: it is made of verdicts that others tell; /events lists")
    if mine is not None and not mine & {*told.devices, *told.nearest}:
        raise Refused(403, HIDDEN, "none of its devices is of your regions")
    return EventRecord(**_event(told).model_dump(), answers=[_plain(asdict(each)) for each in record.answers])


def _plain(said: Any) -> Any:
    """Without NaN, which JSON can't say."""
    if isinstance(said, dict):
        return {key: _plain(value) for key, value in said.items()}
    if isinstance(said, list):
        return [_plain(each) for each in said]
    return None if isinstance(said, float) and said != said else said


def bad_data(root: Path | None, regions: Regions, start: Moment, end: Moment) -> list[Flag]:
    """Spans of bad data that touch [start, end)."""
    with turn():
        where = _folder(root)
        folder.check(where)
        rows: dict[str, Any] = flags.spans(where, instant(start, FIRST // 2), instant(end, LAST // 2))
        mine = _names(where, regions)
    columns = [rows[name].tolist() for name in ("device", "name", "kind", "start", "stop", "going", "score", "by")]
    return [
        Flag(device=device, name=_text(name), kind=_text(kind), start=text_of(begin), stop=text_of(stop),
             going=bool(going), score=score, by=_text(by))
        for device, name, kind, begin, stop, going, score, by in zip(*columns, strict=True)
        if mine is None or _text(name) in mine
    ]  # fmt: skip


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
