"""What a caretaker can be told, and the jobs that follow from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from archive.backup.addresses import is_remote
from nodes._machine import archives_of
from nodes._node import Place
from nodes._schedule import DAY, Job
from nodes._settings import Duration, Number, Share, Size, fault, show_share, show_size, show_time
from nodes._settings import Settings as Base
from protocol.clock import SECOND

HOUR = 3600 * SECOND
_AT = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def _time_of_day(value: Any) -> str:
    if not isinstance(value, str) or not _AT.fullmatch(value):
        raise fault(f"{value!r} is no time of day", 'write it as "02:30", in quotes, UTC')
    return value


def _target(value: Any, info: ValidationInfo) -> str:
    """A folder is relative to the file it stands in."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise fault(f"{value!r} is no place for a backup", "write a folder, user@host:FOLDER or rsync://host/MODULE")
    if is_remote(value):
        return value
    base = (info.context or {}).get("base", Path())
    return str(Path(base, Path(value).expanduser()).absolute())


TimeOfDay = Annotated[
    str, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": f"^{_AT.pattern}$"})
]


class Times(Base):
    """When it is done."""

    every: Annotated[Duration, Field(gt=0)] | None = None
    """So often, as 7 d …"""
    at: TimeOfDay | None = None
    """… or each day at this time (UTC)."""

    @model_validator(mode="after")
    def _check_times(self) -> Times:
        if self.every is not None and self.at is not None:
            raise fault("every and at", "write one of them")
        return self

    def job(self, name: str, verb: str, *arguments: str, otherwise: int = DAY) -> Job:
        """At these times; if none is given, every `otherwise` ns."""
        if self.at is None:
            return Job(name, verb, arguments, self.every or otherwise)
        hours, minutes = self.at.split(":")
        return Job(name, verb, arguments, DAY, (int(hours) * 60 + int(minutes)) * 60 * SECOND)


class Backup(Times):
    """Snapshots of the station (`syms backup`); once a day if no time is given."""

    to: Annotated[str, BeforeValidator(_target)]
    """A folder, or by rsync user@host:FOLDER or rsync://host/MODULE/FOLDER."""
    keep: Annotated[int, Field(ge=1)] = 30
    """Newest snapshots to keep."""
    monthly: Annotated[int, Field(ge=0)] = 12
    """Months of which the first snapshot is kept besides."""
    with_keys: bool = False
    """Also keys and certificates."""
    rate: Annotated[Number, Field(ge=0)] = 0
    """MB a second at most; 0 = no limit."""


class Retention(Times):
    """Finished hours that go, oldest first (`syms retention`); every hour if no time is given."""

    age: Duration | None = None
    """Hours go that ended so long ago …"""
    size: Size | None = None
    """… the oldest, while the archive takes more …"""
    free: Share | None = None
    """… and while less of its disk is free."""
    events: Duration | None = None
    """Files of events go that are so old; without it never."""
    after_backup: bool = False
    """What no backup has a copy of stays."""
    overviews: Duration | None = None
    """Of hours that go, the overview by seconds stays until it is so old; without it, it goes with them."""

    @model_validator(mode="after")
    def _check_overviews(self) -> Retention:
        if self.overviews is not None and self.age is not None and self.overviews <= self.age:
            raise fault("overviews would go before their rows", "give them more than age, or take it out")
        return self


class Verify(Times):
    """Checksums (`syms verify`); once a week if no time is given."""

    fast: bool = False
    """Sizes and heads of files alone."""


class Other(Times):
    """Any other verb that asks nothing."""

    verb: Literal["report", "completeness", "export", "study", "verify", "backup", "retention"]
    """Of the command line."""
    arguments: list[str] = Field(default_factory=list)
    """As there; --json is added."""


class Settings(Base):
    """Caretaker: what is done with the archives and when, one after the other, at the lowest priority."""

    backup: Backup | None = None
    """Snapshots of archive, events, settings and journals."""
    retention: Retention | None = None
    """What of the archives may go."""
    verify: Verify | None = None
    """Whether the archives are still what was written."""
    others: list[Other] = Field(default_factory=list)
    """What else is to be done at its times."""

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.retention is not None and self.retention.after_backup and self.backup is None:
            raise fault("retention waits for backups, and there are none", "add backup: {to: …}, or take it out")
        return self


def jobs_of(settings: Settings, place: Place) -> list[Job]:
    """What is to be done, in the order of its doing."""
    archives = archives_of(place)
    found = [*_backup(settings.backup, place)] if settings.backup else []
    for number, root in enumerate(archives, 1):
        which = "" if len(archives) == 1 else f" {number}"
        if settings.retention:
            rules = (*_rules(settings.retention), "--yes")
            found.append(settings.retention.job(f"retention{which}", "retention", str(root), *rules, otherwise=HOUR))
        if settings.verify:
            fast = ("--fast",) if settings.verify.fast else ()
            found.append(settings.verify.job(f"verify{which}", "verify", str(root), *fast, otherwise=7 * DAY))
    for number, each in enumerate(settings.others, 1):
        found.append(each.job(f"{each.verb} ({number})", each.verb, *each.arguments))
    return found


def _backup(settings: Backup, place: Place) -> list[Job]:
    more = [f"--keep={settings.keep}", f"--monthly={settings.monthly}"]
    more += ["--with-keys"] if settings.with_keys else []
    more += [f"--rate={settings.rate:g}"] if settings.rate else []
    more += [f"--host={place.network.here}"] if place.network else []
    return [settings.job("backup", "backup", settings.to, f"--pipeline={place.pipeline}", *more)]


def _rules(settings: Retention) -> list[str]:
    found = [] if settings.age is None else [f"--age={show_time(settings.age)}"]
    found += [] if settings.size is None else [f"--size={show_size(settings.size)}"]
    found += [] if settings.free is None else [f"--free={show_share(settings.free)}"]
    found += [] if settings.events is None else [f"--events={show_time(settings.events)}"]
    found += [] if settings.overviews is None else [f"--overviews={show_time(settings.overviews)}"]
    return found + (["--after-backup"] if settings.after_backup else [])
