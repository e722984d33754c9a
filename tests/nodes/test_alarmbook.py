"""The states of alarms: what is said of each change, by whom, and what is not said."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes._alarmbook import Book, Refused, Ways
from nodes._conditions import Condition, keyed
from protocol import wire
from protocol.clock import SECOND
from protocol.messages import Alarm, AlarmAction, Severity
from tests import thorough

T0 = 1_700_000_000 * SECOND
WAYS = Ways(chatter=3, within=60 * SECOND, flood=4)


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def condition(active: bool = True, seconds: float = 0, **more: Any) -> Condition:
    told = {"source": "limit", "kind": "Frequency", "subject": "PMU 1", "active": active, "device": 1 << 16,
            "time": at(seconds), "text": "49.7 Hz"} | more  # fmt: skip
    return Condition(key=keyed(told["kind"], told["device"]), **told)


def action(what: str, id_: str, **more: Any) -> AlarmAction:
    return AlarmAction(**{"reader": "", "request": "r", "action": what, "id": id_, "user": "li", "time": 0} | more)


class Bench:
    """A book, and (change, state) of what it said."""

    def __init__(self, ways: Ways = WAYS) -> None:
        self.book = Book(ways)
        self.words: list[Alarm] = []

    def said(self, words: Any) -> list[tuple[str, str]]:
        new = list(words)
        self.words += new
        return [(each.change, each.state) for each in new]

    def tell(self, active: bool, seconds: float, **more: Any) -> list[tuple[str, str]]:
        return self.said(self.book.tell(condition(active, seconds, **more), at(seconds)))

    def act(self, what: str, seconds: float, **more: Any) -> list[tuple[str, str]]:
        id_ = more.pop("id", condition().id)
        return self.said(self.book.act(action(what, id_, **more), at(seconds)))

    def wake(self, seconds: float) -> list[tuple[str, str]]:
        return self.said(self.book.wake(at(seconds)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_raised_acknowledged_cleared(bench: Bench):
    assert bench.tell(False, 0) == []
    assert bench.tell(True, 1) == [("raised", "unacknowledged")]
    assert bench.tell(True, 2) == []
    assert bench.act("acknowledge", 3) == [("acknowledged", "acknowledged")]
    assert bench.act("acknowledge", 3) == [], "twice is once"
    assert bench.tell(False, 4) == [("cleared", "normal")]
    assert (bench.words[0].raised, bench.words[-1].cleared, bench.words[1].user) == (at(1), at(4), "li")
    assert bench.book.standing == []


def test_cleared_before_anybody_saw_it(bench: Bench):
    bench.tell(True, 1)
    assert bench.tell(False, 2) == [("cleared", "returned")]
    assert [each.state for each in bench.book.standing] == ["returned"]
    assert bench.tell(True, 3) == [("raised", "unacknowledged")]
    assert bench.words[-1].count == 2
    bench.tell(False, 4)
    assert bench.act("acknowledge", 5, id=condition().id[:4]) == [("acknowledged", "normal")]


def test_a_graver_alarm_is_to_be_acknowledged_again(bench: Bench):
    bench.tell(True, 1)
    bench.act("acknowledge", 2)
    assert bench.tell(True, 3, severity=Severity.SERIOUS) == [("escalated", "unacknowledged")]
    bench.act("acknowledge", 4)
    assert bench.tell(True, 5, severity=Severity.NOTICE) == [("eased", "acknowledged")]


def test_stale_and_fresh_and_updated(bench: Bench):
    bench.tell(True, 1)
    assert bench.tell(True, 2, stale=True) == [("stale", "unacknowledged")]
    assert bench.tell(True, 3) == [("fresh", "unacknowledged")]
    assert bench.tell(True, 4, text="49.6 Hz") == [("updated", "unacknowledged")]


def test_a_shelved_alarm_goes_on_underneath(bench: Bench):
    bench.tell(True, 1)
    assert bench.act("shelve", 2, text="maintenance", span=100 * SECOND) == [("shelved", "shelved")]
    assert bench.tell(False, 3) == [("cleared", "shelved")]
    assert bench.tell(True, 4) == [("raised", "shelved")]
    assert bench.wake(101.9) == []
    assert bench.wake(102) == [("unshelved", "unacknowledged")]
    assert (bench.words[-1].user, bench.words[-1].comment) == ("", "maintenance")
    bench.act("shelve", 110, text="again", span=SECOND)
    assert bench.act("unshelve", 110.5) == [("unshelved", "unacknowledged")]


@pytest.mark.parametrize(
    ("what", "given", "why"),
    [
        ("shelve", {"span": SECOND}, "reason"),
        ("shelve", {"text": "x"}, "at most 168 h"),
        ("shelve", {"text": "x", "span": 8 * 24 * 3600 * SECOND}, "at most 168 h"),
        ("unshelve", {}, "not shelved"),
        ("comment", {"text": " "}, "without a text"),
        ("comment", {"text": "x" * 501}, "500 fit"),
        ("comment", {"text": "x", "user": ""}, "say whose"),
        ("comment", {"text": "x", "id": "zz"}, "no alarm has an id"),
        ("comment", {"text": "x", "id": ""}, "no alarm has an id"),
        ("delete", {}, "nobody can 'delete'"),
    ],
)
def test_what_is_refused_changes_nothing(bench: Bench, what: str, given: dict[str, Any], why: str):
    bench.tell(True, 1)
    before = [entry.plain for entry in bench.book.standing]
    with pytest.raises(Refused, match=why):
        bench.act(what, 2, **given)
    assert [entry.plain for entry in bench.book.standing] == before


def test_a_comment_is_kept_and_all_are_acknowledged_at_once(bench: Bench):
    bench.tell(True, 1)
    bench.tell(True, 1, kind="Voltage")
    assert bench.act("comment", 2, text="line out") == [("commented", "unacknowledged")]
    assert bench.act("acknowledge", 3, id="all") == [("acknowledged", "acknowledged")] * 2
    assert bench.words[-2].comment == "line out"


def test_a_device_with_bad_data_has_no_alarms_of_limits(bench: Bench):
    flag = {"source": "flag", "kind": "spikes"}
    bench.tell(True, 1)
    assert bench.tell(True, 2, **flag) == [("raised", "unacknowledged"), ("suppressed", "suppressed")]
    assert bench.words[-1].by == bench.words[-2].id
    assert bench.tell(True, 2, kind="Voltage") == [("raised", "suppressed")]
    assert bench.tell(True, 2, kind="Voltage", device=2 << 16) == [("raised", "unacknowledged")], "another device's"
    assert bench.tell(False, 3, **flag) == [("cleared", "returned"), *[("unsuppressed", "unacknowledged")] * 2]


def test_what_comes_and_goes_is_chattering_and_told_no_more(bench: Bench):
    for second in (0, 10):
        assert bench.tell(True, second) == [("raised", "unacknowledged")]
        bench.tell(False, second + 5)
    assert bench.tell(True, 20) == [("chattering", "unacknowledged")]
    assert bench.words[-1].chattering
    for second in range(21, 40, 2):
        assert bench.tell(False, second) + bench.tell(True, second + 1) == []
    assert bench.tell(False, 50) == []
    assert bench.wake(109) == []
    assert bench.wake(110) == [("cleared", "returned")]
    assert bench.words[-1].cleared == at(50)
    assert bench.words[-1].count == 13


def test_chattering_ends_also_where_it_stays(bench: Bench):
    for second in (0, 10, 20):
        bench.tell(True, second)
        if second < 20:
            bench.tell(False, second + 5)
    assert bench.wake(79) == []
    assert bench.wake(80) == [("calm", "unacknowledged")]
    assert bench.tell(False, 90) == [("cleared", "returned")]


def test_what_must_last_is_raised_when_it_has(bench: Bench):
    assert bench.tell(True, 0, lasting=10 * SECOND) == []
    assert bench.book.standing == []
    assert bench.wake(9) == []
    assert bench.tell(False, 9.5) == []
    assert bench.wake(10) == []
    assert bench.tell(True, 20, lasting=10 * SECOND) == []
    assert bench.wake(30) == [("raised", "unacknowledged")]
    assert bench.words[-1].raised == at(20)


def test_what_ends_by_itself(bench: Bench):
    bench.tell(True, 0, ends=at(30))
    assert bench.wake(29) == []
    assert bench.wake(30) == [("cleared", "returned")]


def test_many_alarms_are_a_flood(bench: Bench):
    for link in range(4):
        bench.tell(True, link, device=link << 16, subject=f"PMU {link}")
    assert bench.book.flood == 0
    bench.tell(True, 5, kind="Voltage")
    assert bench.book.flood == 5
    bench.wake(603)
    assert bench.book.flood == 0


def test_what_is_normal_is_forgotten_when_it_can_not_chatter_any_more(bench: Bench):
    bench.tell(True, 0)
    bench.act("acknowledge", 1)
    bench.tell(False, 2)
    assert bench.tell(True, 3) == [("raised", "unacknowledged")]
    bench.act("acknowledge", 4)
    bench.tell(False, 5)
    assert bench.tell(True, 6) == [("chattering", "unacknowledged")], "also if each was acknowledged"
    bench.act("acknowledge", 7)
    bench.tell(False, 8)
    bench.wake(70)
    assert bench.book.entries == {}


STEPS = st.lists(
    st.tuples(st.sampled_from(["on", "off", "flag", "unflag", "acknowledge", "shelve", "unshelve", "wake", "grave"]),
              st.integers(0, 40)), max_size=40,
)  # fmt: skip


@settings(max_examples=thorough.of(50, 150), deadline=None)
@given(STEPS)
def test_a_book_goes_on_from_what_it_settled_and_its_words_are_messages(steps: list[tuple[str, int]]):
    """After each step a second book is made of what the first one settled: it says the same."""
    bench, kept = Bench(), Book(WAYS)
    seconds = 0
    for what, wait in steps:
        seconds += wait
        other = Bench()
        other.book.resume([entry.plain for entry in kept.entries.values()], [])
        told = []
        for each in (bench, other):
            try:
                if what in ("on", "off", "grave"):
                    severity = Severity.CRITICAL if what == "grave" else Severity.WARNING
                    told.append(each.tell(what != "off", seconds, severity=severity))
                elif what in ("flag", "unflag"):
                    told.append(each.tell(what == "flag", seconds, source="flag", kind="spikes"))
                elif what == "wake":
                    told.append(each.wake(seconds))
                else:
                    told.append(each.act(what, seconds, text="x", span=50 * SECOND))
            except Refused as why:
                told.append([("refused", str(why))])
        assert told[0] == told[1]
        kept.resume(*bench.book.settle())
        assert repr(sorted(kept.entries.items())) == repr(sorted(bench.book.entries.items()))  # NaN is not itself
    for word in bench.words:
        again = wire.unpack([bytes(part) for part in wire.pack(word)])
        assert (again.id, again.state, again.change) == (word.id, word.state, word.change)
        assert math.isnan(again.value)
