"""Values against limits: deadband, delays, gaps; the same whatever the pieces, and as a loop over samples says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.limits import NEVER, Bounds, Change, State, Watch
from tests import thorough

STEP = 100
NAN = float("nan")


def bounds(points: int = 1, at: tuple[float, ...] = (-20, -10, 10, 20), deadband: float = 2, delay: int = 0,
           hold: int = 0, stale: int = 1000) -> Bounds:  # fmt: skip
    ones = np.ones(points, np.int64)
    return Bounds(np.tile(at, (points, 1)).astype(float), np.full(points, float(deadband)), delay * ones, hold * ones,
                  stale * ones)  # fmt: skip


def pushed(watch: Watch, values: list[float], first: int = 0) -> list[tuple[int, int]]:
    """(place of the sample, level) of each change."""
    time = STEP * np.arange(first, first + len(values))
    return [(each.time // STEP, each.level) for each in watch.push(time, np.array(values, float)[:, None])]


def test_a_limit_is_crossed_at_it_and_left_by_more_than_the_deadband():
    watch = Watch(bounds())
    assert pushed(watch, [9.9, 10, 8, 7.9, -10, -8.1, -7.9]) == [(1, 1), (3, 0), (4, -1), (6, 0)]


def test_the_further_limit_has_a_deadband_of_its_own():
    watch = Watch(bounds())
    assert pushed(watch, [25, 18, 17.9, 8, 7, -30, 30]) == [(0, 2), (2, 1), (4, 0), (5, -2), (6, 2)]


def test_what_lasts_less_than_the_delay_is_nothing():
    watch = Watch(bounds(delay=200, hold=300))
    assert pushed(watch, [12, 12, 0, 12, 12, 12]) == [(5, 1)]
    assert pushed(watch, [0, 0, 0, 9, 0, 0, 0, 0], 6) == [(13, 0)]


def test_gaps_neither_raise_nor_clear():
    watch = Watch(bounds(delay=200, hold=200, stale=1000))
    assert pushed(watch, [12, NAN, NAN, NAN, 12]) == [(4, 1)], "a short gap between two such values"
    assert pushed(watch, [0, NAN, NAN, 0], 5) == [(8, 0)]
    assert pushed(watch, [12, *[NAN] * 20], 9) == []
    assert pushed(watch, [12, 12, 12], 30) == [(32, 1)], "after a long gap the delay begins anew"


def test_what_is_beyond_a_limit_goes_stale_and_is_fresh_again():
    watch = Watch(bounds(stale=300))
    time = STEP * np.arange(8)
    values = np.array([12, NAN, NAN, NAN, NAN, NAN, 12, 0])[:, None]
    told = [(each.time // STEP, each.level, each.stale) for each in watch.push(time, values)]
    assert told == [(0, 1, False), (4, 1, True), (6, 1, False), (7, 0, False)]


def test_where_no_data_come_at_all_age_tells_it():
    watch = Watch(bounds(stale=300))
    pushed(watch, [12])
    assert watch.age(300) == []
    assert watch.age(301) == [Change(301, 0, 1, 12.0, True)]
    assert watch.age(900) == []


def test_limits_that_are_not_there_are_never_crossed():
    watch = Watch(bounds(at=(NAN, NAN, 10, NAN)))
    assert pushed(watch, [-1e9, 1e9, 0]) == [(1, 1), (2, 0)]


def test_a_state_goes_on_and_of_limits_that_are_gone_nothing_is_left():
    watch, other = Watch(bounds(delay=200)), Watch(bounds(delay=200))
    pushed(watch, [12, 12])
    assert watch.busy.tolist() == [0]
    other.resume(0, watch.state(0))
    assert pushed(other, [12], 2) == [(2, 1)]
    narrower = Watch(bounds(at=(NAN, NAN, NAN, 20)))
    narrower.resume(0, State([False, False, True, False], [NEVER] * 4, 0, False, 12.0))
    assert narrower.level.tolist() == [0]


def plain(bound: Bounds, values: np.ndarray, point: int) -> list[tuple[int, int, int, bool]]:
    """(time, point, level, stale) of each change, by what the module says, sample by sample."""
    sign = (-1, -1, 1, 1)
    on, since, seen, was, told = [False] * 4, [NEVER] * 4, NEVER, (0, False), []
    for place, value in enumerate(values[:, point].tolist()):
        time = STEP * place
        gap = seen != NEVER and time - seen > bound.stale[point]
        there = value == value
        for k in range(4):
            if not there:
                continue
            since[k] = NEVER if gap else since[k]
            at = sign[k] * bound.at[point, k]
            against = sign[k] * value < at - bound.deadband[point] if on[k] else sign[k] * value >= at
            since[k] = (time if since[k] == NEVER else since[k]) if against else NEVER
            if against and time - since[k] >= (bound.hold[point] if on[k] else bound.delay[point]):
                on[k], since[k] = not on[k], NEVER
        seen = time if there else seen
        level = 2 if on[3] else 1 if on[2] else -2 if on[0] else -1 if on[1] else 0
        is_ = level, not there and gap and level != 0
        if is_ != was:
            told.append((time, point, *is_))
        was = is_
    return told


VALUES = st.lists(
    st.lists(st.sampled_from([-25.0, -19.0, -11.0, -9.0, 0.0, 7.0, 9.0, 10.0, 18.5, 21, NAN]), min_size=2, max_size=2),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=thorough.of(60, 200), deadline=None)
@given(VALUES, st.lists(st.integers(1, 39), max_size=6), *[st.integers(0, 5)] * 3)
def test_the_pieces_do_not_matter_and_each_sample_counts(
    values: list[list[float]], cuts: list[int], delay: int, hold: int, stale: int
):
    table = np.array(values)
    time = STEP * np.arange(len(table))
    bound = bounds(2, delay=STEP * delay, hold=STEP * hold, stale=STEP * stale)
    watch = Watch(bound)
    told: list[Change] = []
    for piece in np.split(np.arange(len(table)), sorted({cut for cut in cuts if cut < len(table)})):
        again = Watch(bound)  # what is kept of a state is all of it
        for point in range(2):
            again.resume(point, watch.state(point))
        watch = again
        told += watch.push(time[piece], table[piece])
    wanted = sorted(each for point in range(2) for each in plain(bound, table, point))
    assert [(each.time, each.point, each.level, each.stale) for each in told] == wanted
