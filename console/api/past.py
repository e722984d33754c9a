"""What the archive has, as the API tells it. All of it reads files: it belongs into threads, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import flags, folder
from archive.asking import Asked
from archive.events import Event, Remembered, find_event, list_events
from archive.folder import ArchiveError
from archive.reading import Extract, open_archive
from archive.records import Answer, Record
from archive.spans import FIRST, LAST, Moment, instant
from console.api.models import EventAnswer, EventRecord, Events, Flag, History, text_of
from console.api.now import Regions
from console.api.problems import Refused
from console.stepping import DAY, LONGEST, stepped
from protocol.clock import SECOND, Now

AT_ONCE = 2
"""Readers of the archive at a time: acquisition goes first."""
PATIENCE = 20.0
"""Seconds that one waits for its turn."""
RAW = 100_000
"""Rows of one channel in an answer, at most."""
OF_ANGLES = DAY
"""Longest history [ns] of what the archive keeps no seconds of."""
NO_MEAN = ("digital", "status", "quality")
NO_OVERVIEW = ("angle", *NO_MEAN)
"""Of these nothing is left when the rows are gone."""
FLAGS = 10_000
"""Spans of bad data in an answer, at most."""
PLACES_HOLD = 300 * SECOND
HIDDEN = "Not yours to see"
_turns = threading.BoundedSemaphore(AT_ONCE)
_read = Remembered()


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
    span = _bounded(start, end, LONGEST)
    with turn(), open_archive(_folder(root), start, end) as found:
        try:
            wanted = found.asked(device, quantity, channel)
        except ArchiveError as fault:
            what = str(fault) if regions is None else f"{device!r}: no such device or channel; /devices lists yours"
            raise Refused(404, "There is nothing of that name", what) from fault
        _allowed(found, wanted, regions)
        said = {"device": device, "quantity": quantity, "channel": channel or "", "unit": wanted.unit}
        seconds, gone = span / SECOND, bool(found.overview_hours)
        fits = seconds * max((rate if rate > 0 else 1 for rate in wanted.rates), default=1) <= points
        if fits and (not gone or quantity in NO_OVERVIEW):
            time, values = found.get(device, quantity, channel)
            return History(**said, time=_texts(time), value=values.astype(float).tolist(), seconds_only=gone)
        if quantity in NO_MEAN:
            remedy = f"ask for a shorter span, or points up to {RAW}: there is no mean of {quantity}"
            raise Refused(422, "Too many rows", remedy)
        if quantity == "angle":
            _bounded(start, end, OF_ANGLES)
        step = max(1, -(-int(seconds) // points))
        over = stepped(found, device, quantity, channel, step)
        low, mean, high = (each.astype(float).tolist() for each in (over.low, over.mean, over.high))
        return History(**said, step_s=step, time=_texts(over.time), minimum=low, mean=mean, maximum=high,
                       seconds_only=gone)  # fmt: skip


def _bounded(start: Moment, end: Moment, most: int) -> int:
    """How long an interval is [ns]. Raises Refused: longer than `most`."""
    span = instant(end, LAST) - instant(start, FIRST)
    if span > most:
        raise Refused(422, "Too long", f"ask for {most // DAY} days at most, one span after the other")
    return span


def _allowed(found: Extract, wanted: Asked, regions: Regions) -> None:
    """Raises Refused if a reader may not see a device."""
    if regions is None:
        return
    of = {each.region for key, each in found.stations.known if key in wanted.keys}
    if not of or not of <= set(regions):
        raise Refused(403, HIDDEN, "its region is none of yours; ask an administrator for it")


def _texts(time: NDArray[np.int64]) -> list[str]:
    return [text_of(each) for each in time.tolist()]


@dataclass(frozen=True)
class Which:
    """Events that are asked for; what is empty or 0 leaves none out."""

    kinds: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    """Names; of one of them."""
    regions: list[str] = field(default_factory=list)
    """Of a device in one of them."""
    mhz: float = 0.0
    """Least size, either way."""
    mw: float = 0.0
    rejected: bool = False
    """What was suspected and was none, instead."""

    def passes(self, event: Event, names: set[str] | None) -> bool:
        """Whether it is one; `names`: of devices of which it has to have one, None: of any."""
        sizes = ((self.mhz, event.size_mhz), (self.mw, event.size_mw))
        return (names is None or not names.isdisjoint((*event.devices, *event.nearest))) and all(
            not least or abs(size) >= least for least, size in sizes
        )


def events(root: Path | None, regions: Regions, which: Which, start: Moment, end: Moment, limit: int,
           now: Now) -> Events:  # fmt: skip
    """Events with an onset in [start, end), the oldest first."""
    with turn():
        where = _folder(root)
        mine = _names(where, regions, now)
        wanted = _common(mine, _names(where, which.regions or None, now), set(which.devices) or None)
        listed = list_events(where, which.kinds, start, end, which.rejected, _read)
        found = [event for event in listed if which.passes(event, wanted)]
    more = found[limit:]
    return Events(events=[_event(each, mine) for each in found[:limit]], next=text_of(more[0].onset) if more else None)


def _common(*sets: set[str] | None) -> set[str] | None:
    """What is in all of some sets; None: everything."""
    known = [each for each in sets if each is not None]
    return set.intersection(*known) if known else None


def _names(root: Path, regions: Regions, now: Now) -> set[str] | None:
    """Names of the devices that a reader may see; None: all."""
    if regions is None:
        return None
    return {name for name, region in _places(root, now.monotonic // PLACES_HOLD) if region in regions}


@lru_cache(1)
def _places(root: Path, moment: int) -> set[tuple[str, str]]:
    """(name, region) of all devices that the archive has; of each hour a file is opened, so that they are kept."""
    with open_archive(root) as found:
        return {(each.name, each.region) for held in found.configurations.values() for each in held}


def _event(event: Event, mine: set[str] | None) -> EventAnswer:
    """`mine`: names of devices that may be told; None: all."""
    said = {name: getattr(event, name) for name in EventAnswer.model_fields if name not in ("onset", "id")}
    if mine is not None:
        said |= {name: [each for each in said[name] if each in mine] for name in ("nearest", "devices", "bad")}
    return EventAnswer(id=event.id or Path(event.files[0]).stem, onset=text_of(event.onset), **said)


def event(root: Path | None, regions: Regions, name: str, now: Now) -> EventRecord:
    """One event with all its answers. Raises Refused: there is none."""
    with turn():
        where = _folder(root)
        folder.check(where)
        try:
            record = find_event(where, name)
        except ArchiveError as fault:
            raise Refused(404, "There is no such event", str(fault)) from fault
        listed = {each.id or Path(each.files[0]).stem: each for each in list_events(where, rejected=None, read=_read)}
        mine = _names_of(record, where, regions, now)
    told = listed.get(record.id)
    if told is None:
        raise Refused(404, "There is no such event", f"{name}: it is made of verdicts that others tell; /events lists")
    if mine is not None and not mine & {*told.devices, *told.nearest}:
        raise Refused(403, HIDDEN, "none of its devices is of your regions")
    answers = [_plain(asdict(each if mine is None else _seen(each, mine))) for each in record.answers]
    return EventRecord(**_event(told, mine).model_dump(), answers=answers)


def _names_of(record: Record, root: Path, regions: Regions, now: Now) -> set[str] | None:
    """Names of the devices of an event that a reader may see; None: all."""
    if regions is None or not record.answers:
        return _names(root, regions, now)
    return {each.name for answer in record.answers for each in answer.devices if each.region in regions}


def _seen(answer: Answer, mine: set[str]) -> Answer:
    """What an answer says of some devices, and of the event as a whole; how it was found tells of all devices."""
    return replace(
        answer, nearest=[each for each in answer.nearest if each in mine], detail={}, error="",
        devices=[each for each in answer.devices if each.name in mine],
        suspicions=[each for each in answer.suspicions if each.get("name") in mine],
        bad=[each for each in answer.bad if each.get("name") in mine],
    )  # fmt: skip


def _plain(said: Any) -> Any:
    """Without NaN, which JSON can't say."""
    if isinstance(said, dict):
        return {key: _plain(value) for key, value in said.items()}
    if isinstance(said, list):
        return [_plain(each) for each in said]
    return None if isinstance(said, float) and said != said else said


def bad_data(root: Path | None, regions: Regions, start: Moment, end: Moment, now: Now) -> list[Flag]:
    """Spans of bad data that touch [start, end); without a `start` those of the day before `end`, or before now."""
    stop = instant(end, now.utc)
    begin = instant(start, stop - DAY)
    _bounded(begin, stop, LONGEST)
    with turn():
        where = _folder(root)
        folder.check(where)
        rows: dict[str, Any] = flags.spans(where, begin, stop)
        mine = _names(where, regions, now)
    columns = [rows[name].tolist() for name in ("device", "name", "kind", "start", "stop", "going", "score", "by")]
    found = [
        Flag(device=device, name=_text(name), kind=_text(kind), start=text_of(begin), stop=text_of(stop),
             going=bool(going), score=score, by=_text(by))
        for device, name, kind, begin, stop, going, score, by in zip(*columns, strict=True)
        if mine is None or _text(name) in mine
    ]  # fmt: skip
    if len(found) > FLAGS:
        raise Refused(
            422, "Too many spans", f"there are {len(found)}, {FLAGS} at most are told: ask for a shorter time"
        )
    return found


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
