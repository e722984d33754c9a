"""A balancer and devices with several connections: who dials which, and that all of a device's go to one receiver."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from nodes._node import StartError
from tests.benches import Bench, Receiver, bench, receive

__all__ = ["bench", "receive"]
Receive = Callable[..., Receiver]
WHO = int.from_bytes(b"0GX00GP1", "big")


@pytest.fixture
def listener(bench: Bench) -> Callable[[], socket.socket]:
    def made() -> socket.socket:
        end = socket.create_server(("127.0.0.1", 0))
        end.setblocking(False)
        bench.open.append(end)
        return end

    return made


def at(end: socket.socket) -> str:
    return f"127.0.0.1:{end.getsockname()[1]}"


def accepted(bench: Bench, end: socket.socket) -> socket.socket:
    bench.turn()
    near, _ = end.accept()
    bench.open.append(near)
    bench.turn()
    return near


def substation(**link: Any) -> dict[str, Any]:
    return {"name": "Hub", "number": 3, "protocol": "gbt26865", "identity": "0GX00GP1", "link": link}


def test_the_data_pipe_is_dialled_when_it_is_wanted(bench: Bench, receive: Receive, listener) -> None:
    management, data = listener(), listener()
    bench.start({"devices": [substation(tcp=at(management), data=at(data))]}, ("r.1", "r.2"))
    one, other = receive("r.1"), receive("r.2")
    accepted(bench, management)
    one.hear()
    ((id_, link),) = one.links.items()
    assert (link["protocol"], link["pipe"], link["stream"]) == ("gbt26865", "management", WHO)
    bench.turn(60)
    with pytest.raises(BlockingIOError):
        data.accept()
    one.channel.say("open", connection=id_)
    accepted(bench, data)
    one.hear(), other.hear()
    pipe = one.links[max(one.links)]
    assert (pipe["pipe"], pipe["beside"]) == ("data", id_)
    assert not other.links, "though it had fewer"


def test_a_data_pipe_that_breaks_is_dialled_again_while_its_management_pipe_lasts(
    bench: Bench, receive: Receive, listener
) -> None:
    management, data = listener(), listener()
    bench.start({"devices": [substation(tcp=at(management), data=at(data))]}, ("r.1",))
    one = receive("r.1")
    accepted(bench, management)
    one.hear()
    (id_,) = one.links
    one.channel.say("open", connection=id_)
    accepted(bench, data)
    one.hear()
    one.end(max(one.links))
    bench.turn(2)
    accepted(bench, data)
    one.hear()
    pipe = max(one.links)
    assert one.links[pipe]["beside"] == id_
    one.end(id_)
    one.end(pipe)
    bench.turn(2)
    accepted(bench, management)
    bench.turn(60)
    with pytest.raises(BlockingIOError):
        data.accept()


def test_what_dials_from_one_address_goes_to_one_receiver(bench: Bench, receive: Receive) -> None:
    bench.start({"unknown": "admit"}, ("r.1", "r.2"), listen_gbt26865="127.0.0.1:0")
    one, other = receive("r.1"), receive("r.2")
    for source in ("127.0.0.11", "127.0.0.12", "127.0.0.11", "127.0.0.11", "127.0.0.12"):
        bench.dial(source, door=1)
    one.hear(), other.hear()
    sources = [{link["peer"][0] for link in each.links.values()} for each in (one, other)]
    assert sources == [{"127.0.0.11"}, {"127.0.0.12"}]
    assert len(one.links) == 3
    assert {link["protocol"] for link in one.links.values()} == {"smd"}


def test_a_pipe_waits_for_the_receiver_that_has_the_others(bench: Bench, receive: Receive) -> None:
    """Its receiver died: the successor is handed both."""
    bench.start({"unknown": "admit"}, ("r.1", "r.2"), listen_gbt26865="127.0.0.1:0")
    one, other = receive("r.1"), receive("r.2")
    bench.dial("127.0.0.11", door=1)
    one.hear()
    one.die()
    bench.dial("127.0.0.11", door=1)
    other.hear()
    assert not other.links
    again = receive("r.1")
    assert sorted(link["again"] for link in again.links.values()) == [False, True]


def test_a_newer_balancer_knows_which_pipe_is_which(bench: Bench, receive: Receive, listener) -> None:
    management, data = listener(), listener()
    site = {"unknown": "refuse", "devices": [substation(tcp=at(management), data=at(data))]}
    bench.start(site, ("r.1",))
    one = receive("r.1")
    accepted(bench, management)
    one.hear()
    (id_,) = one.links
    assert one.identify(id_, WHO)[0]["device"]["number"] == 3
    one.channel.say("open", connection=id_)
    accepted(bench, data)
    one.hear()
    bench.kill()
    bench.start(site, ("r.1",))
    one = receive("r.1", one)
    bench.turn(60)
    for end in (management, data):
        with pytest.raises(BlockingIOError):
            end.accept()
    assert one.hear() == []


def test_a_stranger_may_not_call_where_substations_do(bench: Bench, receive: Receive) -> None:
    device = {"name": "Hub", "number": 3, "protocol": "qgdw131", "link": {"tcp": "127.0.0.2:7000", "data": "dials_in"}}
    bench.start({"unknown": "refuse", "devices": [device]}, ("r.1",), listen_gbt26865="127.0.0.1:0")
    one = receive("r.1")
    bench.dial("127.0.0.3", door=1)
    bench.dial("127.0.0.2", door=1)
    one.hear()
    assert [link["peer"][0] for link in one.links.values()] == ["127.0.0.2"]
    assert bench.counter("refused") == 1


def test_a_port_that_devices_need_is_asked_for(bench: Bench) -> None:
    device = {"name": "Hub", "number": 3, "protocol": "gbt26865", "identity": "0GX00GP1"}
    with pytest.raises(StartError, match=r"Hub \(gbt26865\) dials in; add listen_gbt26865: to the balancer"):
        bench.start({"devices": [device]})
    bench.start({"devices": [device]}, listen_gbt26865="127.0.0.1:0")


def test_who_says_another_idcode_than_the_site_file_is_refused(bench: Bench, receive: Receive, listener) -> None:
    management = listener()
    bench.start({"unknown": "refuse", "devices": [substation(tcp=at(management))]}, ("r.1",))
    one = receive("r.1")
    accepted(bench, management)
    one.hear()
    (id_,) = one.links
    assert one.links[id_]["pipe"] == "whole"
    (said,) = one.identify(id_, int.from_bytes(b"ANOTHER1", "big"))
    assert said["reason"] == "Hub at 127.0.0.1: says ANOTHER1, the site file 0GX00GP1"


def test_a_data_pipe_may_call_where_ipv6_is_listened_on(bench: Bench, receive: Receive, listener) -> None:
    """The kernel calls an IPv4 caller ::ffff:127.0.0.2 there; we dialled 127.0.0.2. One receiver has both."""
    management = socket.create_server(("127.0.0.2", 0))
    management.setblocking(False)
    bench.open.append(management)
    link = {"tcp": f"127.0.0.2:{management.getsockname()[1]}", "data": "dials_in"}
    site = {"unknown": "refuse", "devices": [substation(**link)]}
    bench.start(site, ("r.1", "r.2"), listen_gbt26865="[::]:0")
    one, other = receive("r.1"), receive("r.2")
    accepted(bench, management)
    port = bench.door(1).address()[1]
    for source in ("127.0.0.2", "127.0.0.3"):
        bench.open.append(socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0)))
        bench.turn()
    one.hear(), other.hear()
    assert [each["peer"][0] for each in one.links.values()] == ["127.0.0.2", "::ffff:127.0.0.2"]
    assert not other.links
    assert bench.counter("refused") == 1


def test_v2_is_spoken_with_who_can_only_be_of_v2(bench: Bench, receive: Receive) -> None:
    older = {"name": "Older", "number": 4, "protocol": "qgdw131", "address": "127.0.0.2"}
    newer = {"name": "Newer", "number": 5, "protocol": "gbt26865", "address": "127.0.0.0/29", "identity": "0GX00GP5"}
    for devices, spoken in (([older], ["qgdw131"]), ([older, newer], ["smd", "smd"])):
        bench.start({"unknown": "refuse", "devices": devices}, ("r.1",), listen_gbt26865="127.0.0.1:0")
        one = receive("r.1")
        for source in ("127.0.0.2", "127.0.0.3"):
            bench.dial(source, door=1)
        one.hear()
        assert [link["protocol"] for link in one.links.values()] == spoken
        bench.kill()
