"""Streams over a journal: lives of a writer and of its readers, in any order; every word once, or counted lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes._keeper import Keeper
from nodes._node import Letter, News
from nodes._stream import Reader, Writer
from protocol.clock import SECOND, Now
from protocol.messages import Durable, Measurements, Numbered, Tally
from tests import archives as makers
from tests.lives import SEGMENT, Bench, at, tally

deeds = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 30), st.sampled_from(["heard", "dropped", "partly", "twice"])),
    st.tuples(st.sampled_from(["born", "reborn", "save", "announce", "time", "late"])),
)


def play(bench: Bench, story: list[Any], random: Any) -> None:
    late: list[Any] = []
    for name, *more in story:
        if name == "say":
            for word in bench.say(more[0]):
                if more[1] in ("heard", "twice") or (more[1] == "partly" and random.random() < 0.5):
                    bench.hear(word, lambda: random.random() < 0.2)
                if more[1] == "twice":
                    late.append(word)
        elif name == "announce":
            bench.hear(bench.writer.announce().message, lambda: random.random() < 0.2)
        elif name == "time":
            bench.pass_time(random.choice([0.4, 1.1, 3.5]))
        elif name == "late":
            for word in late:
                bench.hear(word)
        else:
            {"born": bench.born, "reborn": bench.reborn, "save": bench.save}[name]()
        step = random.choice([1, 600_000_000])
        bench.now = Now(bench.now.monotonic + step, bench.now.utc + step)


@settings(max_examples=60, deadline=None)
@given(st.lists(deeds, max_size=25), st.randoms(use_true_random=False))
def test_every_word_of_every_life_once_and_in_order(story: list[Any], random: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        play(bench, story, random)
        bench.settle()
        assert [(word.epoch, word.number) for word in bench.taken] == bench.said
        assert [int(word.received[0]) for word in bench.taken if isinstance(word, Tally)] == [
            *range(1, bench.value + 1)
        ]
        assert (bench.lost + bench.reader.lost, bench.reader.behind) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(deeds.filter(lambda deed: deed[0] != "reborn"), max_size=25), st.randoms(use_true_random=False))
def test_what_a_bounded_journal_dropped_is_counted(story: list[Any], random: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), keep=2 * SEGMENT)
        bench.hear(bench.writer.announce().message)
        for deed in story:
            play(bench, [deed], random)
            bench.hear(bench.writer.announce().message, lambda: True)
        bench.settle()
        taken = [(word.epoch, word.number) for word in bench.taken]
        assert taken == sorted(set(taken))
        assert set(taken) <= set(bench.said)
        assert bench.reader.behind == 0
        assert bench.reader.lost == len(bench.said) - len(taken)


def test_a_life_that_nobody_heard_of_is_read_from_the_journal(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(3):
        bench.say(20)
        bench.now = Now(bench.now.monotonic + 1, bench.now.utc + 1)
        bench.born()
    announced = bench.writer.announce().message
    assert [next for _, _, next in announced.earlier] == [20, 20, 20]
    bench.hear(announced)
    assert [(word.epoch, word.number) for word in bench.taken] == bench.said
    assert bench.reader.lost == 0


def test_an_epoch_is_above_all_before_it_whatever_the_clock_says(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = bench.writer.epoch
    bench.say(1)
    bench.now = Now(bench.now.monotonic, bench.now.utc - 3600 * SECOND)
    bench.born()
    assert bench.writer.epoch == first + 1


def test_a_group_is_written_before_it_is_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def work() -> Iterable[News]:
        yield bench.writer.say(tally(1))
        bench.writer.note(b"position")

    assert bench.keeper is not None
    before = bench.keeper.journal.size
    actions = bench.writer.commit(work(), bench.now)
    assert [action.message.number for action in actions] == [0]
    assert bench.keeper.journal.size > before
    assert [bytes(note.data) for note in bench.keeper.journal.records() if hasattr(note, "data")][-1] == b"position"
    size = bench.keeper.journal.size
    assert bench.writer.commit([], bench.now) == []
    assert bench.keeper.journal.size == size


def test_what_was_never_written_is_gone_for_the_next_life(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hear(bench.writer.announce().message)
    bench.say(3)
    assert bench.keeper is not None
    bench.keeper.failing = True
    bench.say(2)
    bench.keeper.failing = False
    bench.say(3)
    bench.now = at(2)
    bench.born()
    bench.settle()
    assert [word.number for word in bench.taken] == [0, 1, 2, 5, 6, 7]
    assert bench.reader.lost == 2


def test_all_are_trimmed_below_the_slowest_needed_reader(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.writer.needed = ("r", "slow")
    for _ in range(5):
        bench.say(20)
    bench.settle()
    bench.save()
    bench.settle()
    assert bench.writer.announce().message.first == 0, "one that never said anything holds the journal"
    list(bench.writer.receive(Durable("slow", bench.writer.epoch, 60), bench.now))
    bench.settle()
    assert 20 <= bench.writer.announce().message.first <= 60
    assert bench.writer.safe == (bench.writer.epoch, 60)


def test_rows_that_the_bound_took_from_a_reader_are_an_alarm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, keep=2 * SEGMENT, memory=1)
    bench.now = at(20)
    for _ in range(40):
        word = makers.measurements([1] * 10, makers.grid(0, 10))
        bench.writer.commit([bench.writer.say(word)], bench.now)
        bench.now = Now(bench.now.monotonic + SECOND, bench.now.utc + SECOND)
        list(bench.writer.wake(bench.now))
    first = bench.writer.announce().message.first
    assert bench.writer.counters["journal_dropped_rows"] == pytest.approx(10 * first, abs=100)
    assert "before r had them" in bench.writer.alarms[0]
    list(bench.writer.receive(Durable("r", bench.writer.epoch, 40), bench.now))
    dropped = bench.writer.dropped_rows
    list(bench.writer.wake(Now(bench.now.monotonic + SECOND, 0)))
    assert bench.writer.dropped_rows == dropped


def test_a_stream_over_a_keeper_with_its_threads(tmp_path: Path) -> None:
    taken: list[Numbered] = []
    reader = Reader("r")
    for life in range(3):
        keeper = Keeper(tmp_path, keep=1 << 30, age=3600 * SECOND, segment=SEGMENT)
        writer = Writer("w", 0, 1, keeper, ["r"])
        writer.open(at(life + 1), lambda: [b"state"])
        for value in range(30):
            writer.commit([writer.say(tally(value))], at(life + 1))
        assert keeper.close()
    keeper = Keeper(tmp_path, keep=1 << 30, age=3600 * SECOND)
    writer = Writer("w", 0, 1, keeper, ["r"])
    writer.open(at(9), lambda: [b"state"])
    waiting: list[Any] = [writer.announce()]
    while waiting:
        words, letters = reader.receive(waiting.pop(0).message, at(9))
        taken += words
        for letter in letters:
            assert isinstance(letter, Letter)
            waiting += writer.receive(letter.message, at(9))
    assert [int(word.received[0]) for word in taken if isinstance(word, Tally)] == 3 * list(range(30))
    assert keeper.close()


def test_measurements_come_from_the_journal_as_they_were(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory=1)
    word = makers.measurements([1, 2] * 5, makers.grid(0, 10))
    bench.writer.commit([bench.writer.say(word), bench.writer.say(tally(1))], bench.now)
    bench.hear(bench.writer.announce().message)
    assert isinstance(bench.taken[0], Measurements)
    for name, value in vars(word).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(bench.taken[0], name), value)
