"""A concentrator that was started anew: what the receivers still hold comes in the order in which it once came."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from nodes import _catchup
from nodes._catchup import GIVE_UP, HEAR_ALL, CatchUp
from nodes._node import Letter, News, Place
from nodes._stream import Reader, Writer, size_in_memory
from nodes.concentrator import Concentrator, Settings
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Fetch, Measurements, Snapshots
from tests.nodes.test_concentrator import TABLE, configuration

BEGIN = Now(5_000 * SECOND, 1_700_000_000 * SECOND)
STEP = 20 * MILLISECOND
NAMES = ("receivers.1", "receivers.2")


def later(ns: int) -> Now:
    return Now(BEGIN.monotonic + ns, BEGIN.utc + ns)


def row(device: int, k: int) -> Measurements:
    """The device's k-th row; it arrives within 5 ms."""
    return Measurements(
        table=TABLE,
        device=np.array([device], np.uint32),
        time=np.array([BEGIN.utc + k * STEP], np.int64),
        arrival=np.array([BEGIN.utc + k * STEP + device * MILLISECOND], np.int64),
        snapped=np.zeros(1, np.int32),
        quality=np.zeros(1, np.uint8),
        status=np.zeros(1, np.uint16),
        aside=np.zeros(1, np.uint8),
        values=np.full((1, TABLE.channels), k, np.float32),
        digital=np.zeros((1, TABLE.digitals), np.uint16),
    )


class Bench:
    """Two receivers with a device each that have spoken for a while, and a concentrator that starts now."""

    def __init__(self, ticks: int) -> None:
        self.writers = {name: Writer(name, 7) for name in NAMES}
        self.ticks = 0
        for device, writer in enumerate(self.writers.values(), 1):
            writer.say(configuration(device))
        self.live = [word for _ in range(ticks) for word in self.tick()][-2:]
        self.now = later(ticks * STEP)
        place = Place("align", "align", 1, {}, {"receiver": list(NAMES)}, "/run", {}, "p.yaml")
        self.node = Concentrator(Settings(), place)
        self.said: list[Any] = []
        self.letters: list[Letter] = []
        self.hear(self.node.start(self.now))

    def tick(self) -> list[Any]:
        words = [writer.say(row(device, self.ticks)).message for device, writer in enumerate(self.writers.values(), 1)]
        self.ticks += 1
        return words

    def hear(self, actions: Any) -> None:
        for action in actions:
            if isinstance(action, News):
                self.said.append(action.message)
            else:
                self.letters.append(action)

    def answer(self, name: str) -> None:
        """One receiver answers until it is asked no more."""
        while letter := next((each for each in self.letters if each.to == name), None):
            self.letters.remove(letter)
            assert isinstance(letter.message, Fetch)
            for answer in list(self.writers[name].receive(letter.message, self.now)):
                assert isinstance(answer, Letter)
                self.hear(self.node.receive(answer.message, self.now))

    @property
    def snapshots(self) -> list[Snapshots]:
        return [word for word in self.said if isinstance(word, Snapshots)]


@pytest.mark.parametrize("order", [NAMES, NAMES[::-1]])
def test_every_slot_is_whole_whoever_answers_first(order: tuple[str, ...]) -> None:
    bench = Bench(3000)
    for word in bench.live:
        bench.hear(bench.node.receive(word, bench.now))
    for name in order:
        bench.answer(name)
    slots = np.concatenate([each.slot for each in bench.snapshots])
    assert slots.tolist() == [BEGIN.utc // STEP + k for k in range(3000)]
    assert all(each.present.all() and sorted(each.device.tolist()) == [1, 2] for each in bench.snapshots)
    assert len(bench.snapshots) < 100
    assert sorted(word.device for word in bench.said if isinstance(word, Configuration)) == [1, 2]
    counters = bench.node.health(bench.now)["counters"]
    assert (counters["late"], counters["missing"], counters["rows"]) == (0, 0, 6000)
    # and on it goes, live
    for word in bench.tick():
        bench.hear(bench.node.receive(word, later(bench.ticks * STEP)))
    assert bench.snapshots[-1].slot.tolist() == [BEGIN.utc // STEP + 3000]
    assert bench.snapshots[-1].present.tolist() == [[1, 1]]


@pytest.mark.parametrize(("heard", "patience"), [(False, HEAR_ALL), (True, GIVE_UP)])
def test_a_receiver_that_does_not_answer_is_not_waited_for_without_end(heard: bool, patience: int) -> None:
    bench = Bench(100)
    first, second = bench.live
    bench.hear(bench.node.receive(first, bench.now))
    if heard:
        bench.hear(bench.node.receive(second, bench.now))
    bench.answer(NAMES[0])
    assert bench.snapshots == []
    due = bench.node.wake_at()
    bench.hear(bench.node.wake(Now(bench.now.monotonic + patience, bench.now.utc + patience)))
    assert due is not None
    assert due <= bench.now.monotonic + patience
    assert sum(each.slot.size for each in bench.snapshots) == 100


def test_a_station_that_begins_goes_on_at_once() -> None:
    bench = Bench(0)
    for name, writer in bench.writers.items():
        bench.hear(bench.node.receive(writer.announce().message, bench.now))
        bench.answer(name)
    for word in bench.tick():
        bench.hear(bench.node.receive(word, later(STEP)))
    assert [each.present.tolist() for each in bench.snapshots] == [[[1, 1]]]


def test_no_more_is_taken_than_there_is_room_for_and_nothing_is_left_out() -> None:
    bench = Bench(200)
    catchup, reader = CatchUp(NAMES, bench.now), Reader("align")
    for name in NAMES:
        for message in (bench.writers[name].announce().message, *(word for _, _, word in bench.writers[name]._ring)):
            for word in reader.receive(message, bench.now)[0]:
                catchup.add(word, bench.now)
    taken: list[list[Any]] = []
    while catchup.active:
        taken.append(catchup.take(reader, bench.now, 5_000))
        assert catchup.wake_at() == 0 or not catchup.active
    assert len(taken) > 10
    assert all(sum(size_in_memory(word) for word in part) < 6_000 for part in taken)
    arrivals = [int(word.arrival[0]) for part in taken for word in part if isinstance(word, Measurements)]
    assert arrivals == sorted(arrivals)
    assert len(arrivals) == 400


def test_a_writer_that_is_ahead_of_the_others_is_not_asked_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_catchup, "WAITING", 2_000)
    catchup = CatchUp(NAMES, BEGIN)
    fetches = [Letter(name, Fetch("align", 7, 0, 9)) for name in NAMES]
    other = Letter(NAMES[0], "something else")
    assert list(catchup.asking(fetches)) == fetches
    for k in range(5):
        catchup.add(dataclasses.replace(row(1, k), node=NAMES[0]), BEGIN)
    assert list(catchup.asking([*fetches, other])) == [fetches[1], other]
    catchup.active = False
    assert list(catchup.asking(fetches)) == fetches
