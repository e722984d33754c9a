"""A balancer whose receivers leave: their connections go to the others, whoever dies in the middle."""

from __future__ import annotations

from tests.benches import bench, is_open, receive

__all__ = ["bench", "receive"]


def leaving(bench, receive, devices=1):
    """One that has read devices stops for its successor, which is to leave: (connections, it)."""
    first = receive("r.1")
    ends = [bench.dial() for _ in range(devices)]
    first.hear()
    ids = sorted(first.links)
    first.die()
    return ids, receive("r.1", leaving=True), ends


def said(receiver):
    return [(note["say"], note.get("connection")) for note in receiver.hear()]


def test_its_connections_go_to_the_freest_and_are_forgotten_when_that_one_has_them(bench, receive):
    bench.start()
    ids, leaver, devices = leaving(bench, receive, 2)
    others = [receive("r.2"), receive("r.3")]
    for id_ in ids:
        leaver.say("passes", id_)
    assert said(leaver) == []  # not yet in anybody's journal
    for other, id_ in zip(others, ids, strict=True):
        [note] = other.hear()
        assert (note["connection"], note["again"], note["passed"]) == (id_, True, "r.1")
        other.say("took", id_)
    assert said(leaver) == [("passed", ids[0]), ("passed", ids[1])]
    assert all(map(is_open, devices))
    leaver.die()
    assert bench.alarms() == []
    assert sorted(bench.node.connections.load(name) for name in ("r.1", "r.2", "r.3")) == [0, 1, 1]


def test_it_gets_no_new_ones(bench, receive):
    bench.start()
    _, _, _ = leaving(bench, receive)
    late = bench.dial()  # nobody but the leaving one is there
    other = receive("r.2")
    assert len(other.links) == 1
    assert is_open(late)


def test_they_wait_for_somebody_to_go_to(bench, receive):
    bench.start()
    [id_], leaver, [device] = leaving(bench, receive)
    leaver.say("passes", id_)
    bench.turn(5.0)
    assert is_open(device)
    other = receive("r.2")
    assert (list(other.links), other.links[id_]["passed"]) == ([id_], "r.1")
    other.say("took", id_)
    assert said(leaver) == [("passed", id_)]


def test_the_new_reader_dies_before_it_has_it(bench, receive):
    """Its successor is handed it with the word where the state lies."""
    bench.start()
    [id_], leaver, [device] = leaving(bench, receive)
    other = receive("r.2")
    leaver.say("passes", id_)
    other.hear()
    other.die()
    again = receive("r.2")
    assert again.links[id_]["passed"] == "r.1"
    again.say("took", id_)
    assert said(leaver) == [("passed", id_)]
    assert is_open(device)


def test_the_one_that_leaves_dies_in_the_middle(bench, receive):
    """It passes on again what it has in its journal: what somebody has is passed, what is over ends."""
    bench.start()
    [one, two], leaver, _ = leaving(bench, receive, 2)
    other = receive("r.2")
    leaver.say("passes", one)
    other.hear()
    leaver.die()
    other.say("took", one)
    again = receive("r.1", leaving=True)
    assert list(again.links) == [two]
    again.say("passes", one)
    again.say("passes", two)
    other.hear()
    other.end(two)
    assert said(again) == [("passed", one), ("end", two)]
    again.say("passes", two)
    assert said(again) == [("end", two)]


def test_one_that_ends_before_somebody_has_it_keeps_nobody_waiting(bench, receive):
    bench.start()
    [one, two], leaver, _ = leaving(bench, receive, 2)
    other = receive("r.2")
    leaver.say("passes", one)
    leaver.say("passes", two)
    other.hear()
    other.end(one)
    assert said(leaver) == [("end", one)]
    other.die()
    bench.turn(60.0)  # it does not come back
    assert said(leaver) == [("end", two)]


def test_the_balancer_dies_in_the_middle(bench, receive):
    """Those who hold a connection bring it back; the one that leaves does not keep it from the one that has it."""
    bench.start()
    [one, two], leaver, devices = leaving(bench, receive, 2)
    other = receive("r.2")
    leaver.say("passes", one)
    leaver.say("passes", two)
    other.hear()
    two_ends = other.ends.pop(two)
    other.links.pop(two)  # it had not read the note
    for end in two_ends:
        end.close()
    bench.kill()
    bench.start(names=("r.2",))
    back = receive("r.1", keeps=leaver, leaving=True)
    other = receive("r.2", keeps=other)
    assert ("passed", one) in said(back)
    back.say("passes", two)
    other.hear()
    assert sorted(other.links) == [one, two]
    other.say("took", two)
    assert ("passed", two) in said(back)
    assert all(map(is_open, devices))


def test_one_that_somebody_else_has_is_passed_already(bench, receive):
    bench.start()
    [id_], leaver, _ = leaving(bench, receive)
    other = receive("r.2")
    leaver.say("passes", id_)
    other.hear()
    bench.kill()
    bench.start()
    other = receive("r.2", keeps=other)
    back = receive("r.1", keeps=leaver, leaving=True)
    assert bench.node.connections.get(id_).receiver == "r.2"
    back.say("passes", id_)
    assert said(back) == [("passed", id_)]
