"""Events: what event triggers say (`archive/records.py`), or suspicious verdicts whose onsets lie together, as files.

Of the latter: they are written once with the raw data around them. A verdict that belongs to an event already written
makes a file of its own beside it; `list_events` shows files whose onsets lie together as one event.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py

from algorithms.grouping import group
from archive import folder, layout
from archive.answers import EVENTS
from archive.clips import event_file, write_clip
from archive.configurations import NUMBERING
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.groups import write_root
from archive.records import NUMBERS, Answer, Record, attributes_of, counting, is_rejected, read_event
from archive.sources import open_finished
from archive.spans import FIRST, LAST, Moment, instant
from protocol.clock import SECOND
from protocol.messages import Outcome, Verdict

WITHIN = 5 * SECOND
"""Onsets no farther apart [ns] are of one event."""
NEAR = 600 * SECOND
"""An event file whose name is no farther [ns] from an onset may hold a verdict of it: onsets follow one another."""
Said = dict[str, Any]
"""A verdict as plain values, with `names` of its devices."""


def plain(verdict: Verdict, names: Sequence[str]) -> Said:
    """A verdict as JSON can say it."""
    said = {key: value for key, value in asdict(verdict).items() if key not in NUMBERING}
    return said | {"device": [int(each) for each in verdict.device], "names": list(names)}


def matters(verdict: Verdict) -> bool:
    """Whether a verdict makes, or joins, an event."""
    return verdict.suspicious and verdict.outcome == Outcome.OK


def key_of(said: Said) -> str:
    """What was judged by what: the same for a verdict that came twice."""
    key = [said["algorithm"], said["version"], said["trigger"], said["device"], said["start"]]
    return json.dumps(key)


@dataclass
class Pending:
    """Suspicious verdicts that wait for their fellows and for the data after them."""

    verdicts: dict[str, Said] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    """Key -> monotonic ns when the verdict came; not kept over a restart: counted from then on."""

    def add(self, said: Said, monotonic: int) -> None:
        """A verdict came."""
        self.verdicts.setdefault(key_of(said), said)
        self.heard[key_of(said)] = monotonic

    def due(self, monotonic: int, settle: int) -> list[list[Said]]:
        """Groups of which no verdict came for `settle` ns, in order of onset."""
        keys = list(self.verdicts)
        groups = group([self.verdicts[key]["onset"] for key in keys], WITHIN)
        quiet = (
            [keys[at] for at in each]
            for each in groups
            if all(monotonic >= self.heard.setdefault(keys[at], monotonic) + settle for at in each)
        )
        return [[self.verdicts[key] for key in each] for each in quiet]

    def quiet(self, verdicts: Sequence[Said], monotonic: int) -> int:
        """ns since the last of these was heard."""
        return monotonic - max(self.heard.get(key_of(said), monotonic) for said in verdicts)

    def forget(self, verdicts: Iterable[Said]) -> None:
        """Those have been written."""
        for said in verdicts:
            self.verdicts.pop(key_of(said), None)
            self.heard.pop(key_of(said), None)


def unwritten(root: Path, verdicts: Sequence[Said]) -> list[Said]:
    """Those that no event file holds: a trigger that was started anew has its recent windows judged once more."""
    if not verdicts:
        return []
    low, high = (pick(said["onset"] for said in verdicts) for pick in (min, max))
    held: set[str] = set()
    for path in (root / "events").glob("*.h5"):
        moment = layout.instant_from(path.name)
        if moment is not None and low - NEAR <= moment <= high + NEAR:
            held.update(_keys_in(path))
    return [said for said in verdicts if key_of(said) not in held]


def _keys_in(path: Path) -> set[str]:
    """Keys of the verdicts of an event file; none if it can't be read, which `list_events` tells."""
    try:
        with open_finished(path) as file:
            return {key_of(said) for said in json.loads(file["verdicts"].asstr()[()])}
    except (OSError, KeyError, ValueError, ArchiveError):
        return set()


def write_event(root: Path, verdicts: Sequence[Said], before: int, after: int, disk: Disk | None = None,
                data: Path | None = None) -> Path:  # fmt: skip
    """Write one event with the data of [onset - before, onset + after) ns of all devices of the tables concerned.

    `data` is the archive that has these, if it is another one.
    """
    onset = min(said["onset"] for said in verdicts)
    mark = hashlib.sha256("".join(sorted(key_of(said) for said in verdicts)).encode()).hexdigest()[:8]
    path = root / "events" / f"{layout.event_name(onset, mark)}.h5"
    with event_file(root, path, disk) as out:
        write_root(out, onset - before, onset + after, folder.site_text(root), [])
        out.attrs.update(_attributes(onset, verdicts))
        details = json.dumps(list(verdicts), ensure_ascii=False)
        out.create_dataset("verdicts", data=details, dtype=h5py.string_dtype())
        devices = {device for said in verdicts for device in said["device"]}
        write_clip(out, data or root, devices, onset - before, onset + after)
    return path


def _attributes(onset: int, verdicts: Sequence[Said]) -> dict[str, Any]:
    worst = max(verdicts, key=lambda said: said["score"])
    names = sorted({name for said in verdicts for name in said["names"]})
    return {
        "title": "SYMS event", "onset": onset, "onset_text": f"{layout.moment(onset):%Y-%m-%dT%H:%M:%S.%fZ}",
        "devices": json.dumps(names, ensure_ascii=False), "score": worst["score"],
        "algorithm": worst["algorithm"], "version": worst["version"],
        "details": json.dumps(worst["detail"], ensure_ascii=False),
    }  # fmt: skip


@dataclass(frozen=True)
class Event:
    """What `syms events` shows."""

    onset: int
    """ns UTC"""
    time: str
    devices: list[str]
    score: float
    """How far beyond the algorithm's limit (1.0 = at the limit); of the worst verdict."""
    algorithm: str
    details: dict[str, Any]
    files: list[str]
    """None yet where an event is open."""
    id: str = ""
    """This and what follows is of events of event triggers; see `protocol.messages.Event`."""
    answer: int = 0
    final: bool = True
    disturbance: bool = True
    outcome: str = Outcome.OK
    """`incomplete`, `failed`: nobody could judge it, `error` says why."""
    error: str = ""
    kind: str = ""
    confidence: float = math.nan
    size_mhz: float = math.nan
    size_mw: float = math.nan
    latitude: float = math.nan
    longitude: float = math.nan
    ellipse: list[float] = field(default_factory=list)
    """Semi-major, semi-minor axis [km], bearing [degrees from north]; empty = not known."""
    nearest: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    """Devices with bad data."""

    @property
    def rejected(self) -> bool:
        """Whether it was judged, and was no disturbance."""
        return is_rejected(self.outcome, self.disturbance)


class Remembered:
    """Reads event files and remembers what they say, for who lists them again and again: each is replaced as a whole
    or not at all."""

    def __init__(self) -> None:
        self._held: dict[Path, tuple[tuple[int, int], Event]] = {}

    def __call__(self, path: Path) -> Event:
        """What a file says. Raises ArchiveError, OSError."""
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        held = self._held.get(path)
        if held is None or held[0] != stamp:
            held = self._held[path] = (stamp, _read(path))
        return held[1]


def list_events(path: str | os.PathLike[str], kinds: Collection[str] = (), since: Moment = None, until: Moment = None,
                rejected: bool | None = False, read: Callable[[Path], Event] | None = None
                ) -> list[Event]:  # fmt: skip
    """The events of an archive with an onset in [since, until), in order of onset. Raises ArchiveError.

    `kinds`: only these kinds. `rejected`: those that were no disturbance, instead of all others; None: all events.
    `read`: a `Remembered`, of who lists them often.
    """
    root = Path(path)
    folder.check(root)
    low, high = instant(since, FIRST), instant(until, LAST)
    files = (file for file in sorted((root / "events").glob("*.h5")) if _is_near(file, low, high))
    written = [(read or _read)(file) for file in files]
    alone = [] if rejected else [event for event in written if not event.id]
    known = {event.id: event for event in written if event.id}
    for event in (event_of(counting(said)) for said in _open_answers(root).values()):
        held = known.setdefault(event.id, event)
        if held.answer < event.answer:
            known[event.id] = replace(event, files=held.files)
    found = [_merged([alone[at] for at in each]) for each in group([event.onset for event in alone], WITHIN)]
    found += [event for event in known.values() if rejected in (None, event.rejected)]
    chosen = (event for event in found if low <= event.onset < high and (not kinds or event.kind in kinds))
    return sorted(chosen, key=lambda event: event.onset)


def find_event(path: str | os.PathLike[str], name: str) -> Record:
    """The event whose id, or the name of whose file, begins so. Raises ArchiveError if that is none, or several."""
    root = Path(path)
    folder.check(root)
    files = {file.stem: file for file in (root / "events").glob("*.h5")}
    opened = {} if any(stem.startswith(name) for stem in files) else _open_answers(root)
    found = sorted(each for each in (*files, *opened) if each.startswith(name))
    found = [name] if name in found else found
    if not found:
        raise ArchiveError(f"{root}: no event {name!r}; `syms events {root}` lists them, with --rejected the others")
    if len(found) > 1:
        raise ArchiveError(
            f"{root}: {len(found)} events begin with {name!r}: {', '.join(found[:5])} …; write more of it"
        )
    if found[0] in files:
        return read_event(files[found[0]])
    return Record(found[0], None, [Answer.of(said) for said in opened[found[0]]])


def _is_near(path: Path, low: int, high: int) -> bool:
    """Whether an event file may have an onset in [low, high): its name is near; it is read if it tells none."""
    moment = layout.instant_from(path.name)
    return moment is None or low - NEAR <= moment <= high + NEAR


def _open_answers(root: Path) -> dict[str, list[Said]]:
    """Id to answers of the event triggers' events in hours that are not finished: they may have no file yet."""
    found: dict[str, list[Said]] = {}
    for hour in layout.live_hours(root):
        rows = EVENTS.of_hour(root, hour)
        for name, text in zip(rows["id"].tolist(), rows["record"].tolist(), strict=True):
            found.setdefault(name, []).append(json.loads(text))
    return found


def _read(path: Path) -> Event:
    try:
        with open_finished(path) as file:
            said = dict(file.attrs)
    except OSError as fault:
        raise ArchiveError(f"{path}: no event file ({fault}); move it away") from fault
    return _event(said, [str(path)])


def event_of(said: Said) -> Event:
    """What an answer (`archive.answers.plain`) says, of an event that has no file yet."""
    return _event(attributes_of(said), [])


def _event(said: dict[str, Any], files: list[str]) -> Event:
    devices = [sys.intern(name) for name in json.loads(said["devices"])]  # the same ones in thousands of events
    event = Event(int(said["onset"]), str(said["onset_text"]), devices, float(said["score"]),
                  str(said["algorithm"]), json.loads(said["details"]), files)  # fmt: skip
    if "id" not in said:
        return event
    numbers: dict[str, Any] = {name: float(said[name]) for name in NUMBERS}
    return replace(
        event, id=str(said["id"]), answer=int(said["answer"]), final=bool(said["final"]),
        outcome=str(said["outcome"]), error=str(said["error"]),
        disturbance=bool(said["disturbance"]), kind=str(said["kind"]), nearest=json.loads(said["nearest"]),
        ellipse=[float(each) for each in said["ellipse"]], bad=json.loads(said["bad"]),
        **numbers,
    )  # fmt: skip


def _merged(events: Sequence[Event]) -> Event:
    first, worst = events[0], max(events, key=lambda event: event.score)
    devices = sorted({name for event in events for name in event.devices})
    files = [name for event in events for name in event.files]
    return replace(worst, onset=first.onset, time=first.time, devices=devices, files=files)
