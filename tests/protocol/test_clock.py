"""The laws of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import clock

RATES = st.sampled_from([1, 10, 25, 30, 50, 60, 100, 120, 7, -1, -5, -60])
SLOTS = st.integers(0, 120 * 2**32)


def until_2106(slot: int, rate: int) -> int:
    """A slot that SOC can say."""
    return slot % (2**32 * rate) if rate > 0 else slot % (2**32 // -rate)


@given(RATES, SLOTS)
def test_a_slot_is_the_slot_of_its_time(rate, slot):
    slot = until_2106(slot, rate)
    assert clock.slot_of(clock.slot_time(slot, rate), rate) == slot


@given(RATES, st.lists(SLOTS, min_size=1, max_size=5))
def test_arrays_and_ints_agree(rate, slots):
    slots = [until_2106(slot, rate) for slot in slots]
    times = np.array([clock.slot_time(slot, rate) for slot in slots])
    np.testing.assert_array_equal(clock.slot_time(np.array(slots), rate), times)
    np.testing.assert_array_equal(clock.slot_of(times, rate), [clock.slot_of(int(time), rate) for time in times])


@given(st.sampled_from([1_000_000, 0xFFFFFF, 720_000]), st.sampled_from([10, 25, 30, 50, 60, 100, 120]), SLOTS)
def test_a_grid_instant_written_in_counts_is_snapped_back_exactly(time_base, rate, slot):
    slot = until_2106(slot, rate)
    exact = clock.slot_time(slot, rate)
    for cut in (0, 1):  # devices round or truncate the count
        soc, count = clock.to_soc(exact, time_base)
        stamp = np.array([clock.from_soc(soc, max(0, count - cut), time_base)])
        time, moved = clock.snap(stamp, rate, time_base)
        assert time[0] == exact
        assert stamp[0] + moved[0] == exact


def test_sixty_frames_a_second_in_whole_microseconds():
    stamps = np.array([clock.from_soc(0, count, 1_000_000) for count in (0, 16666, 33333, 50000, 66667)])
    time, _ = clock.snap(stamps, 60, 1_000_000)
    np.testing.assert_array_equal(time, [0, 16_666_667, 33_333_333, 50_000_000, 66_666_667])


def test_an_off_grid_stamp_is_left_alone():
    stamps = np.array([3_000_000, 10_000_000, 20_000_001])
    time, moved = clock.snap(stamps, 50, 1_000_000)
    np.testing.assert_array_equal(time, [3_000_000, 10_000_000, 20_000_000])
    np.testing.assert_array_equal(moved, [0, 0, -1])


def test_a_coarse_time_base_never_moves_a_stamp_more_than_a_quarter_period():
    time, moved = clock.snap(np.array([9_000_000]), 50, 1)
    assert (time[0], moved[0]) == (9_000_000, 0)


def test_a_count_beyond_the_second_carries():
    assert clock.from_soc(10, 1_500_000, 1_000_000) == 11_500_000_000
    assert clock.to_soc(clock.SECOND - 1, 50) == (1, 0)


@pytest.mark.parametrize(("rate", "ns"), [(50, 20_000_000), (60, 16_666_666), (-5, 5_000_000_000)])
def test_periods(rate, ns):
    assert clock.period(rate) == ns
