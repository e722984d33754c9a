from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from algorithms.alignment import SECOND, Aligner, Released
from algorithms.slotring import Rows
from tests import thorough

MS = 1_000_000
BASE = 86_000_000_000
"""A slot of our time."""


class Instant(NamedTuple):
    monotonic: int
    utc: int


def slot_time(slot):
    return slot * (SECOND // 50)


def rows(*cells: tuple[int, int], arrival: int = 0) -> Rows:
    """(device, slot) each; the values say which cell they belong to."""
    device = np.array([cell[0] for cell in cells], dtype=np.uint32)
    slot = np.array([cell[1] for cell in cells], dtype=np.int64)
    n = slot.size
    return Rows(
        device=device,
        slot=slot,
        arrival=np.full(n, arrival, dtype=np.int64),
        quality=(slot % 7).astype(np.uint8),
        status=(slot % 1000).astype(np.uint16),
        values=np.stack([device, slot % 1000], axis=1).astype(np.float32),
        digital=np.empty((n, 0), dtype=np.uint16),
    )


def at(ms: float, utc: int = 0) -> Instant:
    return Instant(int(ms * MS), utc)


def aligner(wait: int = 100 * MS, devices: tuple[int, ...] = (), **more) -> Aligner:
    made = Aligner(2, 0, slot_time, wait, **more)
    for device in devices:
        made.expect(device, 0)
    return made


def cells(released: list[Released]) -> dict[tuple[int, int], tuple[float, ...]]:
    """(device, slot) -> its values, for all that is present."""
    return {
        (int(part.device[j]), int(part.slot[i])): tuple(part.values[i, j].tolist())
        for part in released
        for i, j in np.argwhere(part.present)
    }


def slots(released: list[Released]) -> list[int]:
    return [int(slot) for part in released for slot in part.slot]


def test_a_complete_slot_is_released_at_once():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5)), at(0))
    assert a.release(at(0)) == []
    a.push(rows((2, 5), arrival=7), at(20))
    [part] = a.release(at(20))
    assert part.slot.tolist() == [5]
    assert part.device.tolist() == [1, 2]
    assert part.present.tolist() == [[1, 1]]
    assert part.values.tolist() == [[[1, 5], [2, 5]]]
    assert part.arrival.tolist() == [7]
    assert a.wake_at() is None


def test_relative_wait_runs_from_the_first_arrival():
    a = aligner(devices=(1, 2, 3))
    a.push(rows((1, 5)), at(10))
    a.push(rows((2, 5)), at(90))
    assert a.wake_at() == 110 * MS
    assert a.release(at(109.9)) == []
    [part] = a.release(at(110))
    assert part.present.tolist() == [[1, 1, 0]]
    assert np.isnan(part.values[0, 2]).all()
    assert a.counts["missing"].tolist() == [0, 0, 1]


def test_absolute_wait_runs_from_the_slots_own_time():
    a = aligner(wait=SECOND, absolute=200 * MS, devices=(1, 2))
    utc = slot_time(BASE)
    a.push(rows((1, BASE)), at(0, utc + 50 * MS))
    assert a.wake_at() == 150 * MS
    assert a.release(at(149, utc + 199 * MS)) == []
    assert slots(a.release(at(150, utc + 200 * MS))) == [BASE]


def test_a_slot_of_long_ago_has_its_relative_wait():
    a = aligner(absolute=200 * MS, devices=(1, 2))
    a.push(rows((1, 5)), at(0, slot_time(BASE)))
    assert a.wake_at() == 100 * MS


def test_a_row_that_came_early_starts_the_wait_later():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5)), at(0), start=np.array([70 * MS]))
    assert a.wake_at() == 170 * MS


def test_complete_slots_wait_for_older_open_ones():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5), (1, 6), (2, 6)), at(0))
    assert a.release(at(50)) == []
    a.push(rows((2, 5)), at(60))
    assert slots(a.release(at(60))) == [5, 6]


def test_older_slots_go_with_one_whose_wait_is_over():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 6)), at(0))
    a.push(rows((1, 5)), at(50))
    assert slots(a.release(at(100))) == [5, 6]


def test_late_and_duplicate_are_told_apart():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5), (1, 5)), at(0))
    a.push(rows((1, 5)), at(10))
    a.release(at(200))
    a.push(rows((2, 5)), at(201))
    a.push(rows((2, 5), (1, 5)), at(202))
    assert a.counts["duplicate"].tolist() == [3, 1]
    assert a.counts["late"].tolist() == [0, 1]
    assert a.counts["missing"].tolist() == [0, 1]
    assert a.counts["received"].tolist() == [4, 2]
    assert a.release(at(400)) == []


def test_the_first_of_two_rows_for_a_place_counts():
    a = aligner()
    twice = rows((1, 5), (1, 5))
    twice.values[1] = 99
    a.push(twice, at(0))
    assert cells(a.release(at(0))) == {(1, 5): (1.0, 5.0)}


def test_a_silent_device_is_not_waited_for():
    a = aligner(devices=(1, 2), silent=SECOND)
    a.push(rows((1, 5)), at(999))
    assert a.release(at(999)) == []
    a.push(rows((1, 60)), at(2001))
    released = a.release(at(2001))
    assert slots(released) == [5, 60]
    assert released[-1].device.tolist() == [1]


def test_an_excluded_or_dismissed_device_is_not_waited_for():
    a = aligner(devices=(1, 2, 3))
    a.exclude(2, True)
    a.dismiss(3)
    a.exclude(77, True)
    a.dismiss(77)
    a.push(rows((1, 5)), at(0))
    assert slots(a.release(at(0))) == [5]
    a.exclude(2, False)
    a.push(rows((1, 6)), at(0))
    assert a.release(at(0)) == []


def test_a_leap_releases_what_the_ring_can_no_longer_hold():
    a = aligner(devices=(1, 2), depth=8)
    a.push(rows((1, 5)), at(0))
    a.push(rows((1, 5000)), at(1))
    assert slots(a.release(at(1))) == [5]
    a.push(rows((2, 4991)), at(2))
    assert a.counts["late"].tolist() == [0, 1]


def test_a_batch_longer_than_the_ring_loses_nothing():
    a = aligner(depth=8)
    a.push(rows(*((1, slot) for slot in range(1000))), at(0))
    assert slots(a.release(at(0))) == list(range(1000))
    assert a.counts["late"].tolist() == [0]


def test_rewind_goes_on_and_releases_no_slot_twice():
    a = aligner(devices=(1,), depth=16)
    a.push(rows((1, 900), (1, 901)), at(0))
    assert slots(a.release(at(0))) == [900, 901]
    a.rewind(500)
    a.push(rows(*((1, slot) for slot in range(501, 1000))), at(1))
    released = slots(a.release(at(1)))
    assert released[0] == 501
    assert released[-1] == 999
    assert not {900, 901} & set(released)
    assert len(set(released)) == len(released)
    a.rewind(2000)
    assert a.frontier == 999


def test_flush_hands_on_all_that_is_held():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5), (1, 7)), at(0))
    assert slots(a.release(at(0), everything=True)) == [5, 7]
    assert a.waiting == 0


def test_no_rows_change_nothing():
    a = aligner(devices=(1,))
    a.push(rows(), at(0))
    assert a.release(at(0)) == []
    assert a.wake_at() is None


grid = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40)), min_size=1, max_size=120)
cuts = st.lists(st.integers(0, 120), max_size=10)


@settings(max_examples=thorough.of(100, 300))
@given(order=grid, cuts=cuts)
def test_online_is_offline_for_any_arrival_order_and_chunking(order: list[tuple[int, int]], cuts: list[int]):
    a = aligner(devices=(1, 2, 3, 4, 5), depth=64)  # 5 never sends: nothing is complete, nothing late
    everything = rows(*order)
    released = []
    for i, piece in enumerate(np.split(np.arange(len(order)), sorted(min(cut, len(order)) for cut in cuts))):
        a.push(everything.take(piece), at(i))
        released += a.release(at(i))
    released += a.release(at(0), everything=True)
    assert slots(released) == sorted({slot for _, slot in order})
    assert cells(released) == {(device, slot): (float(device), float(slot)) for device, slot in order}
    assert a.counts["duplicate"].sum() == len(order) - len(set(order))
    assert a.counts["late"].sum() == 0


@settings(max_examples=thorough.of(100, 300))
@given(order=grid, cuts=cuts, depth=st.sampled_from([4, 16]), wait=st.integers(0, 5))
@example(order=[(1, 15), (1, 0), (1, 16), (1, 16)], cuts=[], depth=4, wait=0)  # twice, behind one of the same place
def test_every_row_is_released_or_counted(order: list[tuple[int, int]], cuts: list[int], depth: int, wait: int):
    a = aligner(wait=wait * MS, depth=depth)
    everything = rows(*order)
    released = []
    for i, piece in enumerate(np.split(np.arange(len(order)), sorted(min(cut, len(order)) for cut in cuts))):
        a.push(everything.take(piece), at(i))
        released += a.release(at(i))
    released += a.release(at(99), everything=True)
    found = cells(released)
    assert slots(released) == sorted(set(slots(released)))
    assert all(value == (float(device), float(slot)) for (device, slot), value in found.items())
    assert len(order) == len(found) + a.counts["late"].sum() + a.counts["duplicate"].sum()
    assert a.counts["received"].sum() == len(order)


def test_rows_take_keeps_all_fields():
    some = rows((1, 5), (2, 6)).take(slice(1, 2))
    assert [getattr(some, field.name).shape[0] for field in fields(some)] == [1] * 7


@pytest.mark.parametrize("devices", [1, 3, 50])
def test_devices_may_come_in_any_order(devices: int):
    a = aligner(wait=0)
    for device in range(devices, 0, -1):
        a.push(rows((device, device)), at(0))
    assert set(cells(a.release(at(0), everything=True))) == {(device, device) for device in range(1, devices + 1)}


def test_the_span_of_open_slots():
    aligner = Aligner(1, 0, lambda slot: slot * 20_000_000, wait=100_000_000, depth=8)
    assert aligner.span is None
    aligner.expect(2, 0)
    for slot in (7, 5, 6):
        rows = Rows(
            np.array([1], np.uint32), np.array([slot]), np.array([1]), np.zeros(1, np.uint8), np.zeros(1, np.uint16),
            np.zeros((1, 1), np.float32), np.zeros((1, 0), np.uint16),
        )  # fmt: skip
        aligner.push(rows, Instant(0, 0))
    assert aligner.span == (5, 7)
    aligner.release(Instant(200_000_000, 0))
    assert aligner.span is None


def test_what_came_late_is_handed_on_apart():
    a = aligner(devices=(1, 2))
    a.push(rows((1, 5), (1, 6), (1, 7)), at(0))
    a.release(at(0), everything=True)
    assert a.take_late(0) is None
    a.push(rows((2, 5), (2, 7), (2, 8), arrival=9), at(10))
    a.push(rows((3, 6), arrival=11), at(11))
    late = a.take_late(6)
    assert late is not None
    assert cells([late]) == {(2, 7): (2.0, 7.0), (3, 6): (3.0, 6.0)}
    assert (late.slot.tolist(), late.arrival.tolist()) == ([6, 7], [11, 9])
    assert a.take_late(0) is None
    assert cells(a.release(at(10), everything=True)) == {(2, 8): (2.0, 8.0)}
    assert a.counts["late"].tolist() == [0, 2, 1]
