"""Trends of whatever a reader chooses; the choice stands in the address of the page, so that it can be passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode

from nicegui import run, ui
from starlette.datastructures import QueryParams

from archive.folder import ArchiveError
from console.access.permissions import may
from console.app import Console
from console.components.trend import COLOURS, MOST, Line, Trend, View
from console.pages.frame import Page
from console.quantities import DIFFERENCE, Wanted, names
from console.texts import Texts
from console.traces import Feed, TooLong, past, seconds_only, sources
from protocol.clock import SECOND

TICK = 0.15
"""Seconds between two looks at what came; of long spans rarer (`SLOW`)."""
SLOW, SLOW_FROM = 1.0, 600.0
RENEW_FROM, RENEW_EVERY = 7200.0, 3600.0
"""Seconds: a browser holds some 2.7 hours of what comes live. Of longer spans what was before is fetched so often."""
READERS = asyncio.Semaphore(2)
"""Pages that read the archive at a time."""


class Trends:
    """The panel."""

    def __init__(self, console: Console, page: Page, query: QueryParams, path: str = "/") -> None:
        self._console, self._page, self._path = console, page, path
        self.wanted = _chosen(query.getlist("t"))
        self.reference = next(iter(_chosen(query.getlist("ref"))), None)
        span = _number(query.get("span"), 60.0)
        self._view = View(True, 0, 0, 1000, span)
        self._feed = Feed(console.station, [], None, 0)
        self._lines: list[Line] = []
        self._shown: list[Wanted] = []
        self._asked = 0
        self.begun = False
        """Whether there was something to show."""
        self._element = Trend(
            page.text, span=span, title=console.station.name, local=page.local, files=may(page.user, "export"),
            on_view=self._look, on_remove=lambda id_: self.remove(id_),
        )  # fmt: skip
        self._told = self._fetched = 0.0
        """Monotonic seconds: what came live was told, what was before was fetched."""
        ui.timer(TICK, self._tick)

    def begin(self, default: Callable[[], list[Wanted]]) -> None:
        """What the address says, else `default`, as soon as that is something."""
        if not self.wanted:
            self.wanted = default()
        if self.wanted:
            self.begun = True
            self._arrange()

    def add(self, *more: Wanted) -> None:
        """Quantities, at most as many as one can tell apart."""
        new = [each for each in more if each not in self.wanted]
        if len(self.wanted) + len(new) > MOST:
            ui.notify(self._page.text("trends.most", count=MOST), type="warning")
        self.wanted = (self.wanted + new)[:MOST]
        self._arrange()

    def replace(self, wanted: list[Wanted], reference: Wanted | None) -> None:
        """All of them."""
        self.wanted, self.reference = wanted[:MOST], reference
        self._arrange()

    def remove(self, id_: str) -> None:
        self.wanted = [each for each in self.wanted if each.id != id_]
        self._arrange()

    def mark(self, marks: list[tuple[int, str]]) -> None:
        """Instants [ns UTC] with a label."""
        self._element.annotate(marks)

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────

    def _arrange(self) -> None:
        """Tell the browser what there is, and begin with what was."""
        self._shown = self._visible()
        lines = lines_of(self._console, self._shown, self._page.text, self._lines)
        self._lines = lines
        self._element.set_lines(lines)
        newest = self._newest()
        self._feed = Feed(self._console.station, self._shown, self._reference(), newest + 1)
        self._save()
        self._renew(newest)

    def _newest(self) -> int:
        return self._console.station.newest() or self._console.clock().utc

    def _renew(self, newest: int) -> None:
        """Fetch what was before, up to the newest instant where it is live."""
        if self._view.live:
            self._view = View(True, newest - int(self._view.span * SECOND), newest, self._view.columns, self._view.span)
        self._fetch()

    def _visible(self) -> list[Wanted]:
        """What the reader may see of what was chosen, of devices that were heard of."""
        mine = self._page.visible(self._console.station)
        return [each for each in self.wanted if each.device in mine]

    def _reference(self) -> Wanted | None:
        """What differences are to: what was chosen, else a phasor of the first device that is shown."""
        first = next((each for each in self._shown if each.quantity == DIFFERENCE), None)
        known = self._page.visible(self._console.station)
        if first is None or (self.reference is not None and self.reference.device in known):
            return self.reference
        for each in self._shown:
            angles = names(known[each.device], "angle") if each.device in known else []
            if angles:
                return Wanted(each.device, "angle", first.name if first.name in angles else angles[0])
        return None

    def _tick(self) -> None:
        now = self._console.seconds
        if self._view.span >= SLOW_FROM and now - self._told < SLOW:
            return
        self._told = now
        if blocks := self._feed.news():
            self._element.append(blocks)
        if len(self._shown) < len(self.wanted) and len(self._visible()) > len(self._shown):
            self._arrange()  # they had not been heard of
        elif self._view.live and self._view.span > RENEW_FROM and now - self._fetched >= RENEW_EVERY:
            self._renew(self._newest())

    def _look(self, view: View) -> None:
        self._view = view
        self._save()
        self._fetch()

    def _fetch(self) -> None:
        self._fetched = self._console.seconds
        if self._shown:
            self._asked += 1
            self._element.busy(True)
            ui.timer(0, lambda asked=self._asked: self._bring(asked, self._view), once=True)

    async def _bring(self, asked: int, view: View) -> None:
        """What there is of a stretch; what was asked meanwhile goes first."""
        console, text, note = self._console, self._page.text, ""
        async with READERS:
            if asked != self._asked:
                return
            try:
                found = await run.io_bound(
                    past, console.station, console.archive, self._shown, self._reference(), view.since, view.until,
                    view.columns,
                )  # fmt: skip
                if await run.io_bound(seconds_only, console.archive, view.since, view.until):
                    note = text("trends.seconds_only")
            except TooLong as limit:
                found, note = {}, text("trends.too_long", hours=int(str(limit)) // 3600)
            except (ArchiveError, OSError) as fault:
                found, note = {}, text("trends.no_archive", why=text.said(str(fault)))
        if asked == self._asked:
            self._element.past(view.since, view.until, found or {})
            self._element.tell(note)

    def _save(self) -> None:
        """The address of the page says what is shown."""
        told = [("t", each.id) for each in self.wanted]
        told += [("ref", self.reference.id)] if self.reference else []
        told += [("span", f"{self._view.span:g}")]
        ui.navigate.history.replace(f"{self._path}?{urlencode(told)}")


def _chosen(texts: list[str]) -> list[Wanted]:
    """What an address says, without what is none."""
    found = []
    for text in texts[:MOST]:
        try:
            found.append(Wanted.of(text))
        except ValueError:
            continue
    return found


def _number(text: str | None, default: float) -> float:
    try:
        return min(max(1.0, float(text or default)), 86400.0)  # of NaN 1.0, too
    except ValueError:
        return default


def lines_of(console: Console, wanted: list[Wanted], text: Texts, before: list[Line]) -> list[Line]:
    """How traces are labelled; those that stay keep their colours."""
    held = {each.id: each.colour for each in before}
    free = [colour for colour in COLOURS if colour not in {held.get(each.id) for each in wanted}]
    found = []
    for each, (known, told) in sources(console.station, wanted).items():
        label = f"{known.name} {caption(each, text)}"
        colour = held.get(each.id) or free.pop(0)
        found.append(Line(each.id, label, told.unit or "1", colour, told.digits))
    return found


def caption(wanted: Wanted, text: Texts) -> str:
    """`f`, `|VA|`, … of a quantity."""
    return text(f"trends.short_{wanted.quantity}", name=wanted.name)
