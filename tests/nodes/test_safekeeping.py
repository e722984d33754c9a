"""Sockets between two lives of their process: whoever is killed, they stay open; whoever has them, the safe lets go."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgpack
import pytest

from nodes._safekeeping import Left, Safe, fetch, leave, met, path

PATIENCE = 5.0


@pytest.fixture
def run(run_folder: Path) -> str:
    return str(run_folder)


@pytest.fixture
def safe(run: str) -> Iterator[Safe]:
    with Safe(run) as safe:
        yield safe


class Device:
    """One end of a connection, whose other end is with the station."""

    def __init__(self) -> None:
        self.end, self.theirs = socket.socketpair()
        self.end.settimeout(PATIENCE)

    def left(self, receiver: str, connection: int) -> Left:
        """The station's own end goes with it."""
        return Left(receiver, "front", connection, [self.theirs])

    def is_hung_up_on(self) -> bool:
        """Waits for the safe's thread, if there is something to wait for."""
        return self.end.recv(1) == b""

    @property
    def is_open(self) -> bool:
        self.end.setblocking(False)
        try:
            return self.end.recv(1) != b""
        except BlockingIOError:
            return True
        finally:
            self.end.settimeout(PATIENCE)


@pytest.fixture
def devices() -> Iterator[list[Device]]:
    made = [Device() for _ in range(3)]
    yield made
    for each in made:
        each.end.close()
        each.theirs.close()


def close(descriptors: Iterable[list[int]]) -> None:
    for each in [one for some in descriptors for one in some]:
        os.close(each)


def test_a_successor_has_what_was_left_for_it_and_the_safe_lets_go(run: str, safe: Safe, devices: list[Device]) -> None:
    one, two, other = devices
    assert leave(run, "r.1", [one.left("r.1", 7), two.left("r.1", 8)]) == 2
    leave(run, "r.2", [other.left("r.2", 9)])
    found = fetch(run, "r.1")
    assert sorted(found) == [("front", 7), ("front", 8)]
    one.end.send(b"a frame")
    with socket.socket(fileno=found.pop(("front", 7))[0]) as end:
        assert end.recv(100) == b"a frame"
    assert one.is_hung_up_on()  # it was the last one that had it
    assert two.is_open
    assert other.is_open
    close(found.values())
    assert (fetch(run, "r.1"), safe.of("r.2")) == ({}, 1)


def test_a_pair_of_sockets_stays_a_pair(run: str, safe: Safe, devices: list[Device]) -> None:
    leave(run, "r.1", [Left("r.1", "front", 7, [devices[0].theirs, devices[1].theirs])])
    (ends,) = fetch(run, "r.1").values()
    devices[1].end.send(b"second")
    assert os.read(ends[1], 100) == b"second"
    close([ends])


def test_a_successor_that_dies_before_it_has_all_leaves_them_for_the_next(
    run: str, safe: Safe, devices: list[Device]
) -> None:
    leave(run, "r.1", [devices[0].left("r.1", 7)])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as victim:
        victim.settimeout(PATIENCE)
        victim.connect(path(run))
        victim.send(msgpack.packb({"say": "fetches", "receiver": "r.1"}))
        _, descriptors, _, _ = socket.recv_fds(victim, 1000, 4)
        close([descriptors])
    found = fetch(run, "r.1")
    assert list(found) == [("front", 7)]
    assert devices[0].is_open
    close(found.values())


def test_what_a_balancer_left_goes_when_its_successor_has_met_its_receivers(
    run: str, safe: Safe, devices: list[Device]
) -> None:
    leave(run, "front", [devices[0].left("r.1", 7)])
    leave(run, "r.2", [devices[1].left("r.2", 8)])
    met(run, "front")
    assert devices[0].is_hung_up_on()
    assert (safe.of("front"), safe.of("r.2")) == (0, 1)
    assert devices[1].is_open


def test_what_is_left_twice_is_kept_once(run: str, safe: Safe, devices: list[Device]) -> None:
    """By the balancer, and by the receiver: the later one says whose it is."""
    one, two, _ = devices
    leave(run, "front", [one.left("r.1", 7)])
    leave(run, "r.1", [two.left("r.1", 7)])
    assert one.is_hung_up_on()
    assert (safe.of("front"), safe.of("r.1")) == (0, 1)


def test_what_nobody_fetches_is_forgotten_or_ends_with_the_safe(run: str, devices: list[Device]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Safe(run) as safe:
        leave(run, "r.1", [devices[0].left("r.1", 7)])
        leave(run, "r.2", [devices[1].left("r.2", 8)])
        assert fetch(run, "nobody") == {}  # all that was said before is heard
        safe.forget("r.1")
        assert devices[0].is_hung_up_on()
        assert devices[1].is_open
    assert devices[1].is_hung_up_on()
    assert len(os.listdir("/proc/self/fd")) == before - 2  # ours, which were left
    assert not os.path.exists(path(run))


def test_without_a_safe_nothing_is_asked_for_or_kept(run: str) -> None:
    def never() -> Iterator[Left]:
        raise AssertionError("nobody is there to take it")
        yield

    assert leave(run, "r.1", never()) == 0
    assert fetch(run, "r.1") == {}
    met(run, "front")


def test_a_command_that_was_killed_leaves_its_door_to_the_next(run: str, devices: list[Device]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(path(run))
    assert fetch(run, "r.1") == {}
    with Safe(run):
        assert leave(run, "r.1", [devices[0].left("r.1", 7)]) == 1
        assert devices[0].is_open


def test_nonsense_is_hung_up_on_and_takes_nothing_with_it(run: str, safe: Safe, devices: list[Device]) -> None:
    leave(run, "r.1", [devices[0].left("r.1", 7)])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.settimeout(PATIENCE)
        stranger.connect(path(run))
        socket.send_fds(stranger, [b"\xc1"], [devices[1].theirs.fileno()])
        devices[1].theirs.close()
        assert devices[1].is_hung_up_on()
        assert stranger.recv(10) == b""
    assert safe.of("r.1") == 1
    assert devices[0].is_open


def test_one_that_comes_without_its_sockets_is_not_kept(run: str, safe: Safe, devices: list[Device]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as giver:
        giver.connect(path(run))
        note = {"say": "leaves", "giver": "r.1", "receiver": "r.1", "balancer": "front", "connection": 7, "sockets": 2}
        socket.send_fds(giver, [msgpack.packb(note)], [devices[0].theirs.fileno()])
    devices[0].theirs.close()
    assert devices[0].is_hung_up_on()
    assert (safe.of("r.1"), fetch(run, "r.1")) == (0, {})


def test_hundreds_of_connections(run: str, safe: Safe) -> None:
    pairs = [Device() for _ in range(300)]
    assert leave(run, "r.1", [each.left("r.1", k) for k, each in enumerate(pairs)]) == 300
    found = fetch(run, "r.1")
    assert len(found) == 300
    assert all(each.is_open for each in pairs)
    close(found.values())
    for each in pairs:
        each.end.close()
