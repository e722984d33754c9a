"""Complaints: counted, bounded, forgotten."""

from __future__ import annotations

from nodes._complaints import FORGOTTEN_AFTER, KEPT, OTHER, SHOWN, Complaints
from protocol.clock import SECOND, Now


def test_they_are_counted_by_their_words_and_the_most_frequent_are_shown():
    complaints = Complaints()
    assert complaints.add("refused", "A", Now(0, 0))
    assert not complaints.add("refused", "A", Now(0, 0))
    assert complaints.add("turned away", "A", Now(0, 0))
    assert complaints.alarms(Now(0, 0)) == ["refused 2x: A", "turned away 1x: A"]


def test_what_has_not_happened_for_a_while_is_forgotten():
    complaints = Complaints()
    complaints.add("refused", "A", Now(0, 0))
    complaints.add("refused", "B", Now(SECOND, 0))
    assert complaints.alarms(Now(FORGOTTEN_AFTER, 0)) == ["refused 1x: B"]
    assert complaints.alarms(Now(FORGOTTEN_AFTER + SECOND, 0)) == []


def test_a_few_of_what_happens_now_and_then_are_no_alarm():
    complaints = Complaints()
    complaints.add("A", "noise", Now(0, 0), count=9, least=10)
    assert complaints.alarms(Now(0, 0)) == []
    complaints.add("A", "noise", Now(1, 0), count=2, least=10)
    assert complaints.told(Now(1, 0)) == [("A", "noise", 11)]


def test_no_kind_crowds_out_the_others():
    complaints = Complaints(each=3)
    for k in range(1000):
        complaints.add("A", str(k), Now(k, 0))
    complaints.add("B", "its own", Now(0, 0))
    assert complaints.told(Now(0, 0)) == [("A", OTHER, 997), *(("A", str(k), 1) for k in range(3)), ("B", "its own", 1)]


def test_a_flood_of_different_ones_is_bounded():
    complaints = Complaints()
    for k in range(10 * KEPT):
        complaints.add("refused", str(k), Now(k, 0))
        complaints.add("refused", "the same", Now(k, 0))
    assert len(complaints._all) == KEPT
    shown = complaints.alarms(Now(0, 0))
    assert len(shown) == SHOWN
    assert shown[0] == f"refused {10 * KEPT}x: the same"
