"""Streams over a journal: lives of a writer and of its readers, in any order; every word once, or counted lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.disk import Disk
from archive.journal import Journal
from nodes._keeper import Keeper
from nodes._node import Letter, News
from nodes._stream import FETCH_AT_MOST, FETCH_BYTES, HOLD_AT_MOST, HOLD_BYTES, TELL_AGAIN_AFTER, Reader, Writer
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Measurements, Numbered, Tally
from tests import archives as makers

SEGMENT = 2000


def at(second: float) -> Now:
    return Now(int(second * SECOND), int(second * SECOND))


def tally(value: int) -> Tally:
    return Tally(np.ones(1, np.uint32), *(np.full(1, value, np.int64) for _ in range(4)))


class Unsynced(Disk):
    """Without the waits; what is tested here are kills, not power cuts."""

    def sync(self, fd: int) -> None:
        """Nothing."""

    def sync_names(self, folder: Path) -> None:
        """Nothing."""


class Threadless:
    """A journal as a keeper would keep it, on the thread of the test."""

    hangs = False
    trouble = ""

    def __init__(self, folder: Path, keep: int = 1 << 40) -> None:
        self.journal = Journal(folder, segment=SEGMENT, disk=Unsynced())
        self.keep = keep
        self.last_epoch = self.journal.last_epoch
        self.fetch, self.counters = self.journal.fetch, {"dropped_words": 0}
        self.failing = False

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        return self.journal.epochs

    def open(self, epoch: int, now: Now, head: Any) -> None:
        self.journal.open(epoch, now.utc, head())

    def commit(self, first: int, words: Any, notes: Any, now: Now) -> None:
        if not self.failing:
            self.journal.append(first, words, notes)
        if self.journal.full:
            self.journal.roll(now.utc, [b"state"])
            self.journal.bound(self.keep, 0)

    def trim(self, epoch: int, next: int, now: Now) -> None:
        self.journal.trim(epoch, next, now.utc)


class Bench:
    """A writer with lives, and a reader with lives, which a bad network lies between."""

    def __init__(self, folder: Path, keep: int = 1 << 40, memory: int = 600) -> None:
        self.folder, self.keep, self.memory = folder, keep, memory
        self.now = at(1)
        self.said: list[tuple[int, int]] = []
        self.taken: list[Numbered] = []
        self.saved: tuple[dict[str, tuple[int, int]], int] = ({}, 0)
        self.value = 0
        self.lost = 0
        self.reader = Reader("r")
        self.keeper: Threadless | None = None
        self.born()

    def born(self) -> None:
        if self.keeper:
            self.keeper.journal.close()
        self.keeper = Threadless(self.folder, self.keep)
        self.writer = Writer("w", 0, self.memory, self.keeper, ["r"])  # type: ignore[arg-type]
        self.writer.open(self.now, lambda: [b"state"])

    def say(self, count: int) -> list[Any]:
        """One tick."""

        def work() -> Iterable[News]:
            for _ in range(count):
                self.value += 1
                yield self.writer.say(tally(self.value))

        news = [each.message for each in self.writer.commit(work(), self.now) if isinstance(each, News)]
        self.said += [(word.epoch, word.number) for word in news]
        return news

    def hear(self, message: Any, drop: Any = lambda: False) -> None:
        """The reader hears something, and everybody answers, as long as letters arrive."""
        waiting = [message]
        while waiting:
            words, actions = self.reader.receive(waiting.pop(0), self.now)
            self.taken += words
            for letter in actions:
                assert isinstance(letter, Letter)
                if not drop():
                    answers = list(self.writer.receive(letter.message, self.now))
                    waiting += [each.message for each in answers if isinstance(each, Letter) and not drop()]

    def save(self) -> None:
        """The reader brings to its disk what it took, and says so."""
        self.saved = self.reader.standing(), len(self.taken)
        for letter in self.reader.durable(self.now):
            assert isinstance(letter, Letter)
            list(self.writer.receive(letter.message, self.now))

    def reborn(self) -> None:
        """The reader was killed."""
        standing, taken = self.saved
        self.lost += self.reader.lost
        self.reader = Reader("r", dict(standing))
        del self.taken[taken:]

    def pass_time(self, seconds: float) -> None:
        self.now = Now(self.now.monotonic + int(seconds * SECOND), self.now.utc + int(seconds * SECOND))
        for action in self.writer.wake(self.now):
            assert isinstance(action, News)
            self.hear(action.message)

    def settle(self) -> None:
        for _ in range(3):
            self.pass_time(2)


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


# ── configurations in force ─────────────────────────────────────────────────────────────────────────────────


def joined(bench: Bench, standing: tuple[int, int]) -> list[Numbered]:
    bench.reader = Reader("r", {"w": standing}, configurations=True)
    bench.taken.clear()
    bench.hear(bench.writer.announce().message)
    return bench.taken


def test_who_begins_in_mid_stream_gets_the_configurations_in_force_there_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    say = [makers.configuration(1, name="a"), makers.configuration(2, name="b"), tally(1),
           makers.configuration(1, name="c"), tally(2)]  # fmt: skip
    bench.writer.commit([bench.writer.say(word) for word in say], bench.now)
    words = joined(bench, (bench.writer.epoch, 3))
    assert [(word.name, word.again) for word in words[:2] if isinstance(word, Configuration)] == [
        ("a", True), ("b", True)]  # fmt: skip
    assert [word.number for word in words[2:]] == [3, 4]
    words = joined(bench, (bench.writer.epoch, 5))
    assert [word.name for word in words if isinstance(word, Configuration)] == ["c", "b"]


def test_live_words_wait_for_the_configurations(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.writer.commit([bench.writer.say(makers.configuration(1))], bench.now)
    reader = Reader("r", {"w": (bench.writer.epoch, 1)}, configurations=True)
    words, letters = reader.receive(bench.say(1)[0], bench.now)
    assert words == []
    (letter,) = letters
    assert isinstance(letter, Letter)
    taken = []
    for answer in bench.writer.receive(letter.message, bench.now):
        assert isinstance(answer, Letter)
        taken += reader.receive(answer.message, bench.now)[0]
    assert [type(word) for word in taken] == [Configuration, Tally]


def test_an_earlier_epoch_ended_with_what_this_one_began_with(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    old = bench.writer.epoch
    bench.writer.commit([bench.writer.say(makers.configuration(1, name="a"))], bench.now)
    bench.say(3)
    bench.now = at(2)
    bench.born()
    again = [makers.configuration(1, name="a"), makers.configuration(1, name="later")]
    bench.writer.commit([bench.writer.say(word) for word in again], bench.now)
    words = joined(bench, (old, 2))
    named = [(word.epoch, word.name) for word in words if isinstance(word, Configuration)]
    assert named == [(old, "a"), (bench.writer.epoch, "a"), (bench.writer.epoch, "later")]
    assert [word.number for word in words] == [0, 2, 3, 0, 1]


def test_an_epoch_that_was_taken_to_its_end_needs_no_configurations(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    old = bench.writer.epoch
    bench.writer.commit([bench.writer.say(makers.configuration(1))], bench.now)
    bench.now = at(2)
    bench.born()
    bench.say(2)
    assert [(word.epoch, word.number) for word in joined(bench, (old, 1))] == bench.said
    assert [(word.epoch, word.number) for word in joined(bench, (old - 1, 7))][-2:] == bench.said


def test_what_is_repeated_to_one_reader_is_a_plain_word_where_it_is_said_on() -> None:
    word = Writer("w", 5).say(replace(makers.configuration(1), again=True)).message
    assert (word.again, word.number) == (False, 0)


def test_where_words_are_gone_the_configurations_in_force_come_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, keep=2 * SEGMENT, memory=1)
    bench.writer.commit([bench.writer.say(makers.configuration(1))], bench.now)
    for _ in range(20):
        bench.say(10)
    bench.hear(bench.writer.announce().message)
    assert isinstance(bench.taken[0], Configuration)
    assert bench.taken[0].again
    assert bench.reader.lost == 201 - (len(bench.taken) - 1)


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_bounded_and_the_rest_asked_for_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory=1 << 30)
    big = makers.measurements([1] * 20000, makers.grid(0, 20000))
    count = 3 * FETCH_BYTES // sum(memoryview(part).nbytes for part in bench.writer.say(big).parts or [])
    for _ in range(count):
        bench.writer.say(big)
    answer = list(bench.writer.receive(Fetch("r", bench.writer.epoch, 0, FETCH_AT_MOST), bench.now))
    assert len(answer) < count
    last = answer[-1].message
    assert isinstance(last, Gone)
    assert last.first == last.last
    bench.hear(bench.writer.announce().message)
    assert len(bench.taken) == count + 1


def test_questions_that_piled_up_while_a_writer_stood_still_are_answered_once() -> None:
    writer = Writer("w", 1)
    writer.say(tally(1))
    asked = [Fetch("r", 1, 0, 1)] * 3600 + [Fetch("other", 1, 0, 1)]
    answers = [letter for each in asked for letter in writer.receive(each, at(3600))]
    assert [letter.to for letter in answers if isinstance(letter, Letter)] == ["r", "other"]
    assert len(list(writer.receive(asked[0], at(3601)))) == 1


def test_what_a_reader_holds_is_bounded_in_bytes() -> None:
    reader, writer = Reader("r"), Writer("w", 1, 1 << 40)
    reader.receive(Announce("w", 1, 0, 0), at(0))
    big = makers.measurements([1] * 50000, makers.grid(0, 50000))
    writer.say(big)
    size = big.values.nbytes
    for _ in range(3 * HOLD_BYTES // size):
        reader.receive(writer.say(big).message, at(0))
    held = reader._sources["w"].held
    assert 1 < len(held) < min(HOLD_AT_MOST, HOLD_BYTES // size + 2)
    assert reader.behind == 3 * HOLD_BYTES // size + 1
    taken = []
    waiting: list[Any] = reader.wake(at(2))
    while waiting:
        for answer in list(writer.receive(waiting.pop(0).message, at(2))):
            assert isinstance(answer, Letter)
            words, more = reader.receive(answer.message, at(2))
            taken += words
            waiting += more
    assert len(taken) == 3 * HOLD_BYTES // size + 1
    assert reader._bytes == 0


def test_a_place_that_cannot_be_read_is_given_up_at_last(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory=1)
    bench.say(10)
    assert bench.keeper is not None
    good = bench.keeper.fetch

    def bad(epoch: int, first: int, last: int) -> Any:
        for number, parts in good(epoch, first, last):
            if number == 4:
                raise OSError(5, "Input/output error")
            yield number, parts

    bench.keeper.fetch = bad  # type: ignore[method-assign]
    bench.hear(bench.writer.announce().message)
    assert [word.number for word in bench.taken] == [0, 1, 2, 3]
    for _ in range(6):
        bench.pass_time(1.1)
    assert [word.number for word in bench.taken] == [0, 1, 2, 3, 9]
    assert bench.reader.lost == 5


def test_nothing_is_called_gone_while_the_disk_hangs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory=1)
    bench.say(10)
    assert bench.keeper is not None
    bench.keeper.hangs, good = True, bench.keeper.fetch
    bench.keeper.fetch = lambda *_: iter(())  # type: ignore[method-assign, assignment]
    bench.hear(bench.writer.announce().message)
    assert bench.taken == []
    bench.keeper.hangs, bench.keeper.fetch = False, good  # type: ignore[method-assign]
    bench.pass_time(1.1)
    assert (len(bench.taken), bench.reader.lost) == (10, 0)


# ── standing ────────────────────────────────────────────────────────────────────────────────────────────────


def test_durable_is_said_when_it_changed_and_again_after_a_while() -> None:
    reader, writer = Reader("r"), Writer("w", 5)
    reader.receive(Announce("w", 5, 0, 0), at(0))
    reader.receive(writer.say(tally(1)).message, at(0))
    assert list(reader.durable(at(0))) == [Letter("w", Durable("r", 5, 1))]
    assert list(reader.durable(at(1))) == []
    again = at(TELL_AGAIN_AFTER / SECOND)
    assert list(reader.durable(again)) == [Letter("w", Durable("r", 5, 1))]
    assert list(reader.durable(again, {"w": (5, 1), "never heard": (1, 1)})) == []


def test_what_is_safe_never_goes_back() -> None:
    writer = Writer("w", 5, needed=["r"])
    for epoch, number in [(4, 9), (5, 3), (4, 20), (5, 1)]:
        list(writer.receive(Durable("r", epoch, number), at(0)))
    assert writer.safe == (5, 3)


def test_a_writer_without_journal_whose_clock_was_set_back_is_believed_after_a_while() -> None:
    reader, writer = Reader("r", {"w": (9, 4)}), Writer("w", 7)
    word = writer.say(tally(1)).message
    reader.receive(writer.announce().message, at(0.5))
    assert reader.receive(word, at(0.5))[0] == []
    reader.receive(replace(tally(1), node="w", epoch=9, number=3), at(1))  # it was on its way
    reader.receive(writer.announce().message, at(4))
    assert reader.receive(word, at(4))[0] == [word]


# ── over a real keeper ──────────────────────────────────────────────────────────────────────────────────────


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
