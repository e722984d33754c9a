"""Clients that ask over UDP: a publisher by hand, loopback datagrams, time moved by the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from nodes._node import StartError
from protocol.c37118 import ConfigurationFrame, FrameType, compile_codec, frame_type, parse
from protocol.clock import SECOND, Now
from tests.nodes.test_publisher import Bench
from tests.outputs import configuration, number
from tests.scenes import command
from tests.stations import Station


class Client:
    """A socket, and what came to it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.came = bench, list[bytes]()
        self.end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.end.connect(("127.0.0.1", bench.node.outlet.callers.port))
        self.end.setblocking(False)

    def ask(self, *codes: int) -> None:
        for code in codes:
            self.end.send(command(700, code))
        self.bench.loop.turns(3)

    def read(self) -> list[bytes]:
        while True:
            try:
                self.came.append(self.end.recv(65536))
            except BlockingIOError:
                return self.came

    @property
    def data(self) -> list[bytes]:
        return [frame for frame in self.read() if frame_type(frame) == FrameType.DATA]


@contextmanager
def clients(count: int, **settings: Any) -> Iterator[tuple[Bench, list[Client]]]:
    with Station() as station, Bench(station, **{"listen": None, "listen_udp": "127.0.0.1:0", **settings}) as bench:
        made = [Client(bench) for _ in range(count)]
        try:
            yield bench, made
        finally:
            for each in made:
                each.end.close()


def wait(bench: Bench, seconds: float) -> None:
    """Time passes."""
    now = bench.station.now
    bench.station.now = Now(now.monotonic + round(seconds * SECOND), now.utc + round(seconds * SECOND))
    bench.loop.turns(2)


def reached(bench: Bench, what: Callable[[], bool]) -> None:
    """Time passes until it is so."""
    bench.loop.until(what)


def test_it_is_answered_and_gets_data_where_it_asked_from() -> None:
    with clients(2) as (bench, (first, second)):
        bench.configure(configuration(number(1)))
        first.ask(3, 4, 5, 6)
        reached(bench, lambda: len(first.read()) == 4)
        assert b"North Hub: upstream" in first.came[0]
        cfgs = [parse(frame) for frame in first.came[1:]]
        assert [cfg.kind for cfg in cfgs if isinstance(cfg, ConfigurationFrame)] == [1, 2, 3]
        first.ask(2)
        reached(bench, lambda: any(each.device.on for each in bench.node.outlet.callers.all))
        bench.slots([number(1)])
        reached(bench, lambda: len(first.data) == 10)
        assert isinstance(cfgs[1], ConfigurationFrame)
        assert set(np.diff(compile_codec(cfgs[1]).decode(first.data).time).tolist()) == {20_000_000}
        assert second.read() == []
        assert bench.count("udp_clients") == 1


def test_a_client_says_when_it_has_had_enough() -> None:
    with clients(2) as (bench, (first, second)):
        bench.configure(configuration(number(1)))
        first.ask(2)
        second.ask(2)
        reached(bench, lambda: bench.count("udp_clients") == 2)
        first.ask(1)
        reached(bench, lambda: bench.count("udp_clients") == 1)
        bench.slots([number(1)])
        reached(bench, lambda: len(second.data) == 10)
        assert first.data == []


def test_who_says_nothing_for_long_is_forgotten_and_may_ask_again() -> None:
    with clients(2, forget="10 min") as (bench, (first, second)):
        bench.configure(configuration(number(1)))
        first.ask(2)
        second.ask(5)
        reached(bench, lambda: bench.count("udp_clients") == 2)
        wait(bench, 61)
        assert bench.count("udp_clients") == 1, "who gets no DATA is forgotten sooner"
        wait(bench, 530)
        first.ask(5)
        wait(bench, 590)
        assert (bench.count("udp_clients"), bench.count("udp_forgotten")) == (1, 1)
        wait(bench, 11)
        assert (bench.count("udp_clients"), bench.count("udp_forgotten")) == (0, 2)
        first.ask(2)
        reached(bench, lambda: bench.count("udp_clients") == 1)


def test_a_change_of_the_stream_is_told_to_who_asks_again() -> None:
    with clients(1) as (bench, (client,)):
        bench.configure(configuration(number(1)))
        client.ask(2)
        reached(bench, lambda: bench.count("udp_clients") == 1)
        bench.configure(configuration(number(2)))
        bench.slots([number(1), number(2)])
        reached(bench, lambda: len(client.data) == 10)
        client.ask(5)
        reached(bench, lambda: frame_type(client.read()[-1]) == FrameType.CONFIGURATION_2)
        cfg = parse(client.came[-1])
        assert isinstance(cfg, ConfigurationFrame)
        rows = compile_codec(cfg).decode(client.data).stations
        assert [set(each.status.tolist()) for each in rows] == [{0x0400}, {0x0400}]


def test_who_is_not_in_admit_from_is_not_answered() -> None:
    with clients(1, admit_from=["10.0.0.0/8"]) as (bench, (client,)):
        bench.configure(configuration(number(1)))
        client.ask(2, 5)
        reached(bench, lambda: bench.count("udp_refused") == 2)
        assert client.read() == []
        assert bench.count("udp_clients") == 0
        assert "127.0.0.1: `admit_from` has no network that it is in" in bench.alarms()


def test_no_more_than_there_may_be() -> None:
    with clients(3, clients=2) as (bench, made):
        bench.configure(configuration(number(1)))
        for each in made:
            each.ask(2)
        reached(bench, lambda: bench.count("udp_refused") == 1)
        assert "more than 2 connections at once (`clients`)" in bench.alarms()
        made[0].ask(1)
        made[2].ask(2)
        reached(bench, lambda: bench.count("udp_clients") == 2)
        bench.slots([number(1)])
        reached(bench, lambda: len(made[2].data) == 10)


def test_of_one_address_who_was_silent_longest_makes_room() -> None:
    with clients(3, per_address=2) as (bench, made):
        bench.configure(configuration(number(1)))
        for each in made:
            each.ask(2)
        reached(bench, lambda: bench.count("udp_refused") == 1)
        assert bench.count("udp_clients") == 2, "the third came too soon, and nobody had to go for it"
        wait(bench, 1)
        made[2].ask(2)
        reached(bench, lambda: bench.count("udp_forgotten") == 1)
        bench.slots([number(1)])
        reached(bench, lambda: len(made[1].data) == len(made[2].data) == 10)
        assert made[0].data == []


def test_clients_over_tcp_and_udp_count_together() -> None:
    with clients(1, clients=1, listen="127.0.0.1:0") as (bench, (client,)):
        bench.configure(configuration(number(1)))
        client.ask(2)
        reached(bench, lambda: bench.count("udp_clients") == 1)
        talk = bench.station.dial(bench.port)
        reached(bench, lambda: not talk.open)
        assert bench.count("turned_away") == 1


def test_who_asks_without_end_is_not_answered() -> None:
    with clients(1) as (bench, (client,)):
        bench.configure(configuration(number(1)))
        client.ask(*[5] * 60)
        reached(bench, lambda: "more than 50 commands in a second over UDP" in bench.alarms())
        assert len(client.read()) == 50


def test_what_is_no_command_is_nothing() -> None:
    with clients(1) as (bench, (client,)):
        client.ask(5)
        bench.configure(configuration(number(1)))
        damaged = bytearray(command(700, 2))
        damaged[-1] ^= 1
        for data in (b"", b"GET /", bytes(damaged), bytes(60_000)):
            client.end.send(data)
        bench.slots([number(1)])
        assert bench.count("udp_clients") == 0
        assert client.read() == [], "before there was a stream nobody was answered"


def test_a_long_cfg_3_comes_in_pieces_that_are_datagrams() -> None:
    long = "x" * 200
    words = [configuration(number(n), phasors=[f"{long} {k}" for k in range(3)]) for n in range(1, 101)]
    with clients(1) as (bench, (client,)):
        bench.configure(*words)
        client.ask(6)
        reached(bench, lambda: len(client.read()) == 2)
        assert all(len(frame) <= 65507 for frame in client.came)
        assert bench.count("udp_dropped") == 0


def test_a_port_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, Station() as station:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StartError, match=r"free the port or change `listen_udp`"):
            Bench(station, listen=None, listen_udp=f"127.0.0.1:{taken.getsockname()[1]}")
