"""Rows of other rates at the instants of a stream, against direct computations on whole signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.decimation import reach, taps
from nodes._convert import Conversion, Converter
from nodes._outrates import ACROSS, AS_IT_IS, FILTER, RESELECT, UP, fits_grid, ratio_of, way_of
from nodes._outstream import Choice, Format, Stream
from nodes._slots import Slots
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Snapshots, Table
from tests.outputs import START, configuration, number, snapshots

BOTH = ("filter", "interpolate")
DEVICES = np.array([number(n) for n in (1, 2, 5)], np.uint32)
LATER = Now(0, START + 3600 * SECOND)
"""Nothing is of the future then."""


def signals(rate: int, count: int) -> Snapshots:
    """Slots of a table of two phasors that turn, one analog that moves fast, digital words and STAT that count."""
    table = Table(rate, 2, 1, 1)
    at = clock.slot_time(np.arange(count) + clock.slot_of(START, rate), rate)
    t = (at - START)[:, None] / SECOND + np.arange(3) / 7
    turns = np.stack([0.9 * t, -0.4 * t + 0.05 * np.sin(t)], axis=2)
    values = np.zeros((count, 3, table.channels), np.float32)
    values[:, :, 0] = 50 + 0.1 * np.sin(2 * np.pi * 0.3 * t)
    values[:, :, 1] = 0.2 * np.cos(2 * np.pi * 0.3 * t)
    values[:, :, 2:6:2] = 1000 + 20 * np.sin(2 * np.pi * 0.5 * turns)
    values[:, :, 3:6:2] = (360 * turns + 180) % 360 - 180
    values[:, :, 6] = np.sin(2 * np.pi * 0.31 * rate * t)
    each = np.arange(count)[:, None] % 8 + np.zeros((1, 3), np.int64)
    return snapshots(
        DEVICES.tolist(),
        list(range(count)),
        table,
        values=values,
        status=each.astype(np.uint16),
        quality=(each % 4).astype(np.uint8),
        digital=each.astype(np.uint16)[:, :, None],
    )


def cut(word: Snapshots, first: int, last: int, **more: Any) -> Snapshots:
    per_slot = ("slot", "present", "quality", "status", "values", "digital", "latency")
    parts = {name: getattr(word, name)[first:last] for name in per_slot}
    return Snapshots(**{**vars(word), **parts, **more})


def joined(words: list[Snapshots | None]) -> dict[str, Any]:
    told = [word for word in words if word is not None]
    return {name: np.concatenate([getattr(word, name) for word in told])
            for name in ("slot", "present", "quality", "status", "values", "digital")}  # fmt: skip


def converter(rate: int, told: int, table: Table | None = None) -> Converter:
    table = table or Table(rate, 2, 1, 1)
    return Converter(table, told, way_of(rate, told, BOTH) == FILTER, DEVICES, np.arange(table.channels))


def complex_of(values: Any) -> Any:
    return values[..., 0].astype(float) * np.exp(1j * np.radians(values[..., 1].astype(float)))


def test_who_is_too_fast_for_a_filter_is_named() -> None:
    words = {number(n): configuration(number(n), Table(rate, 1, 0, 0)) for n, rate in ((1, 50), (2, 200), (3, 1))}
    layout = Stream(1, 2, 1_000_000, Choice(["*"], ["*"], 1), Format(), convert=BOTH).layout(words)
    assert layout is not None
    assert layout.unfiltered == ["link 2"]
    assert [part.way for part in layout.parts] == [AS_IT_IS, FILTER, RESELECT]


@pytest.mark.parametrize(("rate", "told", "ratio"), [(50, 25, 2), (50, 10, 5), (100, 50, 2), (50, 1, 50)])
def test_a_filtered_stream_is_the_convolution_at_its_instants(rate: int, told: int, ratio: int) -> None:
    word, half = signals(rate, 40 * ratio), reach(ratio)
    out = joined([converter(rate, told).take(word, LATER)])
    rows = out["slot"] * ratio - clock.slot_of(START, rate)
    assert rows.tolist() == [n for n in range(0, 40 * ratio, ratio) if half <= n < 40 * ratio - half]
    for device in range(3):
        for first in (2, 4):
            direct = np.convolve(complex_of(word.values[:, device, first : first + 2]), taps(ratio), "valid")
            np.testing.assert_allclose(
                complex_of(out["values"][:, device, first : first + 2]), direct[rows - half], rtol=1e-5, atol=1e-3
            )
        for channel in (0, 1, 6):
            direct = np.convolve(word.values[:, device, channel].astype(float), taps(ratio), "valid")
            np.testing.assert_allclose(out["values"][:, device, channel], direct[rows - half], atol=4e-6)
    assert out["present"].all()
    np.testing.assert_array_equal(out["status"], word.status[rows] | 0x0200)
    np.testing.assert_array_equal(out["digital"], word.digital[rows])
    np.testing.assert_array_equal(out["quality"], word.quality[rows])


def test_what_would_fold_is_gone_and_what_is_slow_stays() -> None:
    """The analog swings at 15.5 Hz, above the 12.5 Hz of the stream; the others are slow."""
    word = signals(50, 200)
    out = joined([converter(50, 25).take(word, LATER)])
    rows = out["slot"] * 2 - clock.slot_of(START, 50)
    assert np.abs(word.values[:, :, 6]).max() > 0.99
    assert np.abs(out["values"][:, :, 6]).max() < 1e-3
    np.testing.assert_allclose(out["values"][:, :, 2:6:2], word.values[rows][:, :, 2:6:2], rtol=1e-3)
    turned = (out["values"][:, :, 3:6:2] - word.values[rows][:, :, 3:6:2] + 180) % 360 - 180
    assert np.abs(turned).max() < 0.05


def test_an_instant_is_told_when_the_second_half_of_its_window_has_come() -> None:
    word, half, made = signals(50, 100), reach(2), converter(50, 25)
    for n in range(100):
        out = made.take(cut(word, n, n + 1), LATER)
        middle = n - half
        assert (out is not None) == (middle >= half and middle % 2 == 0)
        if out is not None:
            time = clock.slot_time(out.slot, 25)
            assert time.tolist() == [START + middle * 20 * MILLISECOND]


@pytest.mark.parametrize(("rate", "told"), [(1, 50), (25, 50), (50, 100), (60, 50), (-2, 1)])
def test_an_interpolated_stream_goes_straight_between_rows(rate: int, told: int) -> None:
    count = 4 if rate == 1 else 40
    word = signals(rate, count)
    out = joined([converter(rate, told).take(word, LATER)])
    time, rows = clock.slot_time(out["slot"], told), clock.slot_time(word.slot, rate)
    assert np.diff(out["slot"]).tolist() == [1] * (len(time) - 1)
    assert (rows[0], time[-1] <= rows[-1]) == (time[0], True)
    left = rows.searchsorted(time, side="right") - 1
    exact = rows[left] == time
    flags = np.where(exact, 0, 0x0200)[:, None]
    np.testing.assert_array_equal(out["status"], word.status[left] | flags)
    np.testing.assert_array_equal(out["digital"], word.digital[left])
    np.testing.assert_array_equal(out["values"][exact], word.values[left[exact]])
    for device in range(3):
        for channel in (0, 1, 2, 4, 6):
            direct = np.interp(time - START, rows - START, word.values[:, device, channel])
            np.testing.assert_allclose(out["values"][:, device, channel], direct, rtol=1e-5, atol=1e-6)
        for channel in (3, 5):
            degrees = np.unwrap(word.values[:, device, channel].astype(float), period=360)
            direct = (np.interp(time - START, rows - START, degrees) + 180) % 360 - 180
            apart = (out["values"][:, device, channel] - direct + 180) % 360 - 180
            np.testing.assert_allclose(apart, 0, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=8),
    st.sampled_from([(50, 25), (50, 10), (25, 50), (60, 50)]),
    st.floats(0, 0.2),
)
def test_however_the_slots_are_cut_the_same_is_told(sizes: list[int], rates: tuple[int, int], gone: float) -> None:
    rate, told = rates
    word = signals(rate, 240)
    there = (np.random.default_rng(3).random(word.present.shape) >= gone).astype(np.uint8)
    word = Snapshots(**{**vars(word), "present": there})
    whole = joined([converter(rate, told).take(word, LATER)])
    made, ends = converter(rate, told), np.cumsum([*sizes, 240])
    pieces = joined([made.take(cut(word, max(0, end - size), end), LATER)
                     for end, size in zip(ends.tolist(), [*sizes, 240], strict=True) if end - size < 240])  # fmt: skip
    for name, values in whole.items():
        np.testing.assert_array_equal(pieces[name][: len(values)], values)


def test_few_rows_that_are_missing_are_bridged_and_many_are_not() -> None:
    """50 to 10/s: the weight of one row in the middle is an eighth of all."""
    word, half = signals(50, 200), reach(5)
    there = word.present.copy()
    there[100, 0] = 0
    there[98:103, 1] = 0
    status = word.status.copy()
    status[100, 2] = 0x8000
    out = joined([converter(50, 10).take(Snapshots(**{**vars(word), "present": there, "status": status}), LATER)])
    whole = joined([converter(50, 10).take(word, LATER)])
    at = int(np.flatnonzero(out["slot"] * 5 == clock.slot_of(START, 50) + 100)[0])
    assert out["present"][at].tolist() == [1, 0, 1]
    assert out["present"][at + 2 * half // 5 + 1 :].all()
    np.testing.assert_allclose(out["values"][at, [0, 2], 2:6:2], whole["values"][at, [0, 2], 2:6:2], rtol=1e-3)
    assert out["status"][at, [0, 2]].tolist() == [word.status[99, 0] | 0x0200] * 2, "as the last good row"


def test_between_rows_both_must_be_there() -> None:
    word = signals(25, 10)
    there = word.present.copy()
    there[5, 1] = 0
    out = joined([converter(25, 50).take(Snapshots(**{**vars(word), "present": there}), LATER)])
    first = int(clock.slot_of(START, 50))
    assert [n for n in range(len(out["slot"])) if not out["present"][n, 1]] == [9, 10, 11]
    assert out["slot"][[9, 11]].tolist() == [first + 9, first + 11]
    assert out["present"][:, [0, 2]].all()


def test_slots_that_the_concentrator_left_out_are_missing_rows() -> None:
    word, made = signals(50, 200), converter(50, 10)
    out = joined([made.take(cut(word, 0, 99), LATER), made.take(cut(word, 102, 200), LATER)])
    whole = joined([converter(50, 10).take(word, LATER)])
    np.testing.assert_array_equal(out["slot"], whole["slot"])
    middle = out["slot"] * 5 - clock.slot_of(START, 50)
    np.testing.assert_array_equal(out["present"].all(axis=1), middle != 100)


def test_after_a_long_silence_it_begins_anew() -> None:
    word, made, half = signals(50, 2000), converter(50, 25), reach(2)
    before = joined([made.take(cut(word, 0, 100), LATER)])
    after = joined([made.take(cut(word, 1000, 1100), LATER)])
    first = int(clock.slot_of(START, 50))
    assert before["slot"][-1] * 2 - first == 98 - half
    assert after["slot"][0] * 2 - first == 1000 + half
    assert made.take(cut(word, 50, 60), LATER) is None
    assert made.counts["late"] == 30


def test_rows_that_come_late_fill_instants_that_wait() -> None:
    word, made = signals(50, 200), converter(50, 10)
    there = word.present.copy()
    there[95:106, 0] = 0
    holes = Snapshots(**{**vars(word), "present": there})
    told = made.take(cut(holes, 0, 106), LATER)
    assert made.take(cut(word, 95, 106, late=True), LATER) is None
    out, whole = made.take(cut(holes, 106, 200), LATER), joined([converter(50, 10).take(word, LATER)])
    assert told is not None
    assert out is not None
    for name in ("present", "slot", "values"):
        np.testing.assert_array_equal(getattr(out, name), whole[name][told.slot.size :])


def test_who_joins_or_leaves_does_not_disturb_the_others() -> None:
    word, made = signals(50, 200), converter(50, 25)
    first = made.take(cut(word, 0, 100), LATER)
    made.select(np.array([number(2), number(3)], np.uint32), np.array([0, 1, 4, 5]))
    second = made.take(cut(word, 100, 200), LATER)
    whole = joined([converter(50, 25).take(word, LATER)])
    assert first is not None
    assert second is not None
    rows = np.searchsorted(whole["slot"], second.slot)
    assert second.slot[0] == first.slot[-1] + 1
    np.testing.assert_array_equal(second.values[:, 0][:, [0, 1, 4, 5]], whole["values"][rows, 1][:, [0, 1, 4, 5]])
    assert np.isnan(second.values[:, 0, [2, 3, 6]]).all()
    assert not second.present[:, 1].any()


def test_what_means_something_else_is_not_mixed_with_what_was() -> None:
    word, made, half = signals(50, 200), converter(50, 25), reach(2)
    made.take(cut(word, 0, 100), LATER)
    made.forget(number(2))
    out = made.take(cut(word, 100, 200), LATER)
    assert out is not None
    middle = out.slot * 2 - clock.slot_of(START, 50)
    assert not out.present[middle < 100, 1].any()
    assert out.present[middle >= 100 + half, 1].all()
    assert out.present[:, [0, 2]].all()


def test_rows_of_the_future_hold_up_nobody() -> None:
    word, made, now = signals(50, 2000), converter(25, 50, Table(50, 2, 1, 1)), Now(0, START + SECOND)
    assert made.take(cut(word, 1990, 2000), now) is None
    assert made.counts["ahead"] == 30
    made = converter(50, 25)
    assert made.take(cut(word, 1800, 2000), LATER) is not None, "this machine's clock is ahead"
    out = made.take(cut(word, 0, 100), now)
    assert out is not None
    assert out.slot[0] * 2 - clock.slot_of(START, 50) == reach(2)


@pytest.mark.parametrize(("rate", "told", "convert", "way"), [
    (50, 50, BOTH, AS_IT_IS),
    (50, 25, (), RESELECT),
    (50, 25, ("interpolate",), RESELECT),
    (50, 25, BOTH, FILTER),
    (50, -2, BOTH, FILTER),
    (50, -5, BOTH, RESELECT),
    (-1, -10, BOTH, FILTER),
    (60, 50, ("filter",), RESELECT),
    (60, 50, BOTH, ACROSS),
    (25, 50, ("filter",), AS_IT_IS),
    (25, 50, BOTH, UP),
    (-5, 50, BOTH, UP),
])  # fmt: skip
def test_ways(rate: int, told: int, convert: tuple[str, ...], way: Any) -> None:
    assert way_of(rate, told, convert) == way


@pytest.mark.parametrize(("rate", "told", "ratio"), [(50, 10, 5), (50, 20, 0), (50, -2, 100), (-2, -10, 5), (-2, 1, 0)])
def test_of_a_whole_multiple_each_instant_has_a_row(rate: int, told: int, ratio: int) -> None:
    assert ratio_of(rate, told) == ratio
    assert fits_grid(rate, told) == fits_grid(told, rate) == (rate != 50 or told != 20)
    slots = clock.slot_time(np.arange(300), rate)
    instants = clock.slot_time(np.arange(3), told)
    assert bool(np.isin(instants, slots).all()) == bool(ratio)


def test_a_stream_of_three_rates_has_an_instant_with_all_of_them() -> None:
    """100/s is filtered, 25/s interpolated, 50/s goes as it is, and waits for the others."""
    tables = {1: Table(50, 2, 1, 1), 2: Table(100, 2, 1, 1), 5: Table(25, 2, 1, 1)}
    words = {number(n): configuration(number(n), table) for n, table in tables.items()}
    layout = Stream(1, 2, 1_000_000, Choice(["*"], ["*"], 50), Format(), convert=BOTH).layout(words)
    assert layout is not None
    assert {station.name: station.phasors[0].modified for station in layout.cfg.stations} == {
        "PMU 1": 0,
        "PMU 2": 1 << 4,
        "PMU 5": 1 << 1,
    }
    assert layout.off_grid == []
    conversion = Conversion()
    conversion.follow(layout.parts)
    assert conversion.delay == reach(2) * 10 * MILLISECOND
    made = Slots(layout.parts, 50, 2, 60 * MILLISECOND + conversion.delay, START, START)
    streams = {n: signals(table.rate, 4 * table.rate) for n, table in tables.items()}
    told, ready = [], None
    for step in range(100):  # of 40 ms
        now = Now(step * 40 * MILLISECOND, START + step * 40 * MILLISECOND)
        for n, table in tables.items():
            each = table.rate // 25
            of_one = cut(streams[n], step * each, (step + 1) * each, node="align")
            present = (of_one.device == number(n)).astype(np.uint8) + np.zeros((each, 1), np.uint8)
            word = conversion.take(Snapshots(**{**vars(of_one), "present": present}), now)
            if word is not None:
                made.add(word, now)
        ready = made.take(now)
        told += [] if ready is None else [ready]
    times = np.concatenate([each.time for each in told])
    assert set(np.diff(times).tolist()) == {20 * MILLISECOND}
    status = [np.concatenate([each.rows[part].status[:, 0] for each in told]) for part in range(3)]
    later = times >= START + reach(2) * 10 * MILLISECOND
    assert all((each[later] & 0x8000 == 0).all() for each in status)
    assert made.counts["late"] == 0
