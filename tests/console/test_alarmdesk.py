"""Alarms on pages: which stand, and what becomes of what somebody does about them."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Any

import pytest

from console.alarms import AGAIN, LIST_EVERY, PATIENCE, Desk, Refused, Unanswered, unseen
from protocol.clock import SECOND, Now
from protocol.messages import Alarm, AlarmAnswer

NOW = Now(100 * SECOND, 10**18)


def alarm(id_: str, state: str = "unacknowledged", severity: str = "warning", **more: Any) -> Alarm:
    told: dict[str, Any] = {
        "id": id_, "change": "raised", "state": state, "source": "limit", "kind": "Frequency", "subject": "PMU",
        "device": 1, "region": "north", "severity": severity, "text": f"alarm {id_}", "active": True,
        "acknowledged": False, "chattering": False, "stale": False, "count": 1, "value": math.nan, "limit": math.nan,
        "unit": "", "raised": 5, "cleared": 0, "time": 5, "user": "", "comment": "", "until": 0, "by": "", **more,
    }  # fmt: skip
    return Alarm(**told)


def later(ns: int) -> Now:
    return Now(NOW.monotonic + ns, NOW.utc + ns)


def test_what_is_to_be_acknowledged_comes_first_then_the_gravest_then_the_newest() -> None:
    desk = Desk()
    for each in (
        alarm("a", "acknowledged", "critical"),
        alarm("b"),
        alarm("c", raised=9),
        alarm("d", "returned", "serious"),
    ):
        desk.take(each)
    assert [each.id for each in desk.standing()[1]] == ["d", "c", "b", "a"]
    assert [each.id for each in unseen(desk.standing()[1])] == ["d", "c", "b"]


def test_what_is_normal_is_gone() -> None:
    desk = Desk()
    desk.take(alarm("a", source="event", subject="e1"))
    revision = desk.standing()[0]
    found = desk.of_event("e1")
    assert found is not None
    desk.take(replace(found, state="normal"))
    assert desk.standing()[0] > revision
    assert desk.standing()[1] == []
    assert desk.of_event("e1") is None


def test_what_is_asked_wakes_the_node_is_sent_until_it_is_answered_and_then_no_more() -> None:
    desk = Desk()
    desk.due("console", NOW)
    asked = desk.ask("acknowledge", "a", "anna", NOW.utc)
    assert os.read(desk.fd, 10)
    [sent] = desk.due("console", NOW)
    assert (sent.reader, sent.action, sent.id, sent.user) == ("console", "acknowledge", "a", "anna")
    assert desk.due("console", later(AGAIN - 1)) == []
    assert desk.due("console", later(AGAIN)) == [sent]
    desk.hear(AlarmAnswer("alarms", sent.request, True, "", []))
    assert asked.result(0).done
    assert desk.due("console", later(2 * AGAIN)) == []


def test_who_asks_is_told_that_it_was_refused_or_that_nobody_answers() -> None:
    desk = Desk()
    desk.due("console", NOW)
    first, second = (desk.ask("shelve", name, "anna", NOW.utc, "works", SECOND) for name in "ab")
    sent = {each.id: each for each in desk.due("console", NOW)}
    desk.hear(AlarmAnswer("alarms", sent["a"].request, False, "too long", []))
    with pytest.raises(Refused, match="too long"):
        first.result(0)
    desk.due("console", later(PATIENCE))
    with pytest.raises(Unanswered):
        second.result(0)


def test_what_was_missed_is_known_by_the_next_list() -> None:
    desk = Desk()
    desk.take(alarm("old"))
    [listing] = desk.due("console", NOW)
    assert listing.action == "list"
    fields = {name: value for name, value in vars(alarm("new")).items() if name not in ("node", "epoch", "number")}
    desk.hear(AlarmAnswer("alarms", listing.request, True, "", [fields | {"of_a_newer_release": 1}]))
    assert [each.id for each in desk.standing()[1]] == ["new"]
    assert desk.due("console", later(LIST_EVERY - 1)) == []
    assert len(desk.due("console", later(LIST_EVERY))) == 1
