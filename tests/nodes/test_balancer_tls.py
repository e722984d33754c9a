"""A balancer driven by hand (`tests/benches.py`) whose devices come under TLS."""

from __future__ import annotations

import socket

import pytest

from nodes._node import StartError
from nodes.balancer import Balancer, Settings
from protocol.clock import SECOND
from tests.authorities import Authority
from tests.benches import Receiver, bench, descriptors, is_open, receive

__all__ = ["bench", "receive"]


SECURE = {
    "unknown": "refuse",
    "devices": [
        {"name": "A", "number": 1, "stream": 7, "certificate": "a.example"},
        {"name": "B", "number": 2, "stream": 8},
    ],
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"), "authority")
    return {"listen_tls": "127.0.0.1:0", "tls": authority.files(authority.issue("station.example"))}


def test_how_to_read_a_link_goes_with_it(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    bench.dial()
    one.hear()
    secure, plain = one.links.values()
    assert "tls" not in plain
    assert secure["tls"] == {
        **tls["tls"], "revoked": "", "handshake": 10 * SECOND, "dialled": False, "name": ""
    }  # fmt: skip
    assert (plain["stream"], secure["stream"]) == (8, None)  # A can't come in the clear


def test_a_link_under_tls_ends_with_its_receiver_and_frees_its_place(bench, receive, tls):
    bench.start(SECURE, per_address=2, **tls)
    before = descriptors()
    one = receive("r.1")
    secure, plain = bench.dial(door=1), bench.dial()
    one.hear()
    first, second = one.links
    assert one.identify(first, 7, certificate=("a.example",))[0]["say"] == "identity"
    assert one.identify(second, 8)[0]["say"] == "identity"
    one.die()
    assert not is_open(secure)
    assert is_open(plain)
    assert bench.counter("ended") == 1
    assert "r.1 is gone: 1 connections wait for it" in bench.alarms()
    bench.turn(1)  # it has called as often as it may
    again = bench.dial(door=1)
    other = receive("r.1")
    other.hear()
    assert is_open(again)
    third = next(id_ for id_ in other.links if id_ not in (first, second))
    assert other.identify(third, 7, certificate=("a.example",))[0]["say"] == "identity"
    assert descriptors() < before + 12


def test_those_that_never_left_for_a_receiver_that_dies_go_to_another(bench, receive, tls):
    bench.start(SECURE, **tls)
    deaf, other = receive("r.1"), receive("r.2")
    deaf.channel.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sent = bench.node.receivers.joined[0].channel
    sent.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    devices = [bench.dial(door=1) for _ in range(40)]
    unsent = sent.waiting
    assert unsent > 0
    deaf.die()
    other.hear()
    assert len(other.links) == 20 + unsent
    assert bench.node.connections.waiting == {}
    assert sum(map(is_open, devices)) == 20 + unsent


def test_a_newer_balancer_adopts_it_without_descriptors(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    device = bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    one.identify(id_, 7, certificate=("a.example",))
    bench.kill()
    bench.start(SECURE, **tls)
    one.channel.close()
    two = receive("r.1", one)
    assert bench.counter("brought_back") == 1
    assert is_open(device)
    assert not [note for note in two.hear() if note["say"] == "drop"]
    two.die()
    assert not is_open(device)
    assert bench.counter("given_up") == 0


def test_one_whose_certificate_the_site_file_wants_no_more_is_dropped(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    one.identify(id_, 7, certificate=("a.example",))
    bench.kill()
    changed = SECURE["devices"][0] | {"certificate": "new.example"}
    bench.start(SECURE | {"devices": [changed]}, **tls)
    one.channel.close()
    two = Receiver(bench, "r.1", one)
    bench.turn()
    dropped = [note for note in two.hear() if note["say"] == "drop"]
    assert [(note["connection"], note["number"]) for note in dropped] == [(id_, 1)]
    two.channel.close()


def test_failed_handshakes_are_counted_and_named(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    for connection in (id_, id_ + 1000):  # the latter is not its own
        one.channel.say("insecure", connection=connection, reason="TLS: it shows no certificate")
    one.end(id_)
    assert (bench.counter("tls_refused"), bench.counter("refused")) == (1, 1)
    assert "refused 1x: 127.0.0.1: TLS: it shows no certificate" in bench.alarms()


def test_a_device_dialled_under_tls_is_never_dialled_in_the_clear(bench, receive, tls):
    there = socket.create_server(("127.0.0.1", 0))
    bench.open.append(there)
    link = {"tcp": f"127.0.0.1:{there.getsockname()[1]}", "tls": {}}
    site = {"devices": [{"name": "C", "number": 3, "link": link}]}
    with pytest.raises(StartError, match="C is to be dialled under TLS; add tls: to the balancer"):
        bench.start(site)
    bench.start(site, tls=tls["tls"])
    one = receive("r.1")
    bench.turn(1)
    bench.turn()
    one.hear()
    (told,) = one.links.values()
    assert (told["tls"]["dialled"], told["tls"]["name"]) == (True, "127.0.0.1")


def test_a_door_or_a_file_that_is_not_there_stops_the_start(bench, tls):
    with pytest.raises(StartError, match="A dials in under TLS; add listen_tls: to the balancer"):
        bench.start(SECURE, tls=tls["tls"])
    with pytest.raises(StartError, match="No such file or directory; correct its path"):
        bench.start(SECURE, **tls | {"tls": tls["tls"] | {"certificate": "/nowhere"}})
    bench.start(SECURE, **tls)
    port = bench.door(1).address()[1]
    taken = {"listen": "127.0.0.1:0", "tls": tls["tls"], "listen_tls": f"127.0.0.1:{port}"}
    with pytest.raises(StartError, match="free the port or change `listen_tls`"):
        list(Balancer(Settings.model_validate(taken), bench.node.place).start(bench.now))
