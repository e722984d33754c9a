"""Events: suspicious verdicts whose onsets lie together, written once with the raw data around them.

A verdict that belongs to an event already written makes a file of its own beside it; `list_events` shows files
whose onsets lie together as one event. So no event file is ever changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import h5py

from algorithms.grouping import group
from archive import folder, layout
from archive.configurations import NUMBERING
from archive.disk import Disk, make_folder
from archive.folder import ArchiveError
from archive.groups import write_root
from archive.reading import Extract
from archive.sources import open_finished
from archive.stations import key_of as station_key
from archive.tables import write_table
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
        moment = _moment_of(path)
        if moment is not None and low - NEAR <= moment <= high + NEAR:
            held.update(_keys_in(path))
    return [said for said in verdicts if key_of(said) not in held]


def _moment_of(path: Path) -> int | None:
    """Onset [ns] that the name of an event file tells, None if that is none."""
    try:
        found = datetime.strptime(path.name.partition("Z_")[0] + "+0000", "%Y%m%dT%H%M%S.%f%z")
    except ValueError:
        return None
    return (found - layout.EPOCH) // timedelta(microseconds=1) * 1000


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
    moment = layout.moment(onset)
    path = root / "events" / f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z_{mark}.h5"
    make_folder(path.parent)
    temporary = path.with_suffix(".tmp")
    with h5py.File(temporary, "w", locking=False) as out:
        write_root(out, onset - before, onset + after, folder.site_text(root), [])
        out.attrs.update(_attributes(onset, verdicts))
        details = json.dumps(list(verdicts), ensure_ascii=False)
        out.create_dataset("verdicts", data=details, dtype=h5py.string_dtype())
        _write_clip(
            out, data or root, {device for said in verdicts for device in said["device"]}, onset - before, onset + after
        )
    (disk or Disk()).replace(temporary, path)
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


def _write_clip(out: Any, root: Path, devices: set[int], start: int, stop: int) -> None:
    """Each table that has one of the devices or its spectrum, cropped to the interval; absent if nothing is there."""
    extract = Extract(root, start, stop)
    for name, held in extract.configurations.items():
        table = layout.table_of(name)
        stations = {each.device for each in held} | {station_key(each).station for each in held}
        if table is None or not devices & stations:
            continue
        with extract.joined(name) as rows:
            there = rows.crop()
            first, end = layout.first_slot(start, table.rate), layout.first_slot(stop, table.rate)
            if there is not None and (first := max(first, there[0])) < (end := min(end, there[1])):
                write_table(out.create_group(name), rows, first, end)


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


def list_events(path: str | os.PathLike[str]) -> list[Event]:
    """The events of an archive, in order of onset. Raises ArchiveError."""
    root = Path(path)
    folder.check(root)
    found = [_read(file) for file in sorted((root / "events").glob("*.h5"))]
    return [_merged([found[at] for at in each]) for each in group([event.onset for event in found], WITHIN)]


def _read(path: Path) -> Event:
    try:
        with open_finished(path) as file:
            said = dict(file.attrs)
    except OSError as fault:
        raise ArchiveError(f"{path}: no event file ({fault}); move it away") from fault
    return Event(int(said["onset"]), str(said["onset_text"]), json.loads(said["devices"]), float(said["score"]),
                 str(said["algorithm"]), json.loads(said["details"]), [str(path)])  # fmt: skip


def _merged(events: Sequence[Event]) -> Event:
    first, worst = events[0], max(events, key=lambda event: event.score)
    devices = sorted({name for event in events for name in event.devices})
    files = [name for event in events for name in event.files]
    return Event(first.onset, first.time, devices, worst.score, worst.algorithm, worst.details, files)
