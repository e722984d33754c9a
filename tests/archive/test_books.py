"""received = archived + aside + duplicate + corrupt + refused + lost + pending, at any moment."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archive.books import COLUMNS, EPOCHS, OWN, Books
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
