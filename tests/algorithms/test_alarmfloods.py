"""Floods of alarms against counting them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.alarmfloods import SPAN, Flood, floods


def one_by_one(time: list[int], begin: int, end: int) -> list[Flood]:
    """As the standard says it: walk along, with what came in the ten minutes before."""
    found: list[Flood] = []
    going: list[int] = []
    for at, now in enumerate(time):
        window = [k for k in range(at + 1) if time[k] > now - SPAN]
        if going and len(window) < end:
            found.append(Flood(going[0], at, going[1]))
            going = []
        if not going and len(window) >= begin:
            going = [max(window[0], found[-1].stop if found else 0), len(window)]
        elif going:
            going[1] = max(going[1], len(window))
    return [*found, Flood(going[0], len(time), going[1])] if going else found


@given(st.lists(st.integers(0, 6000), max_size=80), st.integers(2, 12), st.integers(1, 8))
def test_a_flood_begins_and_ends(seconds: list[int], begin: int, end: int) -> None:
    end = min(end, begin)
    time = np.array(sorted(seconds), np.int64) * 10**9
    # equal times count as one instant: the last of them has all
    time += np.arange(len(time))
    assert floods(time, begin, end) == one_by_one(time.tolist(), begin, end)


def test_ten_in_ten_minutes_are_one() -> None:
    time = np.arange(12, dtype=np.int64) * 60 * 10**9
    assert floods(time) == [Flood(0, 12, 10)]
    assert floods(time[::2]) == []
    assert floods(np.zeros(0, np.int64)) == []
