from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.plausibility import SECOND, Plausible, use_kernels

STEP = SECOND // 50
Y2008 = 1_203_000_000 * SECOND


@pytest.fixture(autouse=True, scope="module", params=["numpy", "compiled"])
def both(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test is for the compiled loops, too."""
    use_kernels(request.param == "compiled")
    yield
    use_kernels(False)


def i8(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def run(start: int, count: int) -> np.ndarray:
    return start + STEP * np.arange(count, dtype=np.int64)


def judge(watch: Plausible, time: np.ndarray, arrival: np.ndarray | None = None) -> list[int]:
    return watch.judge(time, run(0, time.size) if arrival is None else arrival).tolist()


def test_a_stream_of_2008_passes():
    assert judge(Plausible(), run(Y2008, 500)) == [0] * 500


@pytest.mark.parametrize("stale", [Y2008 - 60 * 86400 * SECOND, Y2008 + 3600 * SECOND, 0])
def test_a_stale_frame_is_implausible_and_changes_nothing(stale: int):
    time = run(Y2008, 100)
    time[40] = stale
    assert np.flatnonzero(judge(Plausible(), time)).tolist() == [40]


def test_stale_frames_among_live_ones_never_add_up():
    time = run(Y2008, 200)
    time[::2] -= 86400 * SECOND
    time = np.concatenate([run(Y2008 - STEP, 1), time])
    verdict = judge(Plausible(confirm=3), time)
    assert verdict == [0] + [1, 0] * 100


def test_a_repeated_stale_frame_never_moves_the_stream():
    time = np.concatenate([run(Y2008, 5), np.full(50, Y2008 - 86400 * SECOND)])
    assert judge(Plausible(confirm=3), time) == [0] * 5 + [1] * 50


@pytest.mark.parametrize("jump", [-7200 * SECOND, 7200 * SECOND])
def test_a_clock_that_was_set_moves_the_stream_after_confirm_rows(jump: int):
    time = np.concatenate([run(Y2008, 20), run(Y2008 + jump, 20)])
    assert np.flatnonzero(judge(Plausible(confirm=10), time)).tolist() == list(range(20, 29))


def test_silence_makes_room_forward_but_not_back():
    watch = Plausible()
    assert judge(watch, i8(Y2008), i8(0)) == [0]
    assert judge(watch, i8(Y2008 + 3600 * SECOND), i8(3600 * SECOND)) == [0]
    assert judge(watch, i8(Y2008), i8(7200 * SECOND)) == [1]


def test_frames_that_come_twice_neither_count_nor_stop_the_count():
    hours_later = Y2008 + 7200 * SECOND + STEP * np.arange(10)
    assert judge(Plausible(), np.concatenate([i8(Y2008), np.repeat(hours_later, 2)])) == [0] + [1] * 18 + [0, 0]
    assert judge(Plausible(), i8(Y2008, *[0] * 30, Y2008 + STEP)) == [0] + [1] * 30 + [0]


def test_small_steps_back_are_plausible():
    assert judge(Plausible(), i8(Y2008, Y2008 - 59 * SECOND, Y2008)) == [0, 0, 0]


def test_streams_do_not_see_each_other():
    watch = Plausible()
    stream = np.array([1, 7, 1, 7], dtype=np.uint32)
    time = i8(Y2008, 0, Y2008 + STEP, STEP)
    assert watch.judge(time, i8(0, 0, 1, 1), stream).tolist() == [0, 0, 0, 0]
    assert watch.judge(i8(STEP, Y2008), i8(2, 2), i8(1, 7)).tolist() == [1, 1]


def test_a_forgotten_stream_begins_anew():
    watch = Plausible()
    judge(watch, i8(Y2008))
    watch.forget(0)
    watch.forget(99)
    assert judge(watch, i8(0)) == [0]


def test_nothing_is_judged_of_nothing():
    assert judge(Plausible(), i8()) == []


@pytest.mark.parametrize(("limit", "confirm"), [(0, 10), (SECOND, 1)])
def test_senseless_settings_are_refused(limit: int, confirm: int):
    with pytest.raises(ValueError, match="want a limit"):
        Plausible(limit, confirm)


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 5, 3600]), st.integers(0, 3)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_batches_change_nothing(rows: list[tuple[int, int, int]], cuts: list[int]):
    stream = np.array([row[0] for row in rows], dtype=np.int64)
    time = SECOND * np.array([i // 4 + row[1] for i, row in enumerate(rows)], dtype=np.int64)
    arrival = SECOND * np.cumsum(np.array([row[2] for row in rows], dtype=np.int64))
    whole = Plausible(confirm=3).judge(time, arrival, stream)
    online = Plausible(confirm=3)
    pieces = np.split(np.arange(len(rows)), sorted(min(cut, len(rows)) for cut in cuts))
    parts = [online.judge(time[piece], arrival[piece], stream[piece]) for piece in pieces]
    assert np.concatenate(parts).tolist() == whole.tolist()
