"""A balancer driven by hand (`tests/benches.py`) that dies: receivers bring back what they hold."""

from __future__ import annotations

import errno
import os
import socket
from unittest.mock import Mock

import pytest

from tests.benches import Receiver, bench, descriptors, is_open, receive

__all__ = ["bench", "receive"]


REACHED = {"name": "Dialled", "number": 1, "stream": 7}


def test_receivers_bring_back_what_they_hold_and_numbers_go_on_above(bench, receive):
    bench.start(names=("r.1", "r.2"))
    first, other = receive("r.1"), receive("r.2")
    devices = [bench.dial() for _ in range(4)]
    for each in (first, other):
        each.hear()
    number = first.identify(min(first.links), 7)[0]["device"]["number"]
    held = sorted([*first.links, *other.links])
    bench.kill()
    bench.start(names=("r.1", "r.2"))
    newcomer = bench.dial()
    first = receive("r.1", first)
    assert len(bench.node.receivers.waiting) == 1  # the other one may have fewer
    other = receive("r.2", other)
    assert bench.counter("brought_back") == 4
    assert number in bench.node.whois.owners
    assert bench.node.whois.labels[number] == "127.0.0.1/7"
    first.hear()
    other.hear()
    fresh = sorted({*first.links, *other.links} - set(held))
    assert len(fresh) == 1
    assert fresh[0] > max(held)
    assert all(map(is_open, [*devices, newcomer]))
    # Their duplicates are ours again: now a receiver may die.
    first.die()
    assert all(map(is_open, devices))
    assert bench.node.connections.load("r.1") == len(first.links)


def test_what_is_told_is_answered_in_order(bench, receive):
    bench.start()
    first = receive("r.1")
    bench.dial()
    first.hear()
    [id_] = first.links
    bench.kill()
    bench.start()
    again = Receiver(bench, "r.1", first)
    bench.turn()
    adopted, welcome = again.hear()
    assert adopted == {"say": "adopted", "connection": id_}
    assert (welcome["say"], welcome["coming"]) == ("welcome", [])
    assert welcome["life"] > id_ - 1
    before = descriptors()
    again.hold(id_)
    bench.turn()
    assert descriptors() == before
    assert (again.hear(), len(bench.node.connections)) == ([], 1)
    again.die()


def test_a_dialled_device_is_not_dialled_while_a_receiver_may_have_it(bench, receive):
    with socket.create_server(("127.0.0.1", 0)) as device:
        device.setblocking(False)
        at = f"127.0.0.1:{device.getsockname()[1]}"
        site = {"unknown": "refuse", "devices": [REACHED | {"link": {"tcp": at}}]}
        bench.start(site, ("r.1",))
        first = receive("r.1")
        bench.turn()
        near, _ = device.accept()
        bench.open.append(near)
        bench.turn()
        first.hear()
        [id_] = first.links
        first.identify(id_, 7)
        bench.kill()
        bench.start(site, ("r.1",))
        bench.turn(5)
        first = receive("r.1", first)
        for _ in range(100):
            bench.turn(1)
        with pytest.raises(BlockingIOError):
            device.accept()
        assert (first.hear(), bench.alarms()) == ([], [])
        first.end(id_)
        bench.turn(2)
        bench.turn()
        anew, _ = device.accept()
        bench.open.append(anew)
        assert [note["again"] for note in first.hear()] == [False]


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_datagram_port_is_not_opened_while_a_receiver_may_have_it(bench, receive):
    told, asked = free_port(), free_port()
    devices = [
        {"name": "Told", "number": 2, "stream": 8, "link": {"spontaneous": f"127.0.0.1:{told}"}},
        {"name": "Asked", "number": 3, "stream": 9, "link": {"udp": f"127.0.0.1:{asked}"}},
    ]
    site = {"unknown": "refuse", "devices": devices}
    bench.start(site, ("r.1",))
    first = receive("r.1")
    ids = {note["how"]: id_ for id_, note in first.links.items()}
    assert sorted(ids) == ["spontaneous", "udp"]
    first.identify(ids["spontaneous"], 8)
    bench.kill()
    bench.start(site, ("r.1",))
    bench.turn(5)
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a frame", ("127.0.0.1", told))
    first = receive("r.1", first)
    bench.turn(1)
    assert first.hear() == []
    assert len(bench.node.connections) == 2
    assert first.ends[ids["spontaneous"]][0].recv(100) == b"a frame"
    assert bench.alarms() == ["Asked (udp): no configuration has come from it"]
    first.end(ids["spontaneous"])  # opened anew at once
    assert [note["how"] for note in first.hear()] == ["spontaneous"]


def test_who_is_late_is_waited_for_a_while_only(bench, receive):
    bench.start(names=("r.1", "r.2"), gather="10 s")
    first = receive("r.1")
    bench.dial()
    bench.turn(9)
    assert first.hear() == []
    bench.turn(2)
    assert len(first.hear()) == 1


def test_a_device_that_the_site_file_knows_no_more_is_dropped(bench, receive):
    site = {"unknown": "refuse", "devices": [{"name": "A", "number": 1, "stream": 7, "address": "127.0.0.1"}]}
    bench.start(site, ("r.1",))
    first = receive("r.1")
    for _ in range(2):
        bench.dial()
    first.hear()
    known, nobody = sorted(first.links)
    first.identify(known, 7)
    bench.kill()
    bench.start({"unknown": "refuse", "devices": []}, ("r.1",))
    first = Receiver(bench, "r.1", first)
    bench.turn()
    drops = [(note["connection"], note["number"]) for note in first.hear() if note["say"] == "drop"]
    assert drops == [(known, 1), (nobody, 0)]
    first.die()


def test_a_crowd_of_admitted_devices_is_answered_after_one_write(bench, receive, monkeypatch):
    bench.start()
    receiver = receive("r.1")
    for _ in range(50):
        bench.dial()
        receiver.hear()
    written = []
    monkeypatch.setattr(bench.node.registry, "_write", lambda: written.append(len(bench.node.registry.numbers)))
    for k, id_ in enumerate(receiver.links):
        receiver.channel.say("identify", connection=id_, address="127.0.0.1", stream=k + 1)
    bench.turn()
    answers = receiver.hear()
    assert [note["say"] for note in answers] == ["identity"] * 50
    assert len({note["device"]["number"] for note in answers}) == 50
    assert written == [50]


def test_a_full_disk_keeps_unlisted_devices_out_until_it_heals(bench, receive, monkeypatch):
    bench.start()
    receiver = receive("r.1")
    bench.dial()
    receiver.hear()
    [id_] = receiver.links
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        patch.setattr(bench.node.registry, "_write", Mock(side_effect=full))
        [answer] = receiver.identify(id_, 7)
    assert answer["say"] == "refused"
    assert bench.alarms() == [f"refused 1x: {answer['reason']}"]
    assert answer["reason"].endswith("registry.json: No space left on device")
    assert receiver.identify(id_, 7)[0]["say"] == "identity"


def test_a_successor_that_brings_its_connections_hears_what_became_of_them_meanwhile(bench, receive):
    """It had them from a safe, and is not handed them again; its device has dialled anew, and another one reads it."""
    bench.start()
    first = receive("r.1")
    bench.dial()
    first.hear()
    [id_] = first.links
    number = first.identify(id_, 7)[0]["device"]["number"]
    other = receive("r.2")
    first.channel.end.close()
    bench.dial()
    other.hear()
    [anew] = other.links
    assert other.identify(anew, 7)[0]["device"]["number"] == number
    back = Receiver(bench, "r.1", first)
    bench.turn()
    said = back.hear()
    assert [(note["connection"], note["number"]) for note in said if note["say"] == "drop"] == [(id_, number)]
    assert [note["coming"] for note in said if note["say"] == "welcome"] == [[]]
    back.channel.close()
