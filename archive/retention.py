"""Retention: which finished files may go, oldest first; which never do.

What is protected stays, and so do files of events, but for an age of their own. Of an hour that goes an overview may be
left (`archive/remains.py`) until an age of its own. Before a file is deleted that is written down
(`archive/checksums.py`): it is not missing, it was removed. Late rows of such an hour make a new file.

    protected.jsonl    crc32 {"number": 1, "from": ns, "to": ns, "reason": …, "utc": ns}, or {"free": 1, "utc": ns}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from archive import checksums, folder, layout, remains
from archive.checksums import Checksum
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.inodes import Stamp, stamp

PROTECTED = "protected.jsonl"
DAY = 24 * 3600 * 10**9
NO_OVERVIEW = "no overview of them can be made"
UNREADABLE = (ArchiveError, OSError, KeyError, ValueError, RuntimeError)
"""What HDF5 and our readers raise of a damaged file, or of a disk that takes no overview any more."""


@dataclass(frozen=True)
class Rules:
    """When finished files go. None of them: never."""

    age: int | None = None
    """Hours that ended so long ago [ns] go."""
    size: int | None = None
    """The oldest hours go while finished files and events take more bytes than this."""
    free: float | None = None
    """The oldest hours go while less than this share of the disk is free."""
    events: int | None = None
    """Files of events whose onset is so long ago [ns] go."""
    overviews: int | None = None
    """Of hours that go, an overview is left until the hour ended so long ago [ns]; None: none is left."""
    after_backup: bool = False
    """What no backup has a copy of stays."""


@dataclass(frozen=True)
class Protection:
    """A span that retention leaves alone."""

    number: int
    start: int
    """ns UTC, as `end`; half-open."""
    end: int
    reason: str
    utc: int
    """When it was protected."""


@dataclass(frozen=True)
class Removal:
    """A file that goes."""

    file: str
    """Path below the archive."""
    bytes: int
    why: str
    hour: int | None = None
    """Start [ns] of the hour of which an overview is left."""
    left: int = 0
    """Bytes that this takes, about."""

    @property
    def freed(self) -> int:
        """Bytes that are free afterwards, about."""
        return self.bytes - self.left


@dataclass
class Plan:
    """What retention does, or would do."""

    removals: list[Removal] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    """Why files stay that would go by their age or for their size: how many of them."""
    short: int = 0
    """Bytes that would have to go besides, to keep to the rules, and may not."""
    a_day: int = 0
    """Bytes by which the archive grew in its newest day."""
    free: int = 0
    """Bytes free on its disk, after that."""
    troubles: list[str] = field(default_factory=list)
    """Files that stay since no overview can be made of them, and why."""
    rules: Rules = field(default_factory=Rules)


# protecting


def protections(root: Path) -> list[Protection]:
    """The spans that are protected, in the order of their numbers."""
    found: dict[int, Protection] = {}
    for said in checksums.lines(root / PROTECTED):
        if said is not None and "free" in said:
            found.pop(int(said["free"]), None)
        elif said is not None:
            number = int(said["number"])
            found[number] = Protection(number, int(said["from"]), int(said["to"]), said["reason"], int(said["utc"]))
    return [found[number] for number in sorted(found)]


def protect(root: Path, start: int, end: int, reason: str, utc: int, disk: Disk | None = None) -> Protection:
    """Protect [start, end) ns: what is there when it returns is not deleted. Raises ArchiveError, OSError."""
    folder.check(root)
    if end <= start:
        raise ArchiveError("the span ends before it begins; exchange --from and --to")
    with checksums.deciding(root):
        numbers = [int(said["number"]) for said in checksums.lines(root / PROTECTED) if said and "number" in said]
        made = Protection(max(numbers, default=0) + 1, start, end, reason, utc)
        said = {"number": made.number, "from": start, "to": end, "reason": reason, "utc": utc}
        checksums.append(root / PROTECTED, [said], disk or Disk())
    return made


def release(root: Path, number: int, utc: int, disk: Disk | None = None) -> None:
    """Protect a span no longer. Raises ArchiveError."""
    folder.check(root)
    known = [each.number for each in protections(root)]
    if number not in known:
        there = ", ".join(map(str, known)) or "none"
        raise ArchiveError(f"{root}: nothing is protected under number {number}; there are {there}")
    checksums.append(root / PROTECTED, [{"free": number, "utc": utc}], disk or Disk())


# removing


@dataclass(frozen=True)
class _Held:
    name: str
    bytes: int
    start: int
    end: int
    checksum: Checksum

    @property
    def event(self) -> bool:
        """Whether it is the file of an event."""
        return self.name.startswith("events/")

    @property
    def overview(self) -> bool:
        """Whether it is what was left of an hour."""
        return Path(self.name).name.startswith(layout.OVERVIEW)


def plan(root: Path, rules: Rules, now: int, disk: Disk | None = None) -> Plan:
    """What is to go at `now` [UTC ns]. Changes nothing. Raises ArchiveError, OSError."""
    folder.check(root)
    held, spans = _held(root), protections(root)
    hours = [each for each in held if not each.event and not each.overview]
    found = Plan(a_day=_grown(hours), free=(disk or Disk()).free(root), rules=rules)
    stays = {each.name: why for each in held if (why := _stays(root, each, rules, spans))}

    def removal(each: _Held, why: str) -> Removal:
        try:
            return _removal(root, each, why, rules, now)
        except UNREADABLE as fault:
            if stays.setdefault(each.name, NO_OVERVIEW) == NO_OVERVIEW:
                found.troubles.append(f"{each.name}: {fault}")
            return Removal(each.name, each.bytes, why)

    due = {each.name: removal(each, why) for each in held if (why := _old(each, rules, now))}
    gone = sum(each.freed for name, each in due.items() if name not in stays)
    found.short = max(_too_much(held, rules, gone), _too_full(root, rules, found.free + gone), 0)
    _make_room(found, due, stays, (hours, [each for each in held if each.overview]),
               lambda each: removal(each, "the oldest, to make room"))  # fmt: skip
    for name in (each.name for each in held if each.name in due):
        if name in stays:
            _keep(found, stays[name])
        else:
            found.removals.append(due[name])
    found.free += sum(each.freed for each in found.removals)
    return found


def _make_room(found: Plan, due: dict[str, Removal], stays: dict[str, str], files: Sequence[Sequence[_Held]],
               removal: Callable[[_Held], Removal]) -> None:  # fmt: skip
    """The rows of hours go first, then the overviews of those that went before, then those that would be left now."""
    for each in (each for some in files for each in some if each.name not in due):
        if not found.short:
            return
        due[each.name] = removal(each)
        found.short -= 0 if each.name in stays else min(due[each.name].freed, found.short)
    for name, gone in due.items():
        if found.short and gone.left and name not in stays:
            due[name] = replace(gone, hour=None, left=0)
            found.short -= min(gone.left, found.short)


def _removal(root: Path, each: _Held, why: str, rules: Rules, now: int) -> Removal:
    """With what is left of it."""
    if each.event or each.overview or rules.overviews is None or each.end <= now - rules.overviews:
        return Removal(each.name, each.bytes, why)
    left = min(remains.stays(root / each.name), each.bytes)
    return Removal(each.name, each.bytes, why, each.start, left)


def _old(each: _Held, rules: Rules, now: int) -> str:
    """Why a file is to go by its age, "" if it is not."""
    kind, age = ("event ", rules.events) if each.event else ("", rules.age)
    if each.overview:
        kind, age = "overview ", rules.overviews
    if age is None or each.end > now - age:
        return ""
    return f"{kind}older than {age / DAY:g} d"


def remove(root: Path, planned: Plan, now: int, disk: Disk | None = None) -> Plan:
    """Delete what a plan says, but for what may not go any more: somebody may have protected it since, or late rows
    may have come. What is gone was written down before. Returns what became of the plan. Raises ArchiveError, OSError.
    """
    disk = disk or Disk()
    done = replace(planned, removals=[], kept=dict(planned.kept), troubles=list(planned.troubles))
    seen = {each.file: stamp(root / each.file) for each in planned.removals}
    known = checksums.read(root)
    for each in planned.removals:
        start, end = checksums.span_of(each.file)
        held = _Held(each.file, each.bytes, start, end, known.get(each.file, Checksum(each.file)))
        look = partial(_look, root, held, planned.rules, seen[each.file])
        if why := look() or _remove(root, each, now, disk, done, look):
            _keep(done, why)
            done.free -= each.freed
        else:
            done.removals.append(each)
    return done


def _look(root: Path, held: _Held, rules: Rules, seen: Stamp) -> str:
    """Why a file may not go now, "" if it may."""
    if (there := stamp(root / held.name)) is not None and there != seen:
        return "made anew meanwhile"
    return _stays(root, held, rules, protections(root))


def _remove(root: Path, each: Removal, now: int, disk: Disk, done: Plan, look: Callable[[], str]) -> str:
    """Why it was not done, "" if it was: no overview can be left of it, or what `look` finds when that is made."""
    path = root / each.file
    said: dict[str, object] = {"file": each.file, "removed": now, "why": each.why}
    if each.hour is not None:
        if not path.exists():
            return ""  # somebody was faster, and has written down what he left
        try:
            said["left"] = remains.leave(root, each.hour, disk).relative_to(root).as_posix()
        except UNREADABLE as fault:
            done.troubles.append(f"{each.file}: {fault}")
            return NO_OVERVIEW
    with checksums.deciding(root):
        if why := look():
            return why
        checksums.append(root / checksums.NAME, [said], disk)
        with suppress(FileNotFoundError):  # an event's file that gave way to another one
            disk.remove(path)
    parent = path.parent
    while parent != root and parent.name != "events" and not any(parent.iterdir()):
        with suppress(OSError):  # somebody makes a file there just now
            os.rmdir(parent)
        parent = parent.parent
    return ""


def _keep(plan: Plan, why: str) -> None:
    plan.kept[why] = plan.kept.get(why, 0) + 1


def _held(root: Path) -> list[_Held]:
    """Finished files, overviews and events, oldest first."""
    known, found = checksums.read(root), []
    for name, path in checksums.files(root).items():
        with suppress(FileNotFoundError):
            start, end = checksums.span_of(name)
            size = path.stat().st_blocks * 512
            found.append(_Held(name, size, start, end, known.get(name, Checksum(name))))
    return sorted(found, key=lambda each: (each.start, each.name))


def _stays(root: Path, each: _Held, rules: Rules, spans: Sequence[Protection]) -> str:
    """Why a file may not go, "" if it may."""
    if any(span.start < each.end and each.start < span.end for span in spans):
        return "protected"
    if rules.after_backup and not each.checksum.backup:
        return "not backed up yet"
    alone = each.event or each.overview
    return "" if alone or not layout.has_parts(root, each.start) else "rows of this hour are still coming"


def _grown(hours: Sequence[_Held]) -> int:
    """Bytes of the newest day."""
    newest = max((each.end for each in hours), default=0)
    return sum(each.bytes for each in hours if each.start >= newest - DAY)


def _too_much(held: Sequence[_Held], rules: Rules, gone: int) -> int:
    return 0 if rules.size is None else sum(each.bytes for each in held) - gone - rules.size


def _too_full(root: Path, rules: Rules, free: int) -> int:
    if rules.free is None:
        return 0
    stat = os.statvfs(root)
    return round(rules.free * stat.f_blocks * stat.f_frsize) - free
