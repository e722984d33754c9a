"""Slots of several tables, put together to the instants of one stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes._outstream import Choice, Format, Stream
from nodes._slots import Slots
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Table
from tests.outputs import NARROW, START, WIDE, configuration, number, snapshots, values_of

WAIT = 60 * MILLISECOND


def later(ms: float) -> Now:
    return Now(round(ms * MILLISECOND), START + round(ms * MILLISECOND))


def slots(tables: dict[int, Table], version: int = 2, channels: str = "*", rate: int | None = None) -> Slots:
    words = {number(n): configuration(number(n), table) for n, table in tables.items()}
    layout = Stream(1, version, 1_000_000, Choice(["*"], [channels], rate), Format()).layout(words)
    assert layout is not None
    return Slots(layout.parts, layout.cfg.rate, version, WAIT, START, START)


def test_one_table_goes_out_at_once_with_its_values() -> None:
    made = slots({1: WIDE, 2: WIDE})
    made.add(snapshots([number(1), number(2)], [0, 1]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert (ready.time - START).tolist() == [0, 20 * MILLISECOND]
    (rows,) = ready.rows
    np.testing.assert_array_equal(rows.values, values_of(WIDE, [number(1), number(2)], [0, 1]))
    assert rows.digital.tolist() == [[[5], [5]]] * 2
    assert len(made) == 0
    assert made.take(later(1)) is None


def test_an_instant_waits_for_the_other_tables() -> None:
    made = slots({1: WIDE, 2: NARROW})
    made.add(snapshots([number(1)], [0]), later(0))
    assert made.take(later(10)) is None
    assert made.wake_at() == later(0).monotonic + WAIT
    made.add(snapshots([number(2)], [0], NARROW), later(20))
    ready = made.take(later(20))
    assert ready is not None
    assert [rows.values.shape for rows in ready.rows] == [(1, 1, NARROW.channels), (1, 1, WIDE.channels)]
    assert not any(np.isnan(rows.values).any() for rows in ready.rows)


def test_who_does_not_come_in_time_is_absent_and_then_late() -> None:
    made = slots({1: WIDE, 2: NARROW})
    made.add(snapshots([number(1)], [0]), later(0))
    assert made.take(later(59)) is None
    ready = made.take(later(60))
    assert ready is not None
    narrow, wide = ready.rows
    assert narrow.status.tolist() == [[0x8000]]
    assert np.isnan(narrow.values).all()
    assert wide.status.tolist() == [[0]]
    made.add(snapshots([number(2)], [0], NARROW), later(61))
    assert made.counts["late"] == 1
    assert made.take(later(200)) is None


def test_instants_go_out_in_order() -> None:
    made = slots({1: WIDE, 2: NARROW})
    made.add(snapshots([number(1)], [0, 1, 2]), later(0))
    made.add(snapshots([number(2)], [1, 2], NARROW), later(10))
    ready = made.take(later(10))
    assert ready is not None, "the narrow one has gone past slot 0, and will not come back to it"
    assert (ready.time - START).tolist() == [0, 20 * MILLISECOND, 40 * MILLISECOND]
    assert ready.rows[0].status.tolist() == [[0x8000], [0], [0]]


def test_who_is_not_present_is_absent() -> None:
    made = slots({1: WIDE, 2: WIDE, 3: WIDE})
    there = np.array([[1, 0]], np.uint8)
    made.add(snapshots([number(3), number(1)], [0], present=there), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.rows[0].status.tolist() == [[0x8000, 0x8000, 0]]


def test_slower_devices_are_not_waited_for_in_between() -> None:
    slow = Table(10, 1, 0, 1)
    made = slots({1: WIDE, 2: slow})
    made.add(snapshots([number(1)], [0, 1, 2]), later(0))
    assert made.take(later(0)) is None
    made.add(snapshots([number(2)], [0], slow), later(1))
    ready = made.take(later(1))
    assert ready is not None
    assert (ready.time - START).tolist() == [0, 20 * MILLISECOND, 40 * MILLISECOND]
    assert ready.rows[0].status.tolist() == [[0], [0x8000], [0x8000]]


def test_of_faster_devices_frames_in_between_are_left_out() -> None:
    made = slots({1: WIDE}, rate=25)
    made.add(snapshots([number(1)], [0, 1, 2, 3]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert (ready.time - START).tolist() == [0, 40 * MILLISECOND]
    np.testing.assert_array_equal(ready.rows[0].values, values_of(WIDE, [number(1)], [0, 2]))
    assert made.counts["between"] == 2


def test_what_was_measured_before_the_stream_began_is_not_told_nor_counted() -> None:
    made = slots({1: WIDE})
    made.add(snapshots([number(1)], [-2, -1, 0]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.time.tolist() == [START]
    assert made.counts["late"] == 0
    assert made.counts["before"] == 2


def test_late_rows_and_slots_said_again_are_counted() -> None:
    made = slots({1: WIDE})
    made.add(snapshots([number(1)], [0]), later(0))
    assert made.take(later(0)) is not None
    made.add(snapshots([number(1)], [0]), later(1))
    made.add(snapshots([number(1)], [0], late=True), later(2))
    assert made.counts["late"] == 2
    assert made.take(later(200)) is None


def test_a_row_that_was_late_for_its_slot_is_told_if_its_instant_still_waits() -> None:
    made = slots({1: WIDE, 2: NARROW, 3: NARROW})
    made.add(snapshots([number(2)], [0], NARROW), later(0))
    made.add(snapshots([number(3)], [0], NARROW, late=True), later(10))
    made.add(snapshots([number(1)], [0]), later(20))
    ready = made.take(later(20))
    assert ready is not None
    assert ready.rows[0].status.tolist() == [[0, 0]]


@pytest.mark.parametrize("first", [0, 1])
def test_at_a_lower_rate_each_table_is_waited_for(first: int) -> None:
    """The slot before an instant does not count as that instant."""
    made = slots({1: WIDE, 2: NARROW}, rate=25)
    words = [(number(1), WIDE), (number(2), NARROW)]
    told = []
    for slot in range(10):
        for device, table in words[first:] + words[:first]:
            made.add(snapshots([device], [slot], table), later(20 * slot))
            ready = made.take(later(20 * slot))
            told += [] if ready is None else [ready]
    assert sum(each.time.size for each in told) == 5
    assert all(rows.status.tolist() == [[0]] * each.time.size for each in told for rows in each.rows)
    assert made.counts["late"] == 0


def test_each_concentrator_is_waited_for() -> None:
    made = slots({1: WIDE, 2: WIDE})
    for node, device in (("quick", 1), ("patient", 2)):  # now both are known
        made.add(snapshots([number(device)], [0], node=node), later(0))
    made.take(later(0))
    made.add(snapshots([number(1)], [1], node="quick"), later(20))
    assert made.take(later(20)) is None
    made.add(snapshots([number(2)], [1], node="patient"), later(40))
    ready = made.take(later(40))
    assert ready is not None
    assert ready.rows[0].status.tolist() == [[0, 0]]


def test_a_device_whose_rows_mean_something_else_is_absent() -> None:
    made = slots({1: WIDE, 2: WIDE})
    made.add(snapshots([number(1), number(2)], [0]), later(0))
    made.mute(number(2))
    made.add(snapshots([number(1), number(2)], [1]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.rows[0].status.tolist() == [[0, 0], [0, 0x8000]]


def test_a_clock_ahead_keeps_nobody_from_being_told() -> None:
    made = slots({1: WIDE})
    made.add(snapshots([number(1)], [180_000]), later(0))
    made.add(snapshots([number(1)], [0]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.time.tolist() == [START]
    assert made.counts["ahead"] == 1


def test_when_this_machine_was_set_back_what_is_measured_now_is_told() -> None:
    made = slots({1: WIDE})
    before = Now(0, START - 3600 * SECOND)
    made.add(snapshots([number(1)], [-180_000]), before)
    ready = made.take(before)
    assert ready is not None
    assert ready.time.tolist() == [START - 3600 * SECOND]


def test_what_is_overdue_takes_older_ones_along() -> None:
    made = slots({1: WIDE, 2: NARROW})
    made.add(snapshots([number(1)], [1]), later(0))
    made.add(snapshots([number(2)], [0], NARROW), later(50))
    ready = made.take(later(60))
    assert ready is not None
    assert (ready.time - START).tolist() == [0, 20 * MILLISECOND]
    assert made.wake_at() is None


@pytest.mark.parametrize(("version", "status", "quality", "told"), [
    (2, 0x0000, 0x00, 0x0000),
    (2, 0x0800, 0x05, 0x08C0),
    (2, 0x0040, 0x09, 0x0040),
    (2, 0x0000, 0x0F, 0x01C0),
    (1, 0x03C5, 0x05, 0x0005),
])  # fmt: skip
def test_each_device_keeps_its_time_quality_in_its_status(version: int, status: int, quality: int, told: int) -> None:
    made = slots({1: WIDE}, version)
    cells: dict[str, Any] = {"status": np.array([[status]], np.uint16), "quality": np.array([[quality]], np.uint8)}
    made.add(snapshots([number(1)], [0], **cells), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.rows[0].status.tolist() == [[told]]
    assert ready.quality.tolist() == [quality]


def test_the_frame_tells_the_worst_time_quality_and_leap_seconds() -> None:
    made = slots({1: WIDE, 2: WIDE, 3: WIDE})
    quality = np.array([[0x12, 0x04, 0x0F]], np.uint8)
    here = np.array([[1, 1, 0]], np.uint8)
    made.add(snapshots([number(1), number(2), number(3)], [0], quality=quality, present=here), later(0))
    ready = made.take(later(0))
    assert ready is not None
    assert ready.quality.tolist() == [0x14], "who is not there has no say"


def test_channels_that_are_not_chosen_are_not_told() -> None:
    made = slots({1: WIDE}, channels="V2")
    made.add(snapshots([number(1)], [0]), later(0))
    ready = made.take(later(0))
    assert ready is not None
    (rows,) = ready.rows
    np.testing.assert_array_equal(rows.values, values_of(WIDE, [number(1)], [0])[:, :, [0, 1, 6, 7]])
    assert rows.digital.shape == (1, 1, 0)


def test_no_more_instants_wait_than_there_is_room_for() -> None:
    made = slots({1: WIDE, 2: NARROW})
    made.add(snapshots([number(1)], list(range(5000))), later(100_000))
    ready = made.take(later(100_000))
    assert ready is not None
    assert ready.time.size == 5000 - 4096
    assert ready.time[0] == START
    assert made.end == START + 904 * SECOND // 50
