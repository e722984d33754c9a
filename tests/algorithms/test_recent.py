from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.recent import LEAST, NEVER, Recent


def values(slot: np.ndarray, devices: list[int]) -> np.ndarray:
    """[k, m, 2]"""
    told = slot[:, None] + np.array(devices) / 10
    return np.stack([told, -told], axis=2).astype(np.float32)


def push(to: Recent, first: int, stop: int, devices: list[int], now: int = 0) -> None:
    slot = np.arange(first, stop)
    to.push(slot, np.array(devices, np.uint32), values(slot, devices), now)


def test_a_span_is_cut_as_it_was_told():
    to = Recent(100, 2, 1 << 20)
    for first in range(0, 300, 10):
        push(to, first, first + 10, [5, 7])
    np.testing.assert_array_equal(
        to.cut(210, 250, [7, 5]), np.moveaxis(values(np.arange(210, 250), [7, 5]), 0, -1).astype(np.float32)
    )
    assert np.isnan(to.cut(150, 160, [5])).all()
    assert np.isnan(to.cut(300, 310, [5])).all()
    assert (to.top, to.oldest, to.heard.tolist()) == (299, 200, [299, 299])


def test_what_was_missing_is_filled_in_and_what_stands_stays():
    to = Recent(100, 2, 1 << 20)
    push(to, 0, 10, [1])
    slot = np.arange(5, 15)
    to.add(slot, np.array([1, 2], np.uint32), np.full((10, 2, 2), 9, np.float32))
    assert to.top == 9
    assert to.cut(0, 10, [1, 2])[:, 0].tolist()[0] == [*(np.arange(10) + np.float32(0.1)).astype(np.float32).tolist()]
    assert np.isnan(to.cut(0, 5, [2])).all()
    assert (to.cut(5, 10, [2]) == 9).all()
    assert 2 in to
    assert to.heard_at(2) == 9


def test_devices_that_come_later_cost_no_samples_of_the_others():
    to = Recent(100, 2, 1 << 20)
    push(to, 0, 50, [1])
    push(to, 50, 60, list(range(1, 40)))
    assert np.isfinite(to.cut(0, 60, [1])).all()
    assert np.isnan(to.cut(0, 50, [30])).all()
    assert to.size == 100


def test_memory_is_bounded_by_fewer_slots_the_newest():
    to = Recent(1000, 2, 8 * 100 * 10)
    push(to, 0, 60, [1])
    for first in range(60, 600, 60):
        push(to, first, first + 60, [1])
    push(to, 600, 610, list(range(10)))
    assert to.size == 8 * 100 * 10 // (8 * 11)
    assert to.wanted == 1000
    assert np.isfinite(to.cut(610 - to.size, 610, [1])).all()


def test_when_the_oldest_slot_came():
    to = Recent(LEAST, 2, 1 << 20)
    assert to.since(0) == NEVER
    for first in range(0, 100, 10):
        push(to, first, first + 10, [1], now=first)
    assert to.since(50) == 50
    assert to.since(0) == (100 - LEAST) // 10 * 10
    to.clear()
    assert to.since(0) == NEVER
    push(to, 0, 10, [1])
    assert np.isfinite(to.cut(0, 10, [1])).all()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_any_pieces_hold_the_same(sizes: list[int]):
    pieces, whole = Recent(80, 2, 1 << 20), Recent(80, 2, 1 << 20)
    at = 0
    for size in sizes:
        push(pieces, at, at + size, [3, 4])
        at += size
    for slot in range(at):
        push(whole, slot, slot + 1, [3, 4])
    np.testing.assert_array_equal(pieces.cut(at - 80, at, [4, 3]), whole.cut(at - 80, at, [4, 3]))
