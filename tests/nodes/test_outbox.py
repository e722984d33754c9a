"""Queues of notifications: who gets what, patience with those that are away, bounds, floods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nodes._alarmsettings import Settings
from nodes._notifysettings import Notify
from nodes._outbox import AGAIN, AT_ONCE, Outbox
from protocol.clock import SECOND, Now
from protocol.messages import Alarm
from tests.archive.test_alarms import alarm

MAIL = {"email": {"server": "mail:587", "sender": "a@b", "recipients": ["c@d"], "every": "60 s"}}
LOG = {"syslog": {}}


def at(seconds: float) -> Now:
    return Now(round(seconds * SECOND), round(seconds * SECOND))


def outbox(*ways: dict[str, Any]) -> Outbox:
    return Outbox([Notify.model_validate(way) for way in ways])


def put(box: Outbox, *words: Alarm, flood: bool = False, seconds: float = 0) -> list[list[int]]:
    """How many wait in each lane."""
    for word in words:
        box.put(word, flood, at(seconds))
    return [[serial for serial, _ in lane.waiting] for lane in box.lanes]


def test_what_is_notified_of_an_alarm():
    told = ["raised", "escalated", "cleared", "chattering", "unsuppressed", "unshelved"]
    silent = ["acknowledged", "commented", "updated", "stale", "fresh", "eased", "calm", "suppressed", "shelved"]
    [waiting] = put(outbox(LOG), *(alarm(change, 0) for change in told + silent))
    assert len(waiting) == len(told)
    [waiting] = put(outbox({**LOG, "changes": ["raised"]}), *(alarm(change, 0) for change in told + silent))
    assert len(waiting) == 4
    hidden = [alarm("raised", 0, state="shelved"), alarm("raised", 0, state="suppressed"),
              alarm("unshelved", 0, state="returned")]  # fmt: skip
    assert put(outbox(LOG), *hidden) == [[]]


@pytest.mark.parametrize(
    ("chosen", "fits", "other"),
    [
        ({"severity": "serious"}, {"severity": "critical"}, {"severity": "warning"}),
        ({"regions": ["n*"]}, {"region": "north"}, {"region": "south"}),
        ({"kinds": ["gen_*"]}, {"kind": "gen_trip"}, {"kind": "Frequency"}),
        ({"sources": ["event"]}, {"source": "event"}, {"source": "limit"}),
        ({}, {"source": "notify", "subject": "email x"}, {"source": "notify", "subject": "syslog of this machine"}),
    ],
)
def test_each_way_has_its_choice(chosen: dict[str, Any], fits: dict[str, Any], other: dict[str, Any]):
    assert put(outbox({**LOG, **chosen}), alarm("raised", 0, **other)) == [[]]
    assert put(outbox({**LOG, **chosen}), alarm("raised", 0, **fits)) == [[1]]


def test_what_comes_together_goes_together_and_not_too_often():
    box = outbox(MAIL)
    put(box, alarm("raised", 0), alarm("raised", 0))
    assert (box.due(at(0.9)), box.wake_at()) == ([], SECOND)
    [job] = box.due(at(1))
    assert (job.serials, box.due(at(1)), box.wake_at()) == ([1, 2], [], None)
    put(box, alarm("cleared", 0), seconds=2)
    assert box.done(0, "", at(3)) == [1, 2]
    assert box.due(at(62)) == []
    assert [job.serials for job in box.due(at(63))] == [[3]]
    put(box, *[alarm("raised", 0)] * (AT_ONCE + 5))
    box.done(0, "", at(63))
    assert [len(job.serials) for job in box.due(at(123))] == [AT_ONCE]


def test_a_receiver_that_is_away_is_tried_less_and_less_often_and_gets_all():
    box = outbox(LOG)
    put(box, alarm("raised", 0))
    now, waits = 1.0, []
    for _ in range(10):
        assert len(box.due(at(now))) == 1
        assert box.done(0, "refused", at(now)) == []
        [wait] = [box.wake_at()]
        assert wait is not None
        waits.append(round(wait / SECOND - now))
        now = wait / SECOND
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert [text for _, text in box.troubles()] == [
        "syslog of this machine takes no notifications: refused; 1 notifications wait for it"
    ]
    box.due(at(now))
    assert (box.done(0, "", at(now)), list(box.troubles())) == ([1], [])
    assert box.counters == {"notifications_sent": 1, "notifications_failed": 10, "notifications_given_up": 0,
                            "notifications_withheld": 0}  # fmt: skip
    assert AGAIN[1] == 600 * SECOND


def test_a_full_queue_gives_up_the_oldest_and_counts_them():
    box = outbox({**LOG, "queue": 10})
    [waiting] = put(box, *[alarm("raised", 0)] * 25)
    assert waiting == list(range(16, 26))
    assert box.lanes[0].given_up == 15


def test_one_that_was_given_up_while_it_was_sent_is_no_harm():
    box = outbox({**LOG, "queue": 10})
    put(box, *[alarm("raised", 0)] * 10)
    box.due(at(1))
    put(box, *[alarm("raised", 0)] * 10)
    box.done(0, "", at(2))
    assert [serial for serial, _ in box.lanes[0].waiting] == list(range(11, 21))


def test_in_a_flood_only_serious_ones_go():
    box = outbox(LOG)
    assert put(box, alarm("raised", 0), alarm("raised", 0, severity="serious"), flood=True) == [[1]]
    assert box.counters["notifications_withheld"] == 1


def test_what_waited_in_an_earlier_life_goes_first_and_serials_go_on():
    box, other = outbox(MAIL, LOG), outbox(LOG)
    put(box, alarm("raised", 0))
    other.resume(box.plain)
    assert put(other, alarm("cleared", 0)) == [[2, 3]]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"notify": [{}]}, "not one way"),
        ({"notify": [{**MAIL, **LOG}]}, "not one way"),
        ({"notify": [LOG, LOG]}, "twice"),
        ({"notify": [{"webhook": {"url": "https://h/x", "secret": "k"}}]}, "needs a password or a key"),
        ({"notify": [{"webhook": {"url": "http://h/x", "secret": "k"}}]}, "in the clear"),
        ({"notify": [{"webhook": {"url": "ftp://h/x", "secret": "k"}}]}, "no address of a webhook"),
        ({"notify": [{"webhook": {"url": "https://a:b@h/x", "secret": "k"}}]}, "does not belong here"),
        ({"notify": [{"email": {**MAIL["email"], "user": "x"}}]}, "a login is user and password"),
        ({"notify": [{"email": {**MAIL["email"], "user": "x", "password": "p", "security": "none"}}]}, "in the clear"),
        ({"notify": [{"email": {**MAIL["email"], "recipients": ["nobody"]}}]}, "no mail address"),
        ({"notify": [{"email": {**MAIL["email"], "sender": "a@b\nBcc: c@d"}}]}, "no mail address"),
        ({"events": [{"kinds": ["*"], "above": "1 mHz", "severity": "urgent"}]}, "severity"),
    ],
)
def test_settings_that_do_not_fit(wrong: dict[str, Any], why: str):
    with pytest.raises(ValidationError, match=why):
        Settings.model_validate(wrong, context={"base": Path()})
