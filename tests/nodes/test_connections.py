"""A balancer's connections and their duplicates."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from nodes._connections import Connection, Connections


@pytest.fixture
def far() -> Iterator[list[socket.socket]]:
    """Devices' ends, in the order in which they connected."""
    ends: list[socket.socket] = []
    yield ends
    for end in ends:
        end.close()


def connect(far: list[socket.socket]) -> Connection:
    near, device = socket.socketpair()
    device.setblocking(False)
    far.append(device)
    return Connection("dials_in", ("10.0.0.1", 5000 + len(far)), ends=[near])


def is_open(device: socket.socket) -> bool:
    try:
        return device.recv(1) != b""
    except BlockingIOError:
        return True


def test_numbers_go_on_above_those_that_are_brought_back(far):
    connections = Connections(100)
    first, brought, second = (connect(far) for _ in range(3))
    connections.give(first, "r.1")
    connections.bring(brought, 700, "r.2")
    connections.give(second, "r.1")
    assert [first.id, brought.id, second.id] == [100, 700, 701]
    connections.bring(third := connect(far), 50, "r.1")
    assert [each.id for each in connections.of("r.1")] == [third.id, first.id, second.id] == [50, 100, 701]
    connections.close()


def test_what_a_dead_receiver_has_read_stays_its_own_and_what_it_never_got_is_free(far):
    connections = Connections(1)
    read, never = connect(far), connect(far)
    for each in (read, never):
        connections.give(each, "r.1")
    assert connections.bereave("r.1", [never.id], until=60) == [never]
    assert connections.of("r.1") == [read]
    assert read.again
    assert connections.waiting == {"r.1": 1}
    assert connections.load("r.1") == 1  # it counts: whoever is chosen for new ones
    # The next one dies before it has read a single note: it is still the same journal's.
    assert connections.bereave("r.1", [read.id], until=90) == []
    assert connections.overdue(89) == []
    connections.returned("r.1")
    assert (connections.overdue(1000), connections.waiting) == ([], {})
    assert all(map(is_open, far))
    connections.close()
    never.close()
    assert not any(map(is_open, far))


def test_who_had_nothing_is_not_waited_for(far):
    connections = Connections(1)
    assert connections.bereave("r.1", [], until=60) == []
    assert connections.waiting == {}
    connections.give(only := connect(far), "r.1")
    connections.bereave("r.1", [], until=60)
    assert connections.overdue(60) == ["r.1"]
    assert connections.take(only.id) is only
    assert connections.take(only.id) is None
    assert (len(connections), connections.overdue(60)) == (0, [])
    only.close()


def test_a_note_for_a_connection_of_somebody_else_frees_nothing(far):
    connections = Connections(1)
    connections.give(mine := connect(far), "r.1")
    connections.give(other := connect(far), "r.2")
    assert connections.bereave("r.1", [other.id, 4711], until=60) == []
    assert connections.get(other.id) is other
    assert mine.again
    connections.close()
