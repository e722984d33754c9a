"""The alarms of a day: how often which was raised, which stood longest, floods, and what nobody acknowledged.

All of it follows from the changes that the archive keeps (`archive/alarms.py`). What stood when the day began was
raised before it, up to a month: older ones are not found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from algorithms.alarmfloods import floods
from archive.alarms import changes
from archive.ledgers import Columns, some
from archive.reports.asked import Asked
from protocol.clock import SECOND
from protocol.messages import AlarmState, Severity

BEFORE = 31 * 24 * 3600 * SECOND
"""ns before the day in which alarms that still stand are looked for."""
RAISED = ("raised", "chattering")
"""Changes by which an alarm comes."""
SILENT = (AlarmState.SUPPRESSED, AlarmState.SHELVED)
"""States in which nobody is told that it came."""
WAITING = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)
Key = tuple[str, str, str]
"""Subject, source, kind."""
RANKS = {str(each): rank for rank, each in enumerate(Severity)}


@dataclass(frozen=True)
class Limit:
    """What one kind of alarm of one subject came to."""

    subject: str
    """What it is of: a device, a region, an event, a process."""
    source: str
    kind: str
    """Name of the limit, kind of the event or of the bad data, kind of process."""
    severity: str
    """The gravest."""
    raised: int
    """How often a person was told of it."""
    silent: int
    """How often nobody was, since it was shelved or suppressed."""
    seconds: float
    """That it stood in the day."""


@dataclass(frozen=True)
class Standing:
    """An alarm from its coming to its going."""

    id: str
    subject: str
    source: str
    kind: str
    severity: str
    text: str
    start: int
    """ns UTC, by the time of the data"""
    stop: int | None
    """None: it stood at the end of the day."""
    seconds: float
    """How long it stood, up to the end of the day."""
    state: str
    """As it was at its end, or at that of the day."""
    user: str
    """Who acknowledged it; "" = nobody."""


@dataclass(frozen=True)
class Flood:
    """Times are ns UTC of the first and the last alarm."""

    start: int
    stop: int
    raised: int
    most: int
    """In ten minutes."""
    worst: str
    """What was raised most often."""


@dataclass(frozen=True)
class Alarms:
    """Of a day."""

    raised: int
    """How often a person was told of one."""
    limits: list[Limit] = field(default_factory=list)
    """Those raised most often first."""
    standing: list[Standing] = field(default_factory=list)
    """All that stood at some time of the day, the longest first."""
    floods: list[Flood] = field(default_factory=list)
    unacknowledged: list[Standing] = field(default_factory=list)
    """What nobody had acknowledged when the day was over, the oldest first; whether it still stood or not."""


def alarms(asked: Asked) -> Alarms | None:
    """None: the archive keeps none of that time. Raises ArchiveError, OSError."""
    rows = changes(asked.root, asked.start - BEFORE, asked.end)
    if not len(rows["id"]):
        return None
    spells = [spell for each in _by_alarm(rows) for spell in _spells(each, asked.end)]
    inside = [each for each in spells if (each.stop or asked.end) > asked.start]
    came = some(rows, np.isin(rows["change"], RAISED) & (rows["time"] >= asked.start))
    told = some(came, ~np.isin(came["state"], SILENT))
    longest = sorted(inside, key=lambda each: (-each.seconds, each.start))
    waiting = sorted(_waiting(rows, spells), key=lambda each: each.start)
    return Alarms(len(told["id"]), _limits(asked, came, inside), longest, list(_floods(told)), waiting)


def _by_alarm(rows: Columns) -> Iterator[Columns]:
    """The changes of each alarm, in order."""
    _, which = np.unique(rows["id"].astype(str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(which[order])) + 1):
        yield {name: values[mine] for name, values in rows.items()}


def _spells(rows: Columns, end: int) -> Iterator[Standing]:
    """Each time that one alarm stood."""
    active = rows["active"] != 0
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False)).tolist()
    starts, stops = edges[::2], edges[1::2]  # none of one that came longer ago than we look, and only went since
    for first, stop, after in zip(starts, stops, [*starts, len(active)][1:], strict=True) if starts else ():
        over = stop < len(active)
        last = stop if over else stop - 1
        start, gone = int(rows["raised"][first]), int(rows["cleared"][stop]) if over else None
        by = [str(rows["user"][at]) for at in range(first, after) if rows["change"][at] == "acknowledged"]
        gravest = max(rows["severity"][first : last + 1].tolist(), key=_rank)
        told = {name: str(rows[name][last]) for name in ("id", "subject", "source", "kind", "text", "state")}
        seconds = max((end if gone is None else gone) - start, 0) / SECOND
        yield Standing(**told, severity=str(gravest), start=start, stop=gone, seconds=seconds, user=by[0] if by else "")


def _limits(asked: Asked, came: Columns, inside: list[Standing]) -> list[Limit]:
    columns = (came[name].tolist() for name in ("subject", "source", "kind", "severity", "state"))
    told: Counter[Key] = Counter()
    silent: Counter[Key] = Counter()
    seconds: Counter[Key] = Counter()
    gravest: dict[Key, str] = {}
    for subject, source, kind, severity, state in zip(*columns, strict=True):
        (silent if state in SILENT else told)[subject, source, kind] += 1
        _raise(gravest, (subject, source, kind), severity)
    for each in inside:
        key = each.subject, each.source, each.kind
        seconds[key] += max(0, min(each.stop or asked.end, asked.end) - max(each.start, asked.start))
        _raise(gravest, key, each.severity)
    found = [Limit(*key, severity, told[key], silent[key], seconds[key] / SECOND) for key, severity in gravest.items()]
    return sorted(found, key=lambda each: (-each.raised, -each.seconds, each.subject, each.source, each.kind))


def _raise(gravest: dict[Key, str], key: Key, severity: str) -> None:
    gravest[key] = max(gravest.get(key, severity), severity, key=_rank)


def _rank(severity: str) -> int:
    return RANKS.get(severity, -1)


def _floods(told: Columns) -> Iterator[Flood]:
    subject, kind = told["subject"].tolist(), told["kind"].tolist()
    for each in floods(told["time"]):
        names = Counter(zip(subject[each.first : each.stop], kind[each.first : each.stop], strict=True))
        (worst, of), _ = names.most_common(1)[0]
        start, stop = (int(told["time"][at]) for at in (each.first, each.stop - 1))
        yield Flood(start, stop, each.stop - each.first, each.most, f"{worst}: {of}")


def _waiting(rows: Columns, spells: list[Standing]) -> Iterator[Standing]:
    """The last time that each alarm stood, of those that nobody acknowledged."""
    spell = {each.id: each for each in spells}
    state = dict(zip(rows["id"].tolist(), rows["state"].tolist(), strict=True))
    yield from (spell[name] for name, last in state.items() if last in WAITING and name in spell)
