"""Devices that a balancer reaches itself, without a balancer."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from nodes._reach import OPEN_AGAIN, Reach
from nodes._sitedevice import Device
from protocol.clock import SECOND, Now


def device(number: int, **link: object) -> Device:
    return Device.model_validate({"name": f"D{number}", "number": number, "stream": number, "link": link})


def at(seconds: float) -> Now:
    return Now(int(seconds * SECOND), 0)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A UDP port of somebody else."""
    with socket.socket(type=socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        yield end


def test_a_port_that_is_taken_is_an_alarm_and_opened_when_it_is_free(taken):
    port = taken.getsockname()[1]
    reach = Reach([device(1, spontaneous=f"127.0.0.1:{port}"), device(2, spontaneous=f"127.0.0.1:{port}")])
    assert list(reach.open(at(0))) == []
    why = os.strerror(errno.EADDRINUSE)
    assert reach.alarms([])[0] == f"D1 (UDP 127.0.0.1:{port}): {why}"
    taken.close()
    assert list(reach.open(at(0.5))) == []
    [connection] = reach.open(at(OPEN_AGAIN / SECOND))
    assert [each.number for each in connection.candidates or []] == [1, 2]
    assert reach.alarms([1, 2]) == []
    assert list(reach.open(at(100))) == []
    connection.close()
    reach.ended(connection, "over", at(100))
    [anew] = reach.open(at(100))
    assert anew is not connection
    anew.close()


def test_what_is_brought_back_is_known_by_its_devices_or_by_its_place():
    reach = Reach(
        [
            device(1, tcp="127.0.0.1:4712"),
            device(2, tcp="127.0.0.1:4713"),
            device(3, tcp="127.0.0.1:4714", udp=4715),
            device(4, udp="127.0.0.1:4716"),
            device(5, spontaneous=4717),
            device(6, spontaneous=4718, group="239.1.1.1"),
        ]
    )

    def candidates(how: str, port: int, *numbers: int, host: str = "127.0.0.1") -> list[int]:
        connection = reach.brought(how, (host, port), numbers)
        return [each.number for each in connection.candidates or []] if connection else []

    assert candidates("tcp", 4713) == [2]
    assert candidates("tcp", 9999, 1) == [1]  # its address has changed since: the device counts
    assert candidates("tcp_udp", 4714) == [3]
    assert candidates("udp", 4716) == [4]
    assert candidates("spontaneous", 4717, host="0.0.0.0") == [5]
    assert candidates("spontaneous", 4718, host="239.1.1.1") == [6]
    assert candidates("tcp", 4716) == candidates("udp", 4717) == candidates("spontaneous", 4719) == []
    assert list(reach.begin(at(0))) == list(reach.open(at(0))) == []  # nothing is left to be reached


def test_a_connection_that_comes_back_late_does_not_disturb_the_one_that_was_made_meanwhile():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        reach = Reach([device(1, tcp=f"127.0.0.1:{address[1]}")])
        [fd] = reach.begin(at(0))
        late = reach.brought("tcp", address, [1])
        assert late is not None
        late.close()
        reach.ended(late, "the device has connected anew", at(0))
        newer = reach.decided(fd, at(0))
        assert newer is not None
        assert list(reach.begin(at(100))) == []
        newer.close()
        reach.ended(newer, "over", at(100))
        [again] = reach.begin(at(200))
        assert again in reach
        reach.close()


def test_no_number_of_descriptors_opened_is_forgotten_when_half_of_a_pair_fails(taken):
    port = taken.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = {"tcp": f"127.0.0.1:{server.getsockname()[1]}", "udp": f"127.0.0.1:{port}"}
        reach = Reach([device(1, **link)])
        before = len(os.listdir("/proc/self/fd"))
        [fd] = reach.begin(at(0))
        assert reach.decided(fd, at(0)) is None
        assert len(os.listdir("/proc/self/fd")) == before
        [alarm] = reach.alarms([])
        assert alarm.endswith(f"UDP 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}")
