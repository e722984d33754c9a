from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.observations import SERIES, Observations
from algorithms.quality import Assessed, Fault, assess
from algorithms.quality.flags import SETTLE
from algorithms.quality.frequency import _offset
from algorithms.quality.physics import compare

Grid = Callable[..., Observations]
DEVICE = 3
FIRST, STOP = 1000, 2000


def changed(seen: Observations, **changes: Callable[[np.ndarray], np.ndarray]) -> Observations:
    """The samples [FIRST, STOP) of DEVICE changed."""
    found = {}
    for name, change in changes.items():
        found[name] = getattr(seen, name).copy()
        found[name][DEVICE, FIRST:STOP] = change(found[name][DEVICE, FIRST:STOP])
    return replace(seen, **found)


def nothing(x: np.ndarray) -> np.ndarray:
    return np.full_like(x, np.nan)


def noisy(size: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: x + size * np.random.default_rng(5).standard_normal(x.size)


def some_lost(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(x.size) % 20 == 0, np.nan, x)


BAD = {
    Fault.SPIKES: {"frequency": lambda x: x + 0.05 * (np.arange(x.size) % 400 == 0)},
    Fault.FROZEN: {name: lambda x: np.full_like(x, x[0]) for name in ("frequency", "magnitude", "angle")},
    Fault.GAP: dict.fromkeys(("frequency", "magnitude", "angle"), nothing),
    Fault.PACKET_LOSS: dict.fromkeys(("frequency", "magnitude", "angle"), some_lost),
    Fault.ZERO_FILL: dict.fromkeys(("frequency", "magnitude", "angle"), np.zeros_like),
    Fault.NOISE_BURST: {"frequency": noisy(0.01), "magnitude": noisy(0.002), "angle": noisy(0.001)},
    Fault.DRIFT: {"frequency": lambda x: x + np.linspace(0.0, 0.1, x.size)},
}


def only(found: Assessed) -> tuple[Fault, int, int]:
    """The one flag there is, which is DEVICE's."""
    assert [flag.device for flag in found.flags] == [DEVICE]
    flag = found.flags[0]
    assert flag.score > 1.0
    return flag.kind, flag.start, flag.stop


@pytest.mark.parametrize("fault", [None, 25.0])
def test_good_data_have_no_flag_and_stay_as_they_are(grid: Grid, fault: float | None):
    seen = grid(fault=fault)
    found = assess(seen)
    assert found.flags == []
    assert not found.bad.any()
    assert found.usable.all()
    for name in SERIES:
        np.testing.assert_array_equal(getattr(found.repaired, name), getattr(seen, name))


@pytest.mark.parametrize("fault", [None, 30.0], ids=["quiet", "fault"])
@pytest.mark.parametrize("kind", list(BAD))
def test_bad_data_of_one_device_are_named_with_their_span(grid: Grid, kind: Fault, fault: float | None):
    found, start, stop = only(assess(changed(grid(fault=fault), **BAD[kind])))
    assert found is kind
    near = {Fault.DRIFT: 60, Fault.SPIKES: 400, Fault.PACKET_LOSS: 20}.get(kind, 8)
    assert abs(start - FIRST) <= near
    assert abs(stop - STOP) <= near


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("kind", list(BAD))
def test_neighbours_are_not_needed_for_what_breaks_the_physics(grid: Grid, kind: Fault, devices: int):
    whole = changed(grid(), **BAD[kind])
    found = assess(whole.of(np.arange(DEVICE, DEVICE + devices)))
    assert [(flag.device, flag.kind) for flag in found.flags] == [(0, kind)]


@pytest.mark.parametrize(("name", "size"), [("frequency", 0.03), ("magnitude", -0.05), ("angle", 0.3)])
def test_a_step_of_one_quantity_is_taken_away(grid: Grid, name: str, size: float):
    seen = grid()
    found = assess(changed(seen, **{name: lambda x: x + size}))
    kind, start, stop = only(found)
    assert kind is Fault.STEP_OFFSET
    assert (abs(start - FIRST), abs(stop - STOP)) <= (1, 1)
    flag = found.flags[0]
    unit, factor = {"frequency": ("size_mhz", 1e3), "magnitude": ("size_pu", 1.0), "angle": ("size_rad", 1.0)}[name]
    assert flag.detail["channel"] == name
    assert flag.detail[unit] == pytest.approx(factor * size, rel=0.1)
    inside = slice(FIRST + 5, STOP - 5)
    good = {"frequency": 3e-3, "magnitude": 5e-3, "angle": 2e-3}[name]
    off = getattr(found.repaired, name)[DEVICE, inside] - getattr(seen, name)[DEVICE, inside]
    assert np.abs((off + np.pi) % (2 * np.pi) - np.pi).max() < good


@pytest.mark.parametrize(("begin", "kind"), [(0.3, Fault.DRIFT), (0.6, Fault.DRIFT), (1.0, Fault.STEP_OFFSET)])
@pytest.mark.parametrize("before", [0, 13])
def test_a_step_is_none_that_begins_slowly(grid: Grid, before: int, kind: Fault, begin: float):
    """Whatever samples before it are taken for its first ones: four seconds of it are seen, a window ends there."""
    off = 0.02 * np.concatenate([np.full(before, 0.3), np.linspace(begin, 1.0, 200)])
    physics = replace(compare(grid()), off=off[None])
    assert _offset(physics, 0, 0, off.size, 0.001).kind is kind


def test_a_disturbance_at_one_device_alone_is_no_bad_data(grid: Grid):
    """Device 0 has the fault; the others see the common walk only."""
    struck, quiet = grid(fault=30.0), grid()
    one = {name: np.vstack([getattr(struck, name)[:1], getattr(quiet, name)[1:]]) for name in SERIES}
    assert assess(replace(quiet, **one)).flags == []


def test_two_bad_devices_at_a_time_are_both_named(grid: Grid):
    seen = changed(grid(devices=8), **BAD[Fault.SPIKES])
    magnitude, frequency, angle = (getattr(seen, name).copy() for name in ("magnitude", "frequency", "angle"))
    for each in (magnitude, frequency, angle):
        each[6, 1500:1900] = np.nan
    found = assess(replace(seen, magnitude=magnitude, frequency=frequency, angle=angle))
    assert [(flag.device, flag.kind) for flag in found.flags] == [(DEVICE, Fault.SPIKES), (6, Fault.GAP)]


def test_what_is_mostly_missing_is_not_usable(grid: Grid):
    seen = grid()
    gone = {name: getattr(seen, name).copy() for name in ("frequency", "magnitude", "angle")}
    for each in gone.values():
        each[DEVICE, : int(0.6 * seen.samples)] = np.nan
    found = assess(replace(seen, **gone))
    assert np.flatnonzero(~found.usable).tolist() == [DEVICE]
    assert found.bad[DEVICE].sum() == int(0.6 * seen.samples)


def test_a_device_without_angles_is_judged_by_what_it_has(grid: Grid):
    seen = grid()
    seen = replace(seen, angle=np.full_like(seen.angle, np.nan))
    assert assess(seen).flags == []
    found = assess(changed(seen, **{name: BAD[Fault.GAP][name] for name in ("frequency", "magnitude")}))
    assert only(found)[0] is Fault.GAP
    assert only(assess(changed(seen, **BAD[Fault.SPIKES])))[0] is Fault.SPIKES


def test_the_given_series_are_left_alone(grid: Grid):
    seen = changed(grid(), **BAD[Fault.ZERO_FILL])
    before = {name: getattr(seen, name).copy() for name in SERIES}
    assess(seen)
    for name in SERIES:
        np.testing.assert_array_equal(getattr(seen, name), before[name])


ANY = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -3.0, 49.9, 50.0, 50.1, 1e9])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(1, 5), st.integers(1, 150), st.sampled_from([10.0, 25.0, 50.0, 100.0]))
def test_whatever_devices_say_there_is_an_answer(seed: int, devices: int, samples: int, rate: float):
    draw = np.random.default_rng(seed)
    odds = draw.dirichlet(np.full(ANY.size, 0.3))
    series = {name: draw.choice(ANY, (devices, samples), p=odds) for name in SERIES}
    place = np.full(devices, np.nan)
    found = assess(Observations(rate=rate, **series, latitude=place, longitude=place))
    assert found.bad.shape == (devices, samples)
    assert found.bad[~np.isfinite(found.repaired.frequency)].all()
    for flag in found.flags:
        assert 0 <= flag.device < devices
        assert 0 <= flag.start < flag.stop <= samples


@pytest.mark.parametrize("every", [2, 5])
def test_slower_devices_are_judged_alike(grid: Grid, every: int):
    """25 and 10 frames a second; the angle still turns by less than half between two."""
    seen = grid(seconds=300.0, devices=5)
    slow = {name: getattr(seen, name)[:, ::every] for name in SERIES}
    turned = np.diff(slow["angle"], axis=1)
    turned = (turned + np.pi) % (2.0 * np.pi) - np.pi
    slow["frequency"] = slow["frequency"].copy()
    slow["frequency"][:, 1:-1] = 50.0 + (turned[:, 1:] + turned[:, :-1]) * seen.rate / every / (4.0 * np.pi)
    coarse = replace(seen, rate=seen.rate / every, **slow)
    assert assess(coarse).flags == []
    frequency = coarse.frequency.copy()
    frequency[1, 300] += 0.3
    assert [(flag.kind, flag.start) for flag in assess(replace(coarse, frequency=frequency)).flags] == [
        (Fault.SPIKES, 300)
    ]


@pytest.mark.parametrize("late", [1, 5])
def test_what_precedes_a_devices_first_sample_is_no_loss(grid: Grid, late: int):
    def begins(x: np.ndarray) -> np.ndarray:
        return np.where(np.arange(x.size) < late, np.nan, x)

    seen = grid()
    whole = {name: getattr(seen, name).copy() for name in ("frequency", "magnitude", "angle")}
    for x in whole.values():
        x[DEVICE] = begins(x[DEVICE])
    assert assess(replace(seen, **whole)).flags == []
    for x in whole.values():
        x[DEVICE, FIRST : FIRST + 2] = np.nan
    kind, start, stop = only(assess(replace(seen, **whole)))
    assert (kind, start, stop) == (Fault.PACKET_LOSS, FIRST, FIRST + 2)


def test_what_the_end_of_a_window_lacks_may_still_come(grid: Grid):
    seen = grid()
    settled = seen.samples - round(SETTLE * seen.rate)

    def told(*places: slice) -> list[tuple[Fault, int, int, float]]:
        lacking = {name: getattr(seen, name).copy() for name in ("frequency", "magnitude", "angle")}
        for each in lacking.values():
            for place in places:
                each[DEVICE, place] = np.nan
        found = assess(replace(seen, **lacking), SETTLE)
        assert all(found.bad[DEVICE, place].any() for place in places if place.stop is None)  # nothing was measured
        return [(flag.kind, flag.start, flag.stop, flag.score) for flag in found.flags]

    assert told(slice(-3, None)) == []
    assert told(slice(settled + 1, None)) == []
    assert told(slice(settled - 2, settled + 5)) == [(Fault.PACKET_LOSS, settled - 2, settled, 2.0)]
    assert told(slice(900, 901), slice(-3, None)) == [(Fault.PACKET_LOSS, 900, 901, 1.0)]
    [(kind, start, stop, _)] = told(slice(settled - 1, None))
    assert (kind, start, stop) == (Fault.GAP, settled - 1, seen.samples)
