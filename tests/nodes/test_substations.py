"""Receivers and devices of GB/T 26865.2 and Q/GDW 131, with one pipe or several: every frame once, kills or not."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from protocol import gbt26865, smd
from protocol.messages import Spectrum, device_number, spectrum_number
from tests.pipestations import Substation, configuration
from tests.receivers import Socket, Steps, World, plain_keeper

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")

WHO = {b"DIALLED3": 1, b"DIALLED2": 2, b"WHOLE..3": 3, b"SMD..L01": 4, b"SMD..R01": 5}
TICKS = 130


class Station:
    """The world with five substations, each reached in its own way."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        known = {int.from_bytes(identity, "big"): number for identity, number in WHO.items()}
        self.world = World(folder, steps, known)
        self.world.balancer.more = {4: {"kind": "L"}, 5: {"kind": "R"}}
        self.sockets = self.world.kernel.sockets = {fd: Socket() for fd in range(1, 20)}
        self.substations: dict[int, Substation] = {}
        self._dialled_data: set[int] = set()
        self._calls()

    def _calls(self) -> None:
        call, at = self.world.balancer.connect, self.sockets
        v3, v2, whole, load, renewable = WHO
        self.substations[1] = self._substation(v3, at[1], {Spectrum.NONE: at[2]}, piped=False)
        call(101, "tcp", ("10.0.0.1", 8000), [1], protocol="gbt26865", pipe="management", stream=_number(v3))
        self.substations[2] = self._substation(v2, at[3], {Spectrum.NONE: at[4]}, piped=False, version=2)
        call(103, "tcp", ("10.0.0.2", 7000), [3], protocol="qgdw131", pipe="management")
        self.substations[3] = self._substation(whole, at[5], {})
        call(105, "dials_in", ("10.0.0.3", 50000), [5], protocol="smd")
        pipes = {Spectrum.NONE: at[7], Spectrum.HARMONICS: at[8], Spectrum.INTERHARMONICS: at[9]}
        self.substations[4] = self._substation(load, at[6], pipes, kind=smd.Kind.L)
        for fd in (6, 7, 8, 9):
            call(100 + fd, "dials_in", ("10.0.0.4", 50000 + fd), [fd], protocol="smd")
        self.substations[5] = self._substation(renewable, at[10], {}, kind=smd.Kind.R)
        call(110, "dials_in", ("10.0.0.5", 50000), [10], protocol="smd")

    def _substation(
        self,
        identity: bytes,
        management: Socket,
        data: dict[Spectrum, Socket],
        *,
        piped: bool = True,
        version: int = 3,
        kind: smd.Kind | None = None,
    ) -> Substation:
        cfg = configuration(identity, version=version)
        return Substation(gbt26865.Device(cfg), management, data, kind, piped=piped)

    def turn(self, tick: int) -> None:
        for each in self.substations.values():
            each.turn(tick, self.world.now)
        self._data_pipes()
        self.world.turn()

    def _data_pipes(self) -> None:
        """The balancer dials the one of V3 when it is wanted; the other substation dials its own."""
        balancer = self.world.balancer
        if 101 in balancer.wanted and 1 not in self._dialled_data:
            self._dialled_data.add(1)
            balancer.connect(102, "tcp", ("10.0.0.1", 8001), [2], protocol="gbt26865", pipe="data", beside=101)
            self.substations[1].piped = True
        if self.substations[2].device.on and 2 not in self._dialled_data:
            self._dialled_data.add(2)
            balancer.connect(104, "dials_in", ("10.0.0.2", 50000), [4], protocol="smd")
            self.substations[2].piped = True

    def wanted(self) -> dict[int, int]:
        """Device -> rows that were sent."""
        return {
            spectrum_number(device_number(number, 0), spectrum): count
            for number, each in self.substations.items()
            for spectrum, count in each.sent.items()
        }


def _number(identity: bytes) -> int:
    return int.from_bytes(identity, "big")


def run(folder: Path, steps: Steps) -> tuple[dict[int, int], Counter[int], dict[int, list[int]], list[int]]:
    """(rows sent by device, rows told, books, counts of nobody)"""
    station = Station(folder, steps)
    for tick in range(TICKS):
        station.turn(tick)
    for each in station.substations.values():
        each.piped = False
    for tick in range(20):
        station.turn(tick)
    station.world.stop()
    receiver = station.world.receiver
    assert receiver
    seen = station.world.outcome(receiver.links.book.unknown)
    assert not [row for row, count in seen.rows.items() if count > 1]
    return station.wanted(), Counter(row[0] for row in seen.rows), seen.books, seen.unknown


def test_every_frame_of_every_pipe_comes_once(tmp_path: Path) -> None:
    wanted, rows, books, unknown = run(tmp_path, Steps())
    assert dict(rows) == wanted
    assert {device >> 16 for device in wanted} == {1, 2, 3, 4, 5}
    assert {device: counts[0] for device, counts in books.items()} == wanted
    assert all(counts[1:] == [0, 0, 0] for counts in books.values())
    assert unknown == [0, 0, 0, 0]
    load = device_number(4, 0)
    assert wanted[spectrum_number(load, Spectrum.HARMONICS)] >= 2
    assert wanted[spectrum_number(device_number(5, 0), Spectrum.INTERHARMONICS)] >= 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_once_at_any_step(tmp_path: Path) -> None:
    count = Steps()
    run(tmp_path / "whole", count)
    stride = max(1, count.count // 7)
    for at in range(1 + random.randrange(stride), count.count + 1, stride):
        deaths = Steps({at})
        wanted, rows, books, unknown = run(tmp_path / str(at), deaths)
        assert sum(deaths.where.values()) == 1
        assert dict(rows) == wanted, f"killed at step {at}: {deaths.where}"
        assert {device: counts[0] for device, counts in books.items()} == wanted
        assert unknown == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    deaths = Steps(set(chosen.sample(range(1, 3000), 30)))
    wanted, rows, _, unknown = run(tmp_path, deaths)
    assert deaths.where
    assert dict(rows) == wanted, deaths.where
    assert unknown == [0, 0, 0, 0]
