"""A receiver leaves, and the balancer is killed at every step of that, twice too: every frame once, no device notices.
The same where a balancer gives way, and a receiver is killed meanwhile.

Balancer, receivers and the safe are the real ones, on real sockets; the test has the clock, and says who has a turn.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nodes._handover import Channel
from nodes._node import Done, Place
from nodes._retiring import Retiring
from nodes._safekeeping import Safe
from nodes.receiver import Receiver, Settings
from protocol.clock import MILLISECOND, SECOND, Now
from tests import thorough
from tests.benches import Bench, is_open
from tests.receivers import KilledError, PlainKeeper, Steps, World, plain_keeper
from tests.scenes import BEGIN, configuration, data, told

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")

T = TypeVar("T")
TURN = 100 * MILLISECOND
FRAMES = 5
"""A turn, of each device."""
DEVICES = 4
LEAVES, RETURNS, QUIET, LAST = 6, 9, 30, 46
"""Turns: a receiver gives way, starts anew to leave, devices fall silent, the end."""
AWAY = 3
"""Turns that a killed balancer, or one that gives way, is away."""
STRIDE = int(os.environ.get("SYMS_KILL_STRIDE", thorough.of(14, 6)))
"""Every so many steps there is a run that is killed there, other ones each time; 1: at each."""


class Caller:
    """A device that sends as it dials."""

    def __init__(self, number: int, bench: Bench) -> None:
        self.cfg, self.sent = configuration(10 + number, name=f"Device {number}"), 0
        self.end = bench.dial()
        self.end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there at once
        self.end.send(told(self.cfg))
        self.cut = b""

    def turn(self, last: bool) -> None:
        """Its frames, the last of them cut."""
        stream = self.cut + b"".join(data(self.cfg, FRAMES, self.sent))
        self.sent += FRAMES
        at = len(stream) if last else len(stream) - 13
        self.end.send(stream[:at])
        self.cut = stream[at:]


class Leaving:
    """One run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, kill_at: tuple[int, ...], story: Story) -> None:
        """`kill_at`: steps of the balancer; `story`: what else happens in a turn."""
        self.folder, self.steps, self.story = folder, Steps(set(kill_at)), story
        PlainKeeper.steps = Steps()
        self.bench = Bench(folder)
        self.bench.now = Now(SECOND, BEGIN * SECOND)
        self.acting = False
        self.back_in = self.kills = 0
        self.receivers: dict[str, Receiver | Retiring] = {}
        self.devices: list[Caller] = []
        self.left = False
        self.begun = self.over = 0
        """Steps that were made when it began to leave, and when it had left."""
        self._count(monkeypatch)

    def _count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a balancer says are steps, before and after."""
        say: Callable[..., None] = Channel.say

        def counted(channel: Channel, what: str, *rest: Any, **fields: Any) -> None:
            if self.acting:
                self.steps.step(f"before {what}")
            say(channel, what, *rest, **fields)
            if self.acting:
                self.steps.step(f"after {what}")

        monkeypatch.setattr(Channel, "say", counted)

    def place(self, name: str, leaving: bool = False) -> Place:
        return Place(name=name, node="r", copy=1, readers_of={}, sources={"balancer": ["front"]}, run=str(self.folder),
                     site={}, pipeline="", journal=self.folder / name, leaving=leaving)  # fmt: skip

    def balancer(self) -> None:
        """Its turn, the last one of a life that is to end in it."""
        if self.back_in > 0:
            self.back_in -= 1
            if self.back_in == 0:
                self.bench.start(names=("r.1", "r.2"))
            return
        self.acting = True
        try:
            self.steps.step("turn")
            self.bench.turn()
        except KilledError as killed:
            in_hand = (frame.f_locals.get("ends", ()) for frame, _ in traceback.walk_tb(killed.__traceback__))
            for end in (each for ends in in_hand for each in ends):
                end.close()  # it had them from a note
            self.kills += 1
            self.bench.kill()
            self.back_in = AWAY
        finally:
            self.acting = False

    def turn(self, at: int) -> None:
        self.bench.now = Now(self.bench.now.monotonic + TURN, self.bench.now.utc + TURN)
        if at < QUIET:
            for device in self.devices:
                device.turn(at == QUIET - 1)
        self.balancer()
        self.story(self, at)
        for name, receiver in list(self.receivers.items()):
            try:
                list(receiver.wake(self.bench.now))
            except Done:
                self.left, self.over = True, self.steps.count
                self.end(name)

    def start(self, receiver: Receiver | Retiring) -> None:
        list(receiver.start(self.bench.now))
        self.receivers[receiver.place.name] = receiver

    def end(self, name: str, killed: bool = False) -> None:
        """It gives way, or is killed; the kernel closes what it has."""
        receiver = self.receivers.pop(name)
        if not killed:
            list(receiver.give_way(self.bench.now))
        if isinstance(receiver, Receiver):
            if killed and receiver.keeper:
                receiver.balancers.close()
                receiver.keeper.close()
                receiver.reading.close()
            for ways in receiver.reading.book.slots.values():
                for way in ways:
                    way.end.close()

    def balancer_gives_way(self) -> None:
        list(self.bench.node.give_way(self.bench.now))
        self.bench.watched.clear()
        self.back_in = AWAY

    def run(self) -> None:
        self.bench.start(names=("r.1", "r.2"))
        for name in ("r.1", "r.2"):
            self.start(Receiver(Settings(), self.place(name)))
        for at in range(2):
            self.turn(at)
        self.devices = [Caller(number, self.bench) for number in range(DEVICES)]
        for at in range(2, LAST):
            self.turn(at)
        assert is_whole(self.devices)
        self.end("r.1")

    def rows(self) -> Counter[tuple[str, int]]:
        """(who journalled it, time) of all rows, with how often."""
        found: Counter[tuple[Any, ...]] = Counter()
        for name in ("r.1", "r.2"):
            seen = World(self.folder / name, Steps(), {}).outcome([])
            found.update({(device, time): count for (device, time, *_), count in seen.rows.items()})
        return found


Story = Callable[[Leaving, int], None]


def leaves(scene: Leaving, at: int) -> None:
    """One of two receivers."""
    if at == LEAVES:
        scene.begun = scene.steps.count
        scene.end("r.2")
    if at == RETURNS:
        scene.start(Retiring(Settings(), scene.place("r.2", leaving=True), []))


def is_whole(devices: list[Caller]) -> bool:
    return all(is_open(device.end) for device in devices)


@contextmanager
def played(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kill_at: tuple[int, ...] = (), story: Story = leaves
) -> Iterator[Leaving]:
    """A run, in a folder of its own within this one."""
    place = folder / "-".join(["run", *map(str, kill_at)])
    place.mkdir(exist_ok=True)
    with Safe(str(place)), monkeypatch.context() as patched:
        scene = Leaving(place, patched, kill_at, story)
        try:
            scene.run()
            yield scene
        finally:
            for each in scene.bench.open:
                each.close()
            scene.bench.kill()
            for receiver in scene.receivers.values():
                list(receiver.stop(scene.bench.now))
    shutil.rmtree(place)


def some(every: Sequence[T], stride: int) -> Sequence[T]:
    """Each `stride`-th, from another one on in each run."""
    return every[random.randrange(stride) :: stride]


def lossless(scene: Leaving) -> None:
    """Each frame of each device once."""
    rows = scene.rows()
    sent = sum(device.sent for device in scene.devices)
    assert set(rows.values()) == {1}, f"killed at {sorted(scene.steps.kill_at)}"
    assert len(rows) == sent == DEVICES * FRAMES * (QUIET - 2), f"killed at {sorted(scene.steps.kill_at)}"


@pytest.fixture
def span(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Steps of an undisturbed run: from those before it begins to leave to those after."""
    with played(run_folder, monkeypatch) as scene:
        lossless(scene)
        assert (scene.left, scene.kills) == (True, 0)
        return scene.begun - 1, scene.over + 3


def test_killed_once(run_folder: Path, monkeypatch: pytest.MonkeyPatch, span: tuple[int, int]) -> None:
    for at in some(range(*span), max(1, STRIDE // 2)):
        with played(run_folder, monkeypatch, (at,)) as scene:
            lossless(scene)
            assert (scene.left, scene.kills) == (True, 1)


def test_killed_twice(run_folder: Path, monkeypatch: pytest.MonkeyPatch, span: tuple[int, int]) -> None:
    """The second time at any step of its next life: before it and the receivers have met, and after."""
    first, last = span
    every = [(at, at + more) for at in range(first, last) for more in range(1, last - first)]
    for kills in some(every, STRIDE * STRIDE):
        with played(run_folder, monkeypatch, kills) as scene:
            lossless(scene)
            assert (scene.left, scene.kills) == (True, 2)


def test_a_receiver_is_killed_while_the_balancer_is_away(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when the balancer gives way to when its successor has met both receivers."""
    met = LEAVES + AWAY + 6
    every = [(killed, back) for killed in range(LEAVES, met) for back in range(killed + 1, met)]
    for killed, back in some(every, STRIDE):

        def story(scene: Leaving, at: int, killed: int = killed, back: int = back) -> None:
            if at == LEAVES:
                scene.balancer_gives_way()
            if at == killed:
                scene.end("r.2", killed=True)
            if at == back:
                scene.start(Receiver(Settings(), scene.place("r.2")))

        with played(run_folder, monkeypatch, story=story) as scene:
            scene.end("r.2")
            lossless(scene)
