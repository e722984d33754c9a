"""Many devices call at once: a few of them a tick begin, so that those that send already are read in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.receiver import Receiver
from protocol.clock import MILLISECOND, Now
from tests.receivers import Socket, Steps, World, plain_keeper
from tests.scenes import configuration, told

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")
DEVICES = range(1, 61)
LATE = 60 * MILLISECOND


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Sixty devices that tell their configuration, and have all dialled in before the first tick."""
    made = World(tmp_path, Steps(), {10 * fd: fd for fd in DEVICES})
    for fd in DEVICES:
        device = made.kernel.sockets[fd] = Socket()
        device.queue += told(configuration(10 * fd, name=f"Device {fd}"))
        made.balancer.connect(100 + fd, "dials_in", (f"10.0.0.{fd}", 4712), [fd])
    return made


def stand(world: World) -> tuple[int, int]:
    """(connections, devices that were told to send)"""
    receiver = world.receiver
    assert isinstance(receiver, Receiver)
    return len(receiver.reading.book.slots), len(receiver.links.book.carriers)


def steps(world: World, ticks: int) -> list[tuple[int, int]]:
    """How many more of both each tick."""
    found, before = [], (0, 0)
    for _ in range(ticks):
        world.turn()
        now = stand(world)
        found.append((now[0] - before[0], now[1] - before[1]))
        before = now
    return found


def test_a_few_begin_in_a_tick_and_all_in_the_end(world: World) -> None:
    grown = steps(world, 60)
    assert max(opened for opened, _ in grown) == 8
    assert max(begun for _, begun in grown) == 3
    assert stand(world) == (60, 60)
    world.stop()


def test_a_tick_that_began_late_takes_one(world: World) -> None:
    world.turn()
    world.turn()
    opened, begun = stand(world)
    world.now = Now(world.now.monotonic + LATE, world.now.utc + LATE)
    world.turn()
    assert stand(world)[0] - opened + stand(world)[1] - begun == 1
    world.stop()


def test_a_predecessors_connections_are_taken_up_at_once(world: World) -> None:
    steps(world, 60)
    world.kill()
    world.turn()
    assert stand(world)[0] == 60
    world.stop()
