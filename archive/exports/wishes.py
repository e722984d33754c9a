"""What an export is to hold, as people say it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from archive.events import Event, list_events
from archive.folder import ArchiveError
from archive.nearest import known
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
    found = find_event(root, event)
    clips = tuple(Path(name) for name in found.files)
    first, stop = _clip(clips)
    some = some or tuple(filter(None, found.devices)) or None
    return Wish(instant(start, first), instant(end, stop), some, quantities(wanted), found.onset, clips)


def find_event(root: Path, name: str) -> Event:
    """An event by the beginning of its onset or of one of its files' names. Raises ArchiveError: none, or several."""
    events = list_events(root)
    found = [event for event in events if _is_called(event, name)]
    if len(found) == 1:
        return found[0]
    if not found:
        stems = [Path(event.files[0]).stem for event in events]
        raise ArchiveError(f"{root}: no event {name!r}; there are: {known(name, stems)}")
    which = [Path(event.files[0]).stem for event in found]
    raise ArchiveError(f"{root}: {len(found)} events begin with {name!r}; name one of: {known(name, which)}")


def _is_called(event: Event, name: str) -> bool:
    if not name:
        return False
    stems = [Path(each).stem for each in event.files]
    return event.time.startswith(name) or any(stem.startswith(name.removesuffix(".h5")) for stem in stems)


def _clip(files: Sequence[Path]) -> tuple[int, int]:
    """[start, end) ns of the raw data in some event files."""
    spans = []
    for path in files:
        with open_finished(path) as file:
            spans.append((instant(str(file.attrs["start"]), FIRST), instant(str(file.attrs["stop"]), LAST)))
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def told(asked: Wish) -> str:
    """A wish as JSON, to be kept with what came of it."""
    names = [each.kind if each.name is None else f"{each.kind}:{each.name}" for each in asked.quantities or ()]
    return json.dumps({"devices": asked.devices, "quantities": names or None}, ensure_ascii=False)
