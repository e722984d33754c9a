"""Streams in step, read all at once: the same rows and counts as one by one; who falls out of step loses nothing."""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import structlog

from nodes import _reading
from nodes import receiver as module
from nodes._bulkloops import Compiled
from nodes._bulkplain import (
    BROKEN,
    DUE,
    HELD,
    HURRY,
    LATE,
    LINK,
    NOTHING,
    PARTIAL,
    SEAT,
    Loops,
    Plain,
    Terms,
)
from nodes._manners import Rates
from nodes._peek import StreamEnd
from nodes._rows import CORRUPT, RECEIVED
from nodes.receiver import Receiver
from protocol.clock import MILLISECOND, SECOND, Now
from tests.crowds import damaged
from tests.receivers import PlainKeeper, Socket, Steps, World, plain_keeper
from tests.scenes import configuration, data, told

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")
TURNS = 40
ANSWER = 8
"""Tick after the question for the configuration."""
DEVICES = range(1, 6)
PATIENCE = 5_000
W = TypeVar("W", bound=World)
Play = Callable[[int, int], bytes]
"""(device, tick) -> bytes that come in it"""


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def world_of(folder: Path, steps: Steps, kind: Callable[..., W] = World) -> W:  # type: ignore[assignment]
    """Devices 1 to 5, of one layout, each known by its stream 10, 20, …"""
    world = kind(folder, steps, {10 * fd: fd for fd in DEVICES})
    world.kernel.sockets = {fd: Socket() for fd in DEVICES}
    for fd in DEVICES:
        world.balancer.connect(100 + fd, "dials_in", (f"10.0.0.{fd}", 4712), [fd])
    return world


def in_step(fd: int, tick: int) -> bytes:
    """The configuration, and again when it is asked for; else a frame a tick."""
    cfg = configuration(10 * fd, name=f"Device {fd}")
    return told(cfg) if tick in (0, ANSWER) else data(cfg, 1, tick)[0]


def run(folder: Path, play: Play, steps: Steps, ends: dict[int, int] | None = None) -> tuple[World, list[int]]:
    """(world, how many were read in bulk after each tick)"""
    world, counts = world_of(folder, steps), []
    for tick in range(TURNS):
        for fd, device in world.kernel.sockets.items():
            device.queue += play(fd, tick)
            device.finished = tick >= (ends or {}).get(fd, TURNS)
        world.turn()
        counts.append(world.receiver.reading.book.bulks.count if world.receiver else 0)
    world.stop()
    return world, counts


def receiver(world: World) -> Receiver:
    assert world.receiver
    return world.receiver


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is read in bulk."""
    monkeypatch.setattr(_reading, "in_step", lambda way: False)


def odd(fd: int, tick: int) -> bytes:
    """Three devices do something that is not in step, at tick 20."""
    if (fd, tick) == (2, 20):
        return damaged(in_step(fd, tick))
    if (fd, tick) == (3, 20):
        return told(configuration(30, name="Device 3", phasors=4))
    if fd == 3 and tick > 20:
        return data(configuration(30, name="Device 3", phasors=4), 1, tick)[0]
    if fd == 4 and 20 <= tick < 25:
        return data(configuration(40, name="Device 4"), 1, tick, status=0x0400)[0]
    if fd == 5 and tick in (20, 21, 22):  # a frame in three ticks
        return data(configuration(50, name="Device 5"), 1, 20)[0][
            (tick - 20) * 20 : (tick - 19) * 20 + 40 * (tick // 22)
        ]
    return in_step(fd, tick)


def test_streams_in_step_are_read_in_bulk(tmp_path: Path) -> None:
    world, counts = run(tmp_path, in_step, Steps())
    assert counts[15:] == [5] * (TURNS - 15)
    seen = world.outcome([])
    assert seen.rows.total() == 5 * (TURNS - 2)
    assert {count[RECEIVED] for count in seen.books.values()} == {TURNS - 2}


@pytest.mark.parametrize("play", [in_step, odd])
def test_the_same_comes_of_it_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, play: Play) -> None:
    ends = {1: 30}
    world, counts = run(tmp_path / "bulk", play, Steps(), ends)
    together = world.outcome(receiver(world).links.book.unknown)
    assert max(counts) == 5
    alone(monkeypatch)
    other, none = run(tmp_path / "alone", play, Steps(), ends)
    assert max(none) == 0
    one_by_one = other.outcome(receiver(other).links.book.unknown)
    assert (together.rows, together.books, together.unknown) == (one_by_one.rows, one_by_one.books, one_by_one.unknown)


def test_who_falls_out_of_step_is_read_by_itself_and_comes_back(tmp_path: Path) -> None:
    world, counts = run(tmp_path, odd, Steps())
    assert counts[19] == 5
    assert min(counts[20:25]) <= 3
    assert counts[-1] >= 4
    assert world.outcome([]).books[2 << 16][CORRUPT] == 1


def test_who_is_silent_is_read_by_itself(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    for tick in range(20):
        for fd, device in world.kernel.sockets.items():
            device.queue += in_step(fd, tick)
        world.turn()
    assert receiver(world).reading.book.bulks.count == 5
    for tick in range(20, 80):
        world.kernel.sockets[1].queue += in_step(1, tick)
        world.turn()
    assert receiver(world).reading.book.bulks.count == 1
    assert len(receiver(world).reading.book.ways) == 4


def test_more_than_its_rate_is_refused_as_ever(tmp_path: Path) -> None:
    """A burst beyond the credit goes the way of one by one, which counts what it refuses."""
    cfg = configuration(10, name="Device 1")
    world = world_of(tmp_path, Steps())
    for tick in range(20):
        world.kernel.sockets[1].queue += in_step(1, tick)
        world.turn()
    assert receiver(world).reading.book.bulks.count == 1
    receiver(world).links.rates.credit[1] = 0
    receiver(world).links.rates.since[1] = world.now.monotonic
    world.kernel.sockets[1].queue += b"".join(data(cfg, 10, 20))
    world.turn()
    assert receiver(world).links.book.totals() == {"received": 28, "corrupt": 0, "refused": 6, "lost": 0}


@pytest.mark.parametrize("play", [in_step, odd])
def test_killed_at_any_step_nothing_is_lost_or_twice(tmp_path: Path, play: Play) -> None:
    steps = Steps()
    world, _ = run(tmp_path / "whole", play, steps)
    whole = world.outcome(receiver(world).links.book.unknown)
    for at in range(40, steps.count, 61):
        other, _ = run(tmp_path / str(at), play, Steps({at, at + 90}))
        seen = other.outcome(receiver(other).links.book.unknown)
        assert other.deaths
        assert (seen.rows, seen.books, seen.unknown) == (whole.rows, whole.books, whole.unknown), f"killed at {at}"


# the compiled loops and their plain twin, against the kernel's own sockets


@pytest.fixture
def pairs() -> Iterator[tuple[list[socket.socket], list[StreamEnd]]]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        devices, ends = [], []
        for _ in range(6):
            devices.append(socket.create_connection(door.getsockname()))
            ends.append(StreamEnd(door.accept()[0]))
    yield devices, ends
    for each in [*devices, *ends]:
        each.close()


def wait(end: StreamEnd, least: int = 0) -> None:
    poll = select.poll()
    poll.register(end.fileno(), select.POLLIN | select.POLLRDHUP)
    assert poll.poll(PATIENCE)
    while end.queued() < least:
        assert poll.poll(PATIENCE)


@pytest.mark.parametrize("loops", [Plain(), Compiled()], ids=["plain", "compiled"])
def test_looking_and_taking(loops: Loops, pairs: tuple[list[socket.socket], list[StreamEnd]]) -> None:
    devices, ends = pairs
    fds = np.array([end.fileno() for end in ends], np.int64)
    devices[0].sendall(b"a" * 100)
    devices[1].sendall(b"b" * 30)
    devices[3].close()
    devices[4].sendall(b"c" * 200)
    devices[5].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    devices[5].close()  # a reset
    for k, least in ((0, 100), (1, 30), (3, 0), (4, 200), (5, 0)):
        wait(ends[k], least)
    block = np.zeros(7 * 120, np.uint8)
    none = np.zeros(6, np.int64)
    assert loops.look(ends, fds, none, 40, 120, block).tolist() == [100, 30, NOTHING, 0, 120, BROKEN]
    assert bytes(block[:200]) == b"a" * 80 + b"c" * 120
    assert ends[0].queued() == 100
    loops.take(ends[:5], fds[:5], np.array([80, 0, 0, 0, 120], np.int64))
    assert [end.queued() for end in ends[:5]] == [20, 30, 0, 0, 80]
    assert loops.look(ends[:5], fds[:5], none[:5], 40, 120, block).tolist() == [20, 30, NOTHING, 0, 80]


@pytest.mark.parametrize("loops", [Plain(), Compiled()], ids=["plain", "compiled"])
def test_a_look_passes_over_what_stays_queued(loops: Loops, pairs: tuple[list[socket.socket], list[StreamEnd]]) -> None:
    devices, ends = pairs
    for k, sent in enumerate([b"a" * 40 + b"b" * 85, b"c" * 80, b"d" * 40, b"e" * 300]):
        devices[k].sendall(sent)
        wait(ends[k], len(sent))
    fds = np.array([end.fileno() for end in ends[:4]], np.int64)
    held, block = np.array([40, 80, 0, 120], np.int64), np.zeros(4 * 120 + 120, np.uint8)
    assert loops.look(ends[:4], fds, held, 40, 120, block).tolist() == [85, NOTHING, 40, 120]
    assert bytes(block[:240]) == b"b" * 80 + b"d" * 40 + b"e" * 120
    assert [end.queued() for end in ends[:4]] == [125, 80, 40, 300]


@pytest.mark.parametrize("loops", [Plain(), Compiled()], ids=["plain", "compiled"])
def test_good_frames(loops: Loops) -> None:
    frames = data(configuration(7), 5)
    other_size = frames[1][:3] + bytes([frames[1][3] ^ 1]) + frames[1][4:]
    other_stream = data(configuration(8), 1)[0]
    block = b"".join([frames[0], damaged(frames[1]), frames[2], b"\xab" + frames[3][1:], other_size, other_stream])
    columns = np.frombuffer(block, np.uint8).reshape(6, -1).copy()
    seven = np.full(6, 7, np.int64)
    assert loops.good(columns, seven).tolist() == [True, False, True, False, False, False]
    assert loops.good(columns[:0], seven[:0]).tolist() == []


def test_both_loops_sift_the_same() -> None:
    """Whatever comes, tick after tick: who is odd, late, in a hurry, over its rate."""
    chosen, count, size = np.random.default_rng(7), 40, 100
    seats = [np.zeros((len(SEAT), count), np.int64) for _ in range(2)]
    rates = [Rates(60, SECOND) for _ in range(2)]
    for table, rate in zip(seats, rates, strict=True):
        table[LINK] = np.arange(1, count + 1)
        for link in table[LINK].tolist():
            rate.allowed(link, 50, 1, Now(0, 0))
    seen = set()
    for tick in range(1, 200):
        got = chosen.choice([NOTHING, BROKEN, 0, 40, size, size, size, 2 * size, 2 * size + 40, 9 * size], count)
        fits = chosen.random(int((np.maximum(got, 0) // size).sum())) < 0.98
        terms = Terms(size, 20 * MILLISECOND, 8 * size, tick % 3 == 0, tick * 20 * MILLISECOND)
        plain, other = (
            each.sift(table, got, fits, terms, rate)
            for each, table, rate in zip((Plain(), Compiled()), seats, rates, strict=True)
        )
        np.testing.assert_array_equal(plain, other)
        np.testing.assert_array_equal(*seats)
        np.testing.assert_array_equal(rates[0].credit, rates[1].credit)
        np.testing.assert_array_equal(rates[0].since, rates[1].since)
        seen |= {what for what in (HURRY, LATE, DUE, HELD, PARTIAL) if seats[0][what].any()}
        for table in seats:
            table[HELD] -= table[DUE]
    assert len(seen) == 5


def test_who_waits_for_our_acknowledgement_does_not_wait_long() -> None:
    """Nagle's algorithm: a frame comes when the one before was taken, not before."""
    seats, rates = np.zeros((len(SEAT), 1), np.int64), Rates(1000, SECOND)
    rates.allowed(0, 50, 1, Now(0, 0))
    size, waits = 100, 0
    for tick in range(100, 300):
        acknowledged = seats[HELD, 0] == 0
        waits += not acknowledged
        got = np.array([size if acknowledged else NOTHING])
        terms = Terms(size, 20 * MILLISECOND, 8 * size, tick % 2 == 0, tick * 20 * MILLISECOND)
        Plain().sift(seats, got, np.ones(int(acknowledged), bool), terms, rates)
        seats[HELD] -= seats[DUE]
    assert waits == 2


def test_keeper_without_threads_is_used() -> None:
    """Else the kills above would be others than those meant."""
    assert module.Keeper is PlainKeeper  # type: ignore[comparison-overlap]
