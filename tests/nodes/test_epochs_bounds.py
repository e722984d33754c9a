"""Streams over a journal: what is asked, answered and held at once is bounded; what readers say of how far they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nodes._node import Letter
from nodes._stream import FETCH_AT_MOST, FETCH_BYTES, HOLD_AT_MOST, HOLD_BYTES, TELL_AGAIN_AFTER, Reader, Writer
from protocol.clock import SECOND
from protocol.messages import Announce, Durable, Fetch, Gone
from tests import archives as makers
from tests.lives import Bench, at, tally


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
