"""Flags: what was found bad becomes spans of devices, each said when it begins, while it goes on, and when it ends.

What finds bad data looks at seconds (a concentrator, `nodes/_inspecting.py`) or at windows that overlap (a trigger, of
which a detector's report tells it). The same bad samples are found again and again there, and a span goes over many of
them; here it is one. Times are those of the data; a device's spans end by what was looked at of that device.

    flagging = Flagging()
    word = flagging.take(of_report(report, device, start, stop, rate), device.tolist(), since=start, until=stop)
    if word: yield writer.say(word)
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from algorithms.quality import Fault
from archive import layout
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Flags

PAUSE = 2 * SECOND
"""Bad samples of one kind with less between them are of one span;"""
PAUSES: dict[str, int] = {Fault.SPIKES: 10 * SECOND, Fault.PACKET_LOSS: 10 * SECOND}
"""these are further apart by nature."""
SAME = SECOND
"""Two windows tell the begin or end of a span differently by less; it is no news."""
KEEP = 900 * SECOND
"""A span that ended is known for so long: windows that tell it again are shorter."""
FOR_GOOD = 3600 * SECOND
"""What shows only where it begins and ends is the device's way after so long."""
AGREE = 0.3
"""Of its size by which a jump back may differ from the jump."""
NAMED = 10
"""Spans with an alarm of their own; beyond, only how many there are."""
BAD_DATA = ": bad data, "
"""In each such sentence, and in no other: who hears `Flags` knows already."""
REMEDIES: dict[str, str] = {
    Fault.SPIKES: "check its inputs and its firmware",
    Fault.FROZEN: "it sends the same over and over: restart it",
    Fault.GAP: "nothing valid comes: check the device and its link",
    Fault.PACKET_LOSS: "rows are lost on the way: check its link",
    Fault.ZERO_FILL: "it sends zeros: check its inputs",
    Fault.CLOCK_OFFSET: "check its time source",
    Fault.NOISE_BURST: "check its inputs",
    Fault.STEP_OFFSET: "check its transformers, and whether it was set anew",
    Fault.DRIFT: "its frequency is not what its angle says: check its firmware",
}


@dataclass(frozen=True)
class Found:
    """Bad samples of a device, as far as they were looked at."""

    device: int
    kind: str
    start: int
    """ns UTC"""
    stop: int
    """ns UTC, half-open"""
    score: float
    detail: dict[str, Any] = field(default_factory=dict)
    lasting: bool = False
    """It goes to the end of what was looked at, and will not show there again until it ends."""


@dataclass
class _Span:
    found: Found
    going: bool = True
    """As it was last said."""
    said: int = 0
    """`stop` when it was last said; 0 = never"""
    over: bool = False
    """Its end is known, however near it is."""

    @property
    def pause(self) -> int:
        return PAUSES.get(self.found.kind, PAUSE)


def of_report(report: Mapping[str, Any], device: Sequence[int], start: int, stop: int, rate: int) -> Iterator[Found]:
    """What a report of the second judgement (`algorithms/report.py`) says of a window; `rate` as in `Window`."""
    first = int(clock.slot_of(start, rate))
    for bad in report.get("bad", ()):
        lasting = bad["detail"].get("channel") in ("angle", "magnitude") and bad["kind"] in _SET
        score = float(bad["score"]) if bad["score"] is not None else 1.0
        for begin, end, detail in _parts(bad, rate):
            since, until = (int(clock.slot_time(first + at, rate)) for at in (begin, end))
            yield Found(int(device[bad["device"]]), bad["kind"], since, until, score, detail, lasting and until >= stop)


def _parts(bad: Mapping[str, Any], rate: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(first sample, sample after the last, figures) of what a report tells as one; lone samples by their pauses."""
    places = bad["detail"].get("samples")
    if not isinstance(places, list) or not places:
        yield bad["start"], bad["stop"], dict(bad["detail"])
        return
    at = np.array(places, np.int64)
    apart = np.flatnonzero(np.diff(at) * clock.period(rate) > PAUSES.get(bad["kind"], PAUSE))
    for some in np.split(at, apart + 1):
        yield int(some[0]), int(some[-1]) + 1, {**bad["detail"], "samples": int(some.size)}


_SET = (Fault.CLOCK_OFFSET, Fault.STEP_OFFSET)


class Flagging:
    """The spans of one process."""

    def __init__(self) -> None:
        self._spans: dict[int, list[_Span]] = {}
        """Device -> its spans that go on, or ended lately."""
        self._until: dict[int, int] = {}
        """Device -> up to where it was looked at."""
        self._begin: dict[int, int] = {}
        """Device that came while others were looked at -> its first sample, as far as anybody knows."""
        self.told: dict[int, int] = {}
        """Device -> spans told so far."""

    def take(self, found: Iterable[Found], devices: Iterable[int], since: int, until: int) -> Flags | None:
        """What was found bad in [since, until) ns of these devices; returns what is to be said, if anything."""
        for each in found:
            if not self._had_not_begun(each, since):
                self._note(each, since)
        news: list[_Span] = []
        for device in devices:
            self._until[device] = max(until, self._until.get(device, until))
            if device in self._spans:
                news += self._news(device)
        return _word(news) if news else None

    def _had_not_begun(self, found: Found, since: int) -> bool:
        """Whether it is nothing but that a device was not there yet, in the first windows of it."""
        if found.kind == Fault.GAP and found.start <= since and found.device not in self._until:
            self._begin[found.device] = found.stop
        return found.kind == Fault.GAP and found.stop <= self._begin.get(found.device, found.start)

    def _note(self, found: Found, since: int) -> None:
        spans = self._spans.setdefault(found.device, [])
        if any(_takes_back(found, span, since) for span in spans):
            return
        for span in spans:
            if _tells_better(found, span):
                span.over, span.found = True, replace(span.found, stop=min(span.found.stop, found.stop), lasting=False)
        same = next((span for span in spans if _is_of(found, span)), None)
        if same is not None:
            _join(same, found)
        else:
            spans.append(_Span(found))

    def _news(self, device: int) -> Iterator[_Span]:
        """What is to be said of a device; spans of long ago are forgotten."""
        spans, until = self._spans[device], self._until[device]
        for span in spans:
            going = not _over(span, until)
            more = span.found.stop - span.said
            if going != span.going or more >= (layout.FLAG_REPEAT if going else SAME):  # the first word, too
                self.told[device] = self.told.get(device, 0) + (span.said == 0)
                span.going, span.said = going, span.found.stop
                yield span
        self._spans[device] = [span for span in spans if span.going or span.found.stop >= until - KEEP]
        if not self._spans[device]:
            del self._spans[device]

    def end(self) -> Flags | None:
        """This process ends: what goes on is over as far as it knows."""
        return self._ended(self._spans)

    def lapse(self, since: int) -> Flags | None:
        """What goes on of devices that nobody looked at since then [ns UTC] is over as far as it is known."""
        return self._ended([device for device in self._spans if self._until.get(device, since) < since])

    def _ended(self, devices: Iterable[int]) -> Flags | None:
        going = [span for device in devices for span in self._spans[device] if span.going]
        for span in going:
            span.going = False
        return _word(going) if going else None

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def going(self) -> list[Found]:
        """The spans that go on, the oldest first."""
        spans = (span.found for spans in self._spans.values() for span in spans if span.going and span.said)
        return sorted(spans, key=lambda found: (found.start, found.device, found.kind))

    def alarms(self, names: Mapping[int, str], but: Container[str] = ()) -> list[str]:
        """A sentence for each span that goes on, `but` for some kinds; `names` of devices."""
        going = [each for each in self.going if each.kind not in but]
        told = [_sentence(each, names.get(each.device, "")) for each in going[:NAMED]]
        more = len(going) - NAMED
        return [*told, f"bad data: {more} more spans go on; see `syms flags`"] if more > 0 else told

    def columns(self, devices: Iterable[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """[n, 2] of each device: kinds of bad data that it has now, spans told so far."""
        now: dict[int, int] = {}
        for each in self.going:
            now[each.device] = now.get(each.device, 0) + 1
        return np.array([(now.get(each, 0), self.told.get(each, 0)) for each in devices], np.float64).reshape(-1, 2)


COLUMNS = ["bad_now", "flags"]
"""Of `Flagging.columns`."""


def _sentence(found: Found, name: str) -> str:
    since = f"{layout.moment(found.start):%Y-%m-%d %H:%M:%S} UTC"
    what, remedy = found.kind.replace("_", " "), REMEDIES.get(found.kind, "look at its rows")
    return f"{name or '?'} (device {found.device}){BAD_DATA}{what} since {since}; {remedy}"


def _over(span: _Span, until: int) -> bool:
    """Whether it has ended, as far as it was looked at."""
    if span.over:
        return True
    if span.found.lasting:
        span.over = until - span.found.start >= FOR_GOOD
        span.found = replace(span.found, stop=max(span.found.stop, until), lasting=not span.over)
        return span.over
    return span.found.stop + span.pause < until


def _is_of(found: Found, span: _Span) -> bool:
    """Whether both are the same, or so near that they are one."""
    own = span.found
    near = found.start <= own.stop + span.pause and own.start <= found.stop + span.pause
    return near and found.kind == own.kind and found.detail.get("channel") == own.detail.get("channel")


def _join(span: _Span, found: Found) -> None:
    """More of a span. Its begin stays: it was told by that."""
    own = span.found
    worst = max(own, found, key=lambda each: each.score)
    ends = own.lasting and not found.lasting and abs(found.start - own.start) < SAME
    stop = found.stop if ends else max(own.stop, found.stop)
    lasting = found.lasting or (own.lasting and not ends)
    span.found = replace(own, stop=stop, score=worst.score, detail=worst.detail, lasting=lasting)


def _takes_back(found: Found, span: _Span, since: int) -> bool:
    """Whether it is the end of a span that shows only where it begins and ends: looked at from there, a jump back
    makes all that follows look wrong.
    """
    own = span.found
    if not found.lasting or not _opposite(own.detail, found.detail):
        return False
    if not own.lasting:  # its end was told before, in a window that overlaps this one
        return abs(found.start - own.stop) < SAME
    if own.start >= since:
        return False
    span.found, span.over = replace(own, stop=found.start, lasting=False), True
    return True


def _tells_better(found: Found, span: _Span) -> bool:
    """Whether it is what a jump was of which less was seen before: a step of the angle may be a clock's."""
    own = span.found
    return own.lasting and {own.kind, found.kind} == set(_SET) and abs(found.start - own.start) < SAME


def _opposite(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two jumps take each other back."""
    for name in ("size_rad", "size_pu"):
        if name in one and name in other:
            rest = one[name] + other[name]
            if name == "size_rad":
                rest = (rest + np.pi) % (2.0 * np.pi) - np.pi
            return bool(abs(rest) <= AGREE * abs(one[name]))
    return False


def _word(spans: Sequence[_Span]) -> Flags:
    found = [span.found for span in spans]
    return Flags(
        device=np.array([each.device for each in found], np.uint32),
        kind=[str(each.kind) for each in found],
        start=np.array([each.start for each in found], np.int64),
        stop=np.array([each.stop for each in found], np.int64),
        going=np.array([span.going for span in spans], np.uint8),
        score=np.array([each.score for each in found], np.float64),
        detail=[each.detail for each in found],
    )
