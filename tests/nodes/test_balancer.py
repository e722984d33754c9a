"""A balancer driven by hand (`tests/benches.py`)."""

from __future__ import annotations

import errno
import os
import resource
import socket

from nodes import _dialing
from nodes._door import SHUT_FOR
from protocol.clock import SECOND
from tests.benches import Receiver, bench, descriptors, is_open, receive

__all__ = ["bench", "receive"]


# ── a receiver dies ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_successor_is_told_what_is_coming_and_is_handed_it_again(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    devices = [bench.dial() for _ in range(4)]
    first.hear()
    ids = sorted(first.links)
    [identity] = first.identify(ids[0], 7)
    number = identity["device"]["number"]
    first.die()
    assert bench.alarms() == ["r.1 is gone: 2 connections wait for it"]
    successor = Receiver(bench, "r.1")
    bench.turn()
    welcome, *links = successor.hear()
    assert (welcome["say"], welcome["coming"]) == ("welcome", ids)
    assert [(note["connection"], note["again"], note["numbers"]) for note in links] == [
        (ids[0], True, [number]),
        (ids[1], True, []),
    ]
    assert bench.alarms() == []
    assert all(map(is_open, devices))
    other.hear()
    assert len(other.links) == 2
    successor.die()


def test_the_successor_may_come_before_the_death_is_noticed(bench, receive):
    bench.start()
    first = receive("r.1")
    device = bench.dial()
    first.hear()
    first.die(quietly=True)
    successor = receive("r.1")
    assert list(successor.links) == list(first.links)
    assert is_open(device)


def test_many_deaths_in_a_row_cost_nothing(bench, receive):
    bench.start()
    first = receive("r.1")
    devices = [bench.dial() for _ in range(5)]
    first.hear()
    held = sorted(first.links)
    first.die()
    before = descriptors()
    for _ in range(50):
        victim = Receiver(bench, "r.1")  # dies before it reads a single note
        bench.turn()
        victim.die()
    assert descriptors() == before
    assert all(map(is_open, devices))
    assert sorted(receive("r.1").links) == held


def test_what_never_left_for_a_receiver_that_dies_goes_to_another(bench, receive):
    bench.start()
    deaf, other = receive("r.1"), receive("r.2")
    deaf.channel.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sent = bench.node.receivers.joined[0].channel
    sent.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    devices = [bench.dial() for _ in range(40)]
    unsent = sent.waiting
    assert unsent > 0
    deaf.die()
    other.hear()
    assert len(other.links) == 20 + unsent
    assert not any(note["again"] for note in other.links.values())
    assert bench.node.connections.waiting == {"r.1": 20 - unsent}
    assert len(receive("r.1").links) == 20 - unsent
    assert all(map(is_open, devices))


def test_connections_of_a_receiver_that_is_gone_count_for_the_spread(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    for _ in range(4):
        bench.dial()
    first.die()
    for _ in range(2):
        bench.dial()
    successor = receive("r.1")
    for _ in range(2):
        bench.dial()
    other.hear()
    successor.hear()
    assert (len(successor.links), len(other.links)) == (4, 4)


def test_a_receiver_that_does_nothing_gets_no_new_connections(bench, receive):
    bench.start()
    stuck, other = receive("r.1"), receive("r.2")
    bench.turn()
    for _ in range(2):
        bench.dial()
    other.hear()
    bench.turn(4)
    assert bench.alarms() == ["r.1 does nothing: new devices go to others"]
    for _ in range(4):
        bench.dial()
        other.hear()
        bench.turn(0.1)
    assert len(other.links) == 5
    stuck.hear()
    bench.turn(0.1)
    assert bench.alarms() == []
    for _ in range(4):
        bench.dial()
        stuck.hear()
    assert len(stuck.links) == 5


def test_who_does_not_come_back_in_time_loses_its_connections(bench, receive):
    bench.start(reclaim="30 s")
    first = receive("r.1")
    device = bench.dial()
    first.die()
    bench.turn(29)
    assert is_open(device)
    bench.turn(2)
    assert not is_open(device)
    assert bench.counter("given_up") == 1
    assert "gave up 1x: a connection of r.1, which has not come back" in bench.alarms()
    assert receive("r.1").links == {}
    bench.turn(700)
    assert bench.alarms() == []


def test_a_receiver_that_stops_ends_its_connections(bench, receive):
    bench.start()
    first = receive("r.1")
    device = bench.dial()
    first.hear()
    first.end(next(iter(first.links)))
    assert not is_open(device)
    first.die()
    assert (len(bench.node.connections), bench.alarms()) == (0, [])


def test_a_device_that_connects_anew_while_its_receiver_is_gone_leaves_the_old_one_to_be_read_out(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    bench.dial()
    first.hear()
    [old] = first.links
    number = first.identify(old, 7)[0]["device"]["number"]
    first.die()
    bench.dial()
    other.hear()
    [new] = other.links
    other.identify(new, 7)
    successor = Receiver(bench, "r.1")
    bench.turn()
    assert [(note["say"], note.get("connection")) for note in successor.hear()] == [
        ("welcome", None),
        ("link", old),
        ("drop", old),
    ]
    assert bench.node.whois.owners.of(number) == new
    successor.die()


def test_only_who_reads_a_connection_may_end_it(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    device = bench.dial()
    first.hear()
    [id_] = first.links
    other.channel.say("ended", connection=id_, reason="not mine", cfg3=True)
    other.channel.say("identify", connection=id_, address="127.0.0.1", stream=7)
    bench.turn()
    assert is_open(device)
    assert other.hear() == []


# ── who calls too often ───────────────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_calls_of_a_stranger_keep_nobody_out(bench, receive):
    site = {"unknown": "refuse", "devices": [{"name": "A", "number": 1, "stream": 7, "address": "127.0.0.1"}]}
    bench.start(site, per_address=100, calls="10/s")
    receiver = receive("r.1")
    for _ in range(300):
        stranger = bench.dial("127.0.0.66")
        assert not is_open(stranger)
        stranger.close()
    assert (bench.counter("refused"), bench.counter("turned_away")) == (100, 200)
    assert bench.alarms() == [
        "turned away 200x: 127.0.0.66: more than 10 calls a second (`calls`)",
        "refused 100x: 127.0.0.66: no device of the site dials in from there",
    ]
    assert is_open(bench.dial())
    receiver.hear()
    assert len(receiver.links) == 1


def test_connections_from_one_address_are_limited_and_places_freed(bench, receive):
    bench.start(per_address=2)
    receiver = receive("r.1")
    first, second, third = (bench.dial() for _ in range(3))
    assert [is_open(first), is_open(second), is_open(third)] == [True, True, False]
    assert is_open(bench.dial("127.0.0.2"))
    receiver.hear()
    receiver.end(min(receiver.links))
    bench.turn(1)
    assert is_open(bench.dial())
    assert bench.alarms() == ["turned away 1x: 127.0.0.1: more than 2 connections at once (`per_address`)"]


def test_a_door_that_cannot_be_answered_is_left_alone_for_a_while(bench, receive):
    bench.start()
    receiver = receive("r.1")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    device = socket.socket()
    bench.open.append(device)
    device.connect(bench.door().address())
    device.setblocking(False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        bench.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert bench.door().fd not in bench.watched
    [alarm] = bench.alarms()
    assert alarm.startswith(f"kept waiting 1x: whoever calls: {os.strerror(errno.EMFILE)}")
    bench.turn()
    assert len(receiver.links) == 0
    bench.turn(SHUT_FOR / SECOND)
    bench.turn()
    receiver.hear()
    assert len(receiver.links) == 1
    assert is_open(device)


def test_two_devices_of_one_identity_do_not_throw_each_other_out_for_ever(bench, receive):
    bench.start({"unknown": "refuse", "devices": [{"name": "Farm A", "number": 1, "stream": 7}]})
    receiver = receive("r.1")
    answers = []
    for k in range(8):
        bench.dial(f"127.0.0.{1 + k % 2}")
        receiver.hear()
        newest = max(receiver.links)
        said = receiver.identify(newest, 7, address=f"127.0.0.{1 + k % 2}")
        answers.append(said[0]["say"])
        for note in said:
            if note["say"] in ("drop", "refused") and note["connection"] in receiver.links:
                receiver.end(note["connection"])
        bench.turn(1)
    # The fourth newcomer stays out; from its own address the device may always come anew.
    assert answers == ["identity"] * 4 + ["refused", "identity", "refused", "identity"]
    assert "Farm A: 127.0.0.1 and 127.0.0.2 both send its IDCODE; the former was refused 2x" in bench.alarms()


# ── dead lines ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dead_line_is_noticed_by_the_kernel(bench, receive):
    bench.start(keepalive="80 s")
    receiver = receive("r.1")
    bench.dial()
    receiver.hear()
    [[end]] = receiver.ends.values()
    assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    asked = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    assert [end.getsockopt(socket.IPPROTO_TCP, each) for each in asked] == [40, 10, 4, 80_000]
    with socket.socket() as other:
        _dialing.keep_alive(other, 0)
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
