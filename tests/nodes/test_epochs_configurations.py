"""Streams over a journal: who begins in the middle of one gets the configurations in force there first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nodes._node import Letter
from nodes._stream import Reader, Writer
from protocol.messages import Configuration, Numbered, Tally
from tests import archives as makers
from tests.lives import SEGMENT, Bench, at, tally


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
