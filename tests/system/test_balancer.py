"""A real balancer process, real sockets: every receiver gets as many connections as the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.fronts import PATIENCE, Receiver, closed, running, until

pytestmark = pytest.mark.system


@contextmanager
def balancer(folder: Path, site: dict, gather: str = "0 s", **settings: object) -> Iterator[tuple[int, Path]]:
    """(port that devices dial, runtime folder) of a running balancer with three receivers."""
    with running(folder, site, gather=gather, **settings) as front:
        yield front.port, front.run


def spread(receivers: list[Receiver]) -> list[int]:
    return [receiver.hear() for receiver in receivers]


@pytest.mark.parametrize("devices", [30, pytest.param(60, marks=pytest.mark.slow)])
def test_connections_spread_evenly_and_a_newcomer_gets_the_next_ones(run_folder, devices):
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, {"unknown": "admit"}))
        receivers = [Receiver(run, f"receivers.{k}") for k in (1, 2, 3)]
        for each in receivers:
            stack.callback(each.close)
        dial = lambda: stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # noqa: E731
        for count in range(1, devices + 1):
            dial()
            until(lambda count=count: sum(spread(receivers)) == count)
            assert max(spread(receivers)) - min(spread(receivers)) <= 1
        receivers.append(Receiver(run, "receivers.4"))
        stack.callback(receivers[-1].close)
        for count in range(1, devices // 3 + 1):
            dial()
            until(lambda count=count: receivers[-1].hear() == count)
        assert max(spread(receivers)) - min(spread(receivers)) <= 1


def test_devices_that_were_there_before_the_receivers_are_shared_by_all_of_them(run_folder):
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, {"unknown": "admit"}, gather="1 min"))
        until(lambda: (run / "front.handover").exists())
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        receivers = []
        for k in (1, 2, 3):
            assert sum(spread(receivers)) == 0
            receivers.append(Receiver(run, f"receivers.{k}"))
            stack.callback(receivers[-1].close)
        until(lambda: spread(receivers) == [10, 10, 10])


def test_bytes_sent_before_the_handover_arrive(run_folder):
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, {"unknown": "admit"}))
        until(lambda: (run / "front.handover").exists())
        device = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        device.sendall(b"said before any receiver was there")
        receiver = Receiver(run, "receivers.1")
        stack.callback(receiver.close)
        until(lambda: receiver.hear() == 1)
        [[link]] = receiver.ends.values()
        link.settimeout(PATIENCE)
        assert link.recv(100) == b"said before any receiver was there"


def test_a_receiver_that_dies_costs_no_connection_and_its_successor_has_them_again(run_folder):
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, {"unknown": "admit"}))
        dying, other = Receiver(run, "receivers.1"), Receiver(run, "receivers.2")
        stack.callback(other.close)
        dial = lambda: stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # noqa: E731
        devices = [dial() for _ in range(4)]
        until(lambda: spread([dying, other]) == [2, 2])
        held = sorted(dying.links)
        for device in devices:
            device.sendall(b"half a fra")
        for _ in range(20):
            dying.close()
            dying = Receiver(run, "receivers.1")
            assert dying.coming == held
            until(lambda: dying.hear() == 2)  # noqa: B023
            assert sorted(dying.links) == sorted(dying.again) == held
        stack.callback(dying.close)
        for [end] in dying.ends.values():
            end.settimeout(PATIENCE)
            assert end.recv(100) == b"half a fra"
        assert not any(map(closed, devices))
        devices.append(dial())
        until(lambda: sum(spread([dying, other])) == 5)


def test_connections_of_a_receiver_that_is_gone_count_and_are_given_up_after_a_while(run_folder):
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, {"unknown": "admit"}, reclaim="1 s"))
        dying, other = Receiver(run, "receivers.1"), Receiver(run, "receivers.2")
        stack.callback(other.close)
        dial = lambda: stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # noqa: E731
        devices = [dial() for _ in range(4)]
        until(lambda: spread([dying, other]) == [2, 2])
        dying.close()
        devices.append(dial())
        until(lambda: other.hear() == 3)
        until(lambda: sum(map(closed, devices)) == 2)
        late = Receiver(run, "receivers.1")
        stack.callback(late.close)
        assert (late.coming, late.hear()) == ([], 0)
        for count in (1, 2, 3):
            devices.append(dial())
            until(lambda count=count: late.hear() == count)


def test_an_address_from_which_no_device_dials_in_is_turned_away(run_folder):
    site = {"devices": [{"name": "A", "number": 1, "stream": 7, "address": "127.0.0.9"}]}
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, site))
        receiver = Receiver(run, "receivers.1")
        stack.callback(receiver.close)
        stranger = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stranger.settimeout(PATIENCE)
        assert stranger.recv(1) == b""
        known = ("127.0.0.9", 0)
        stack.enter_context(socket.create_connection(("127.0.0.1", port), source_address=known))
        until(lambda: receiver.hear() == 1)


def test_identities_are_answered_and_a_new_connection_replaces_the_old(run_folder):
    site = {"devices": [{"name": "A", "number": 1, "stream": 7}]}
    with ExitStack() as stack:
        port, run = stack.enter_context(balancer(run_folder, site))
        receiver = Receiver(run, "receivers.1")
        stack.callback(receiver.close)
        for count in (1, 2):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            until(lambda count=count: receiver.hear() == count)
        old, new = sorted(receiver.links)
        for connection, stream in ((old, 7), (old, 8), (new, 7)):
            receiver.channel.say("identify", connection=connection, address="127.0.0.1", stream=stream)
        until(lambda: receiver.hear() == 1 and len(receiver.answers) == 3)
        first, second, third = receiver.answers
        assert (first["say"], first["device"]["number"], first["device"]["name"]) == ("identity", 1, "A")
        assert (second["say"], second["reason"]) == ("refused", "stream 8 from 127.0.0.1: not in the site file")
        assert (third["say"], third["connection"]) == ("identity", new)
        assert list(receiver.links) == [new]


def test_a_device_that_we_dial_is_handed_over_and_dialled_again_when_it_ends(run_folder):
    with ExitStack() as stack:
        device = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        device.settimeout(PATIENCE)
        at = f"127.0.0.1:{device.getsockname()[1]}"
        site = {"devices": [{"name": "A", "number": 1, "stream": 7, "link": {"tcp": at}}]}
        _, run = stack.enter_context(balancer(run_folder, site))
        receiver = Receiver(run, "receivers.1")
        stack.callback(receiver.close)
        for _ in range(2):
            accepted = stack.enter_context(device.accept()[0])
            until(lambda: receiver.hear() == 1)
            [connection] = receiver.links
            receiver.channel.say("identify", connection=connection, address="127.0.0.1", stream=7)
            until(lambda: receiver.hear() == 1 and bool(receiver.answers))
            assert receiver.answers.pop()["device"]["name"] == "A"
            accepted.close()
            receiver.leave(connection)
