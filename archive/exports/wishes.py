"""What an export is to hold, as people say it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archive.events import Event, find_event, list_events
from archive.folder import ArchiveError
from archive.nearest import known
from archive.records import read_event
from archive.sources import open_finished
from archive.spans import FIRST, LAST, Moment, instant

QUANTITIES = ("frequency", "rocof", "magnitude", "angle", "analog", "digital", "status", "quality")


class Quantity(NamedTuple):
    """One of `QUANTITIES`, of all channels or of one."""

    kind: str
    name: str | None = None
    """As in `Extract.get`; where only its spectrum is wanted also the phasor's, for all components."""


@dataclass(frozen=True)
class Wish:
    """What is wanted."""

    start: int = FIRST
    end: int = LAST
    """[start, end) ns UTC"""
    devices: tuple[str, ...] | None = None
    """Called as for `Extract.get`; None: all."""
    quantities: tuple[Quantity, ...] | None = None
    """None: all."""
    onset: int | None = None
    """Of the event that it is about [ns]."""
    clips: tuple[Path, ...] = ()
    """Event files whose raw data count as rows of the archive, which may be gone by now."""


BETWEEN = re.compile(rf",(?=\s*(?:{'|'.join(QUANTITIES)})\s*(?:[:,]|$))")
"""A comma between two quantities, not one in a channel's name."""


def quantities(texts: Sequence[str]) -> tuple[Quantity, ...] | None:
    """`frequency`, `frequency,magnitude:VA`; None for none. Raises ArchiveError."""
    found: dict[Quantity, None] = {}
    for each in [each for text in texts for each in BETWEEN.split(text)]:
        kind, colon, name = each.partition(":")
        if unknown := [word.strip() for word in kind.split(",") if word.strip() not in QUANTITIES]:
            raise ArchiveError(f"no quantity {unknown[0]!r}; there are: {', '.join(QUANTITIES)}")
        found[Quantity(kind.strip(), name if colon else None)] = None
    return tuple(found) or None


def wish(root: Path, start: Moment = None, end: Moment = None, devices: Sequence[str] | None = None,
         wanted: Sequence[str] = (), event: str | None = None) -> Wish:  # fmt: skip
    """What is wanted: of an event its clip's time and its devices, where nothing else is said. Raises ArchiveError."""
    some = tuple(devices) if devices else None
    if event is None:
        return Wish(instant(start, FIRST), instant(end, LAST), some, quantities(wanted))
    found = event_called(root, event)
    first, stop = _clip(root, found)
    some = some or _stations(root, found)
    clips = tuple(Path(name) for name in found.files)
    return Wish(instant(start, first), instant(end, stop), some, quantities(wanted), found.onset, clips)


def event_called(root: Path, name: str) -> Event:
    """An event by its id, its onset or the name of one of its files, or by how these begin; also a rejected one.

    Raises ArchiveError: none, or several.
    """
    events = list_events(root, rejected=None)
    asked = name.removesuffix(".h5")
    found = [event for event in events if asked in _names(event)]
    found = found or [event for event in events if asked and any(each.startswith(asked) for each in _names(event))]
    if len(found) == 1:
        return found[0]
    told = known(name, [_names(event)[0] for event in found or events])
    if not found:
        raise ArchiveError(f"{root}: no event {name!r}; there are: {told}")
    raise ArchiveError(f"{root}: {len(found)} events begin with {name!r}; name one of: {told}")


def _names(event: Event) -> list[str]:
    """What an event is called, first what no other one is."""
    return [*filter(None, [event.id]), *(Path(each).stem for each in event.files), event.time]


def _clip(root: Path, event: Event) -> tuple[int, int]:
    """[start, end) ns of the raw data in an event's files; of what was judged, while it has none."""
    if not event.files:
        judged = find_event(root, event.id).counting
        return judged.start, judged.stop
    spans = []
    for path in map(Path, event.files):
        with open_finished(path) as file:
            spans.append((instant(str(file.attrs["start"]), FIRST), instant(str(file.attrs["stop"]), LAST)))
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def _stations(root: Path, event: Event) -> tuple[str, ...] | None:
    """Those of an event; of a rejected one those that were suspected or bad, whose data its file has. None: all."""
    names = event.devices
    if event.id:
        held = read_event(Path(event.files[0])) if event.files else find_event(root, event.id)
        told = [each["name"] for each in (*held.counting.suspicions, *held.counting.bad)]
        names = told if event.rejected and told else names + told
    return tuple(dict.fromkeys(filter(None, names))) or None


def told(asked: Wish) -> str:
    """A wish as JSON, to be kept with what came of it."""
    names = [each.kind if each.name is None else f"{each.kind}:{each.name}" for each in asked.quantities or ()]
    return json.dumps({"devices": asked.devices, "quantities": names or None}, ensure_ascii=False)
