"""Which events a reader wants to see; the choice stands in the address of the page, so that it can be passed on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from console.eventlist import Entry
from protocol.clock import SECOND

DAY = 86400 * SECOND
PER_PAGE = 50
TEXTS_AT_MOST = 64
"""Letters of what is looked for, kinds and regions of an address."""


@dataclass(frozen=True)
class Search:
    """What is looked for; everything is passed that says nothing."""

    kind: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    since: str = ""
    """First day, as 2026-12-01 (UTC)."""
    until: str = ""
    """Last day."""
    mhz: float = 0.0
    """Least size, either way."""
    sure: float = 0.0
    """Least confidence [%]."""
    text: str = ""
    """In the name of the event or of one of its devices."""
    rejected: bool = False
    """What was suspected and was no disturbance, instead."""
    page: int = 1

    @classmethod
    def of(cls, query: QueryParams) -> Search:
        """What an address says, without what is no choice."""
        kind, region = (
            tuple(each[:TEXTS_AT_MOST] for each in query.getlist(name)[:TEXTS_AT_MOST] if each)
            for name in ("kind", "region")
        )
        since, until = (
            day if _day(day) is not None else "" for day in (query.get("since", ""), query.get("until", ""))
        )
        return cls(
            kind, region, since, until, _number(query.get("mhz"), 1e6), _number(query.get("sure"), 100.0),
            query.get("text", "")[:TEXTS_AT_MOST], query.get("rejected") == "1",
            max(1, int(_number(query.get("page"), 1e6))),
        )  # fmt: skip

    def address(self) -> str:
        """As the query of an address; "" if everything is wanted."""
        told: list[tuple[str, Any]] = []
        for spec in fields(self):
            value = getattr(self, spec.name)
            if value == spec.default:
                continue
            if isinstance(value, tuple):
                told += [(spec.name, each) for each in value]
            else:
                told.append((spec.name, "1" if value is True else f"{value:g}" if isinstance(value, float) else value))
        return f"?{urlencode(told)}" if told else ""

    def checked(self) -> Search:
        """Without what is no choice."""
        return Search.of(QueryParams(self.address()[1:]))

    def span(self) -> tuple[int, int]:
        """[first, stop) ns UTC of the onsets."""
        first, last = _day(self.since), _day(self.until)
        return first or 0, last + DAY if last is not None else 1 << 62

    def found(self, entries: Sequence[Entry], mine: Collection[str] | None = None) -> list[Entry]:
        """Those of some entries that are looked for, in their order. `mine`: names of devices that the reader may
        see, who learns nothing of others by looking for them; None: all."""
        first, stop = self.span()
        kinds, regions, text = set(self.kind), set(self.region), self.text.casefold().strip()
        names = _named(entries, text, mine) if text else set()

        def is_one(each: Entry) -> bool:
            event = each.event
            return (
                first <= event.onset < stop
                and event.rejected == self.rejected
                and (not kinds or event.kind in kinds)
                and (not regions or not regions.isdisjoint(each.regions))
                and (not self.mhz or abs(event.size_mhz) >= self.mhz)
                and (not self.sure or event.confidence * 100 >= self.sure)
                and (not text or text in each.name.casefold() or not names.isdisjoint(event.devices))
            )

        return [each for each in entries if is_one(each)]

    def days(self, entries: Sequence[Entry], mine: Collection[str] | None = None) -> list[tuple[int, int]]:
        """(day since 1970, how many) of those that are looked for, of all times, in order."""
        counts = Counter(each.event.onset // DAY for each in replace(self, since="", until="").found(entries, mine))
        return sorted(counts.items())

    def shown(self, found: Sequence[Entry]) -> tuple[int, Sequence[Entry]]:
        """(how many are before it, the events of the page); the last page if there are fewer."""
        first = min((self.page - 1) * PER_PAGE, max(0, len(found) - 1) // PER_PAGE * PER_PAGE)
        return first, found[first : first + PER_PAGE]


def _named(entries: Iterable[Entry], text: str, mine: Collection[str] | None) -> set[str]:
    """Names of devices that have the text, and that may be seen."""
    names: set[str] = set()
    for each in entries:
        names.update(each.event.devices)
    return {name for name in names if text in name.casefold() and (mine is None or name in mine)}


def beside(found: Sequence[Entry], name: str) -> tuple[Entry | None, Entry | None]:
    """(the next older, the next newer) of the events that are looked for, newest first; also of one that is not."""
    at = next((k for k, each in enumerate(found) if each.name == name), None)
    if at is None:
        return None, None
    return found[at + 1] if at + 1 < len(found) else None, found[at - 1] if at else None


def _day(text: str) -> int | None:
    """ns UTC at which a day begins."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        return None


def _number(text: str | None, most: float) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return min(max(value, 0.0), most) if math.isfinite(value) else 0.0
