"""Numbered streams: whatever the network does, a reader hands on every word once and in order, or counts it lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes._node import Letter, News
from nodes._stream import (
    ANNOUNCE_EVERY,
    FETCH_AGAIN_AFTER,
    FETCH_AT_MOST,
    HOLD_AT_MOST,
    Reader,
    Writer,
    size_of,
)
from protocol.clock import Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Tally

T0 = Now(0, 0)


def later(seconds: float) -> Now:
    return Now(int(seconds * 1e9), int(seconds * 1e9))


def tally(value: int) -> Tally:
    counts = [np.full(1, value, np.int64) for _ in range(4)]
    return Tally(np.ones(1, np.uint32), *counts)


def configuration(device: int) -> Configuration:
    return Configuration(device, 1, "a", 1, 1, "A", "c37118", (50, 0, 0, 0), 1000000, 50, 0, [], [], [], [], [], [], [])


def converse(writer: Writer, reader: Reader, letters: list, now: Now, taken: list | None = None) -> list:
    """Carry letters both ways until nobody has anything to say; returns the words taken."""
    taken = [] if taken is None else taken
    while letters:
        letter = letters.pop(0)
        if isinstance(letter.message, Fetch):
            letters += writer.receive(letter.message, now)
        else:
            words, answers = reader.receive(letter.message, now)
            taken += words
            letters += answers
    return taken


@given(st.lists(st.sampled_from(["heard", "dropped", "twice"]), max_size=40), st.randoms(use_true_random=False))
def test_every_word_once_and_in_order(fates, random):
    writer, reader = Writer("w", epoch=7), Reader("r")
    heard, taken = [], []
    for value, fate in enumerate(fates):
        word = writer.say(tally(value)).message
        heard += {"heard": [word], "dropped": [], "twice": [word, word]}[fate]
    random.shuffle(heard)
    for word in [*heard, writer.announce().message]:
        words, letters = reader.receive(word, T0)
        taken += words
        converse(writer, reader, letters, T0, taken)
    assert [word.number for word in taken] == list(range(len(fates)))
    assert [int(word.received[0]) for word in taken] == list(range(len(fates)))
    assert (reader.lost, reader.behind) == (0, 0)


def test_late_joiner_gets_all_in_chunks_that_fit_an_inbox():
    writer, reader, taken = Writer("w", 1), Reader("r"), []
    for value in range(3 * FETCH_AT_MOST + 5):
        writer.say(tally(value))
    _, letters = reader.receive(writer.announce().message, T0)
    assert letters == [Letter("w", Fetch("r", 1, 0, FETCH_AT_MOST))]
    converse(writer, reader, letters, T0, taken)
    assert [word.number for word in taken] == list(range(3 * FETCH_AT_MOST + 5))


def test_what_the_writer_forgot_is_counted_lost_but_configurations_in_force_still_come():
    small = size_of(Writer("w", 1).say(tally(0)).parts)
    writer, reader, taken = Writer("w", 1, keep=3 * small), Reader("r"), []
    writer.say(configuration(5))
    for value in range(10):
        writer.say(tally(value))
    _, letters = reader.receive(writer.announce().message, T0)
    converse(writer, reader, letters, T0, taken)
    assert isinstance(taken[0], Configuration)
    assert taken[0].device == 5
    assert [word.number for word in taken[1:]] == [8, 9, 10]
    assert reader.lost == 8  # words that were never sent again in their place, the configuration's among them


def test_an_unanswered_fetch_is_asked_again_and_not_before():
    writer, reader = Writer("w", 1), Reader("r")
    writer.say(tally(0))
    _, first = reader.receive(writer.announce().message, T0)
    assert len(first) == 1
    assert reader.receive(writer.announce().message, later(0.1))[1] == []
    assert reader.wake_at() == FETCH_AGAIN_AFTER
    assert reader.wake(Now(FETCH_AGAIN_AFTER, 0)) == first


def test_a_writer_reborn_starts_over_and_words_of_its_former_life_are_ignored():
    old, new, reader = Writer("w", 1), Writer("w", 2), Reader("r")
    former = old.say(tally(1)).message
    fresh = new.say(tally(2)).message
    assert converse(old, reader, [Letter("r", former)], T0) == [former]
    assert converse(new, reader, [Letter("r", fresh)], T0) == [fresh]
    assert reader.receive(old.say(tally(3)).message, T0)[0] == []


def test_what_was_on_disk_before_a_restart_is_not_taken_twice():
    writer = Writer("w", 9)
    words = [writer.say(tally(value)).message for value in range(4)]
    reader = Reader("r", standing={"w": (9, 2)})
    taken = [word for message in words for word in reader.receive(message, T0)[0]]
    assert [word.number for word in taken] == [2, 3]
    assert reader.standing() == {"w": (9, 4)}


@settings(max_examples=20)
@given(st.integers(0, 10), st.integers(0, 10))
def test_a_writer_answers_only_for_its_own_epoch_and_range(first, last):
    writer = Writer("w", 3)
    for value in range(5):
        writer.say(tally(value))
    assert list(writer.receive(Fetch("r", 2, first, last), T0)) == [Letter("r", Announce("w", 3, 5, 0))]
    answers = [letter.message.number for letter in writer.receive(Fetch("r", 3, first, last), T0)]
    assert answers == list(range(first, min(last, 5)))


def test_durable_is_noted_and_announcements_keep_their_pace():
    writer = Writer("w", 3)
    assert list(writer.receive(Durable("archive", 3, 17), T0)) == []
    assert writer.durable == {"archive": (3, 17)}
    assert list(writer.wake(T0)) == [News(Announce("w", 3, 0, 0))]
    assert list(writer.wake(Now(ANNOUNCE_EVERY - 1, 0))) == []
    assert writer.wake_at() == ANNOUNCE_EVERY


def test_gone_for_words_already_taken_changes_nothing():
    writer, reader = Writer("w", 1), Reader("r")
    for value in range(3):
        converse(writer, reader, [Letter("r", writer.say(tally(value)).message)], T0)
    reader.receive(Gone("w", 1, 0, 2), T0)
    assert (reader.lost, reader.standing()) == (0, {"w": (1, 3)})


def test_a_gap_is_filled_also_when_no_more_words_are_held_beyond_it():
    writer, reader, taken = Writer("w", 1), Reader("r"), []
    reader.receive(writer.announce().message, T0)
    words = [writer.say(tally(value)).message for value in range(HOLD_AT_MOST + 300)]
    for word in words[1:]:  # the fetch for the first one is lost, and live words go on
        taken += reader.receive(word, T0)[0]
    assert (taken, reader.behind) == ([], HOLD_AT_MOST + 300)
    converse(writer, reader, reader.wake(later(2)), later(2), taken)
    _, letters = reader.receive(writer.announce().message, later(3))
    converse(writer, reader, letters, later(3), taken)
    assert [word.number for word in taken] == list(range(len(words)))


def test_words_beyond_a_gap_are_not_lost_with_an_epoch_that_ended():
    old, new, reader = Writer("w", 1), Writer("w", 2), Reader("r")
    reader.receive(old.announce().message, T0)
    words = [old.say(tally(value)).message for value in range(4)]
    taken = reader.receive(words[0], T0)[0] + reader.receive(words[2], T0)[0] + reader.receive(words[3], T0)[0]
    assert [word.number for word in taken] == [0]
    taken = converse(new, reader, [Letter("r", new.say(tally(9)).message)], T0)
    assert [(word.epoch, word.number) for word in taken] == [(1, 2), (1, 3), (2, 0)]
    assert reader.lost == 1
