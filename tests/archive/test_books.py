"""received = archived + aside + duplicate + corrupt + refused + lost + pending, at any moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archive.books import COLUMNS, EPOCHS, OWN, SAID, Books
from protocol.messages import Tally

counts = st.integers(0, 1000)
devices = st.lists(st.integers(0, 5), min_size=1, max_size=6)
entries = st.one_of(
    st.tuples(st.just("rows"), st.integers(0, 6), devices, st.sampled_from(OWN)),
    st.tuples(st.just("tally"), st.integers(0, 6), st.integers(0, 5), st.tuples(counts, counts, counts, counts)),
    st.tuples(st.just("gap"), st.integers(0, 6)),
)


def enter(books: Books, entry: tuple[Any, ...]) -> None:
    kind, epoch, *rest = entry
    if kind == "rows":
        came = np.array(rest[0], np.uint32)
        books.came("r", epoch, came)
        books.count(rest[1], came)
    elif kind == "tally":
        device, (received, *others) = rest
        said = [np.array([value], np.int64) for value in (received + sum(others), *others)]
        books.tally("r", epoch, Tally(np.array([device], np.uint32), *said))
    else:
        books.stream("r", epoch).gaps = True
    books.sum_up()


@given(st.lists(entries, max_size=30))
def test_the_law_holds(story: list[tuple[Any, ...]]) -> None:
    books = Books()
    for entry in story:
        enter(books, entry)
        standing = books.standing()
        assert standing.shape == (len(books.devices), len(COLUMNS))
        received, *others = standing.T
        np.testing.assert_array_equal(received, sum(others))
        assert (standing >= 0).all()
    assert len(books.streams) <= EPOCHS


@given(st.lists(entries, max_size=20))
def test_they_survive_the_watermark(story: list[tuple[Any, ...]]) -> None:
    books = Books()
    for entry in story:
        enter(books, entry)
    again = Books.from_json(json.loads(json.dumps(books.to_json())))
    np.testing.assert_array_equal(again.standing(), books.standing())
    assert again.to_json() == books.to_json()


def test_a_copy_changes_nothing() -> None:
    books = Books()
    enter(books, ("rows", 0, [1, 1, 2], "archived"))
    before = books.to_json()
    enter(books.copy(), ("rows", 0, [1, 3], "aside"))
    assert books.to_json() == before
    assert books.totals()["archived"] == 3


@dataclass
class Life:
    """One epoch of a receiver: the words it wrote, and what was true when it was killed."""

    words: list[tuple[str, Any]] = field(default_factory=list)
    counts: Any = field(default_factory=lambda: np.zeros((2, len(SAID)), np.int64))
    """[device, SAID]"""

    def do(self, what: str, device: int, rows: int) -> None:
        if what == "tally":
            self.words.append(("tally", self.counts.copy()))
            return
        self.counts[device, 0] += rows
        if what in OWN:
            self.words.append(("rows", (what, device, rows)))
        else:
            self.counts[device, SAID.index(what)] += rows


deeds = st.tuples(st.sampled_from([*OWN, "corrupt", "refused", "lost", "tally"]), st.integers(0, 1), st.integers(1, 5))
lives = st.lists(st.lists(deeds, max_size=12), min_size=1, max_size=EPOCHS + 3)


def said_by(counts: Any, epoch: int, of: int = 0) -> Tally:
    return Tally(np.array([0, 1], np.uint32), *counts.T, of=of, epoch=epoch)


def hear(books: Books, epoch: int, word: tuple[str, Any]) -> None:
    """A word into the books, as the archive's writer does."""
    books.stream("r", epoch)
    kind, content = word
    if kind == "rows":
        what, device, rows = content
        books.came("r", epoch, np.full(rows, device, np.uint32))
        books.count(what, np.full(rows, device, np.uint32))
    elif kind == "tally":
        books.tally("r", epoch, said_by(content, epoch))
    elif kind == "last":
        books.close("r", epoch - 1, said_by(content, epoch, epoch - 1))
    else:
        books.stream("r", epoch).gaps = True


@given(lives, st.randoms(use_true_random=False))
def test_books_are_exact_over_kills_and_gaps(story: list[list[tuple[str, int, int]]], random: Any) -> None:
    """A receiver is killed again and again; some of its words can no longer be fetched; the archive is killed too."""
    books, truth, swallowed = Books(), np.zeros((2, len(SAID)), np.int64), np.zeros(2, np.int64)
    words: list[tuple[int, tuple[str, Any]]] = []
    for epoch, told in enumerate(story, 1):
        life = Life()
        for deed in told:
            life.do(*deed)
        truth += life.counts
        for word in life.words:
            if random.random() < 0.2:
                words.append((epoch, ("gap", None)))
                if word[0] == "rows":
                    _, device, rows = word[1]
                    swallowed[device] += rows
            else:
                words.append((epoch, word))
        words.append((epoch + 1, ("last", life.counts)))
    books.stream("r", 0)  # the archive was there before
    at = 0
    while at < len(words):
        step = random.randint(1, 10)
        changed = books.copy()
        for epoch, word in words[at : at + step]:
            hear(changed, epoch, word)
            if word[0] == "last" and random.random() < 0.3:
                hear(changed, epoch, word)  # the receiver was killed just after it had said it
        changed.sum_up()
        if random.random() < 0.8:  # else killed before its commit
            books, at = Books.from_json(json.loads(json.dumps(changed.to_json()))), at + step
        received, *others = books.standing().T
        np.testing.assert_array_equal(received, sum(others))
        assert (books.standing() >= 0).all()
    order = [books.devices.index(device) for device in (0, 1)]
    shown = dict(zip(COLUMNS, books.standing()[order].T, strict=True))
    np.testing.assert_array_equal(shown["received"], truth[:, 0])
    np.testing.assert_array_equal(shown["corrupt"], truth[:, 1])
    np.testing.assert_array_equal(shown["refused"], truth[:, 2])
    np.testing.assert_array_equal(shown["lost"], truth[:, 3] + swallowed)
    np.testing.assert_array_equal(shown["pending"], 0)


def test_what_was_before_an_archive_is_no_loss_of_its() -> None:
    books = Books()
    counts = np.array([[9, 1, 0, 0], [5, 0, 0, 0]])
    hear(books, 7, ("last", counts))
    assert books.totals()["received"] == 0
    hear(books, 9, ("rows", ("archived", 0, 3)))
    hear(books, 9, ("last", counts))  # 8 came and went, while the archive was away
    assert (books.totals()["received"], books.totals()["lost"]) == (17, 13)


def test_rows_of_a_live_epoch_are_pending_not_lost() -> None:
    books = Books()
    for epoch in range(1, EPOCHS + 3):
        hear(books, epoch, ("tally", np.array([[4, 0, 0, 0], [0, 0, 0, 0]])))
        books.sum_up()
    assert (books.totals()["lost"], books.totals()["pending"]) == (4 * (EPOCHS + 1), 4)
