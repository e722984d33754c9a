"""The stream's tests: against those of windows and a direct count; the same however a stream is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.observations import Observations
from algorithms.quality import Fault, assess
from algorithms.quality.stream import SETTLE, Bad, Inspector, Rows
from tests.algorithms.quality.conftest import measured

Grid = Callable[..., Observations]
Change = Callable[[np.ndarray], np.ndarray]
RATE = 50
BEGIN = 1_700_000_000 * RATE
DEVICE = 3
FIRST, STOP = 1510, 1780
SETTLED = int((SETTLE + 2) * RATE)
GRID = measured(seconds=60.0)


def rows_of(seen: Observations, begin: int = BEGIN) -> Rows:
    frequency, magnitude, angle = (
        x.T.astype(np.float32) for x in (seen.frequency, seen.magnitude, np.degrees(seen.angle))
    )
    numbers = np.arange(seen.devices, dtype=np.uint32) * 65536 + 7
    slot = begin + np.arange(seen.samples)
    return Rows(slot, numbers, np.full(seen.devices, seen.nominal), frequency, magnitude, angle)


def cut(rows: Rows, start: int, stop: int) -> Rows:
    some = slice(start, stop)
    return replace(
        rows, slot=rows.slot[some], **{k: getattr(rows, k)[some] for k in ("frequency", "magnitude", "angle")}
    )


def fed(rows: Rows, cuts: Sequence[int] = ()) -> list[Bad]:
    """What is found in a stream that is cut so, and followed by some seconds of its last samples."""
    inspector, found = Inspector(RATE), []
    edges = [0, *sorted(cuts), rows.slot.size]
    for start, stop in pairwise(edges):
        found += inspector.push(cut(rows, start, stop))
    return found


def changed(seen: Observations, first: int = FIRST, stop: int = STOP, **changes: Change) -> Observations:
    found = {}
    for name, change in changes.items():
        found[name] = getattr(seen, name).copy()
        found[name][DEVICE, first:stop] = change(found[name][DEVICE, first:stop])
    return replace(seen, **found)


def nothing(x: np.ndarray) -> np.ndarray:
    return np.full_like(x, np.nan)


def here_and_there(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(x.size) % 20 == 0, np.nan, x)


ALL = ("frequency", "magnitude", "angle")
BAD: dict[Fault, dict[str, Change]] = {
    Fault.GAP: dict.fromkeys(ALL, nothing),
    Fault.PACKET_LOSS: dict.fromkeys(ALL, here_and_there),
    Fault.ZERO_FILL: dict.fromkeys(ALL, np.zeros_like),
    Fault.FROZEN: dict.fromkeys(ALL, lambda x: np.full_like(x, x[0])),
    Fault.SPIKES: {"frequency": lambda x: x + 0.05 * (np.arange(x.size) % 60 == 0)},
}


@pytest.mark.parametrize("fault", [None, 32.0], ids=["quiet", "fault"])
def test_good_data_are_not_flagged(grid: Grid, fault: float | None):
    assert fed(rows_of(grid(seconds=60.0, fault=fault))) == []


@pytest.mark.parametrize("fault", [None, 33.0], ids=["quiet", "fault"])
@pytest.mark.parametrize("kind", list(BAD))
def test_it_says_what_a_window_says(grid: Grid, kind: Fault, fault: float | None):
    seen = changed(grid(seconds=60.0, fault=fault), **BAD[kind])
    found = fed(rows_of(seen))
    assert {(each.device, each.kind) for each in found} == {(DEVICE * 65536 + 7, kind)}
    [flag] = assess(seen).flags
    assert flag.kind is kind
    span = min(each.start for each in found) - BEGIN, max(each.stop for each in found) - BEGIN
    assert span == (flag.start, flag.stop)
    if "samples" in flag.detail and kind is not Fault.SPIKES:
        assert sum(each.samples for each in found) == flag.detail["samples"]
    assert all(each.score >= 1.0 for each in found)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2999), max_size=40), st.sampled_from(list(BAD)), st.integers(1100, 2000))
def test_it_says_the_same_however_the_stream_is_cut(cuts: list[int], kind: Fault, first: int):
    rows = rows_of(changed(GRID, first, first + 200, **BAD[kind]))
    assert fed(rows, cuts) == fed(rows)
    assert {each.kind for each in fed(rows)} == {kind}


@given(st.sets(st.integers(60, 400), max_size=60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_is_missing_is_counted_as_by_hand(missing: set[int], gap: bool):
    gone = np.isin(np.arange(900), [*missing, *(range(200, 226) if gap else ())])
    values = np.random.default_rng(1).normal(50.0, 0.001, (900, 1)).astype(np.float32)
    values[gone] = np.nan
    rows = Rows(BEGIN + np.arange(900), np.array([9], np.uint32), np.array([50.0]), values, values * 2, values)
    runs = np.split(np.flatnonzero(gone), np.flatnonzero(np.diff(np.flatnonzero(gone)) > 1) + 1)
    wanted = {Fault.GAP: 0, Fault.PACKET_LOSS: 0}
    for run in runs:
        wanted[Fault.GAP if run.size > 25 else Fault.PACKET_LOSS] += run.size
    counted = dict.fromkeys(wanted, 0)
    for each in fed(rows):
        counted[each.kind] += each.samples
    assert counted == wanted


def test_rows_that_come_late_are_not_missing(grid: Grid):
    rows = rows_of(grid(seconds=60.0))
    inspector, found = Inspector(RATE), []
    torn = replace(rows, frequency=rows.frequency.copy())
    torn.frequency[1000:1050, DEVICE] = np.nan
    found += inspector.push(cut(torn, 0, 1100))
    only = replace(rows, frequency=np.where(np.arange(rows.device.size) == DEVICE, rows.frequency, np.nan))
    found += inspector.push(cut(only, 1000, 1050))
    found += inspector.push(cut(torn, 1100, 3000))
    assert found == []


def test_who_is_kept_away_for_another_reason_is_not_missing(grid: Grid):
    seen = changed(grid(seconds=60.0), **BAD[Fault.GAP])
    rows, inspector, found = rows_of(seen), Inspector(RATE), []
    number = np.array([DEVICE * 65536 + 7], np.uint32)
    for start in range(0, 3000, 10):
        found += inspector.push(cut(rows, start, start + 10))
        if FIRST + 150 <= start <= STOP:  # a clock takes some seconds to be known as wrong
            inspector.excuse(number)
    assert found == []


def test_a_device_is_not_missing_before_it_came_nor_after_it_left(grid: Grid):
    seen = changed(grid(seconds=60.0), 0, 1000, **BAD[Fault.GAP])
    seen = changed(seen, 2000, 3000, **BAD[Fault.GAP])
    rows, inspector, found = rows_of(seen), Inspector(RATE), []
    found += inspector.push(cut(rows, 0, 2000))
    inspector.dismiss(DEVICE * 65536 + 7)
    found += inspector.push(cut(rows, 2000, 3000))
    assert found == []


def test_after_a_long_pause_of_all_it_begins_anew(grid: Grid):
    rows = rows_of(grid(seconds=60.0))
    later = replace(rows, slot=rows.slot + 3600 * RATE)
    inspector = Inspector(RATE)
    assert list(inspector.push(rows)) == []
    found = list(inspector.push(later))
    assert {each.kind for each in found} == {Fault.GAP}
    for device in rows.device.tolist():
        mine = [each for each in found if each.device == device]
        assert min(each.start for each in mine) == BEGIN + 3000
        assert max(each.stop for each in mine) == BEGIN + 3600 * RATE
    earlier = replace(rows, slot=rows.slot - 7200 * RATE)
    assert list(inspector.push(earlier)) == []
    assert list(
        inspector.push(cut(rows_of(changed(grid(seconds=60.0), **BAD[Fault.FROZEN]), BEGIN - 7000 * RATE), 0, 3000))
    )


def test_others_tell_that_nothing_comes(grid: Grid):
    rows, inspector = rows_of(grid(seconds=60.0)), Inspector(RATE)
    assert list(inspector.push(cut(rows, 0, 1000))) == []
    found = list(inspector.advance(BEGIN + 1000 + SETTLED + RATE))
    assert {each.device for each in found} == set(rows.device.tolist())
    assert {(each.kind, each.start) for each in found} >= {(Fault.GAP, BEGIN + 1000)}


def test_a_device_without_phasors_is_frozen_by_nothing_and_has_spikes(grid: Grid):
    seen = grid(seconds=60.0)
    none = np.full_like(seen.angle, np.nan)
    seen = replace(seen, magnitude=none, angle=none)
    assert fed(rows_of(changed(seen, frequency=lambda x: np.full_like(x, x[0])))) == []
    found = fed(rows_of(changed(seen, **BAD[Fault.SPIKES])))
    assert {(each.device, each.kind) for each in found} == {(DEVICE * 65536 + 7, Fault.SPIKES)}


def test_noise_is_no_spikes(grid: Grid):
    draw = np.random.default_rng(5)
    for size in (0.01, 0.05):
        seen = changed(grid(seconds=60.0), frequency=lambda x, size=size: x + size * draw.standard_normal(x.size))
        assert fed(rows_of(seen)) == []


def test_what_many_show_at_a_time_is_the_grid(grid: Grid):
    seen = grid(seconds=60.0)
    frequency = seen.frequency.copy()
    frequency[:, 1600] += 0.05
    assert fed(rows_of(replace(seen, frequency=frequency))) == []
