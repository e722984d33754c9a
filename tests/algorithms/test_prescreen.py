from __future__ import annotations

import numpy as np
import pytest

from algorithms.prescreen import Alarm, Limits, Prescreen

RATE, EVENT = 50, 3200
"""Samples a second; the sample at which something happens."""
FIRST = 10**9


def quiet(seconds: int = 80, devices: int = 4, seed: int = 1) -> np.ndarray:
    """A random walk and noise, [n, devices]."""
    rng = np.random.default_rng(seed)
    count = seconds * RATE
    walk = np.cumsum(rng.normal(0.0, 0.00036, (count, devices)), axis=0)
    return (50.0 + walk + rng.normal(0.0, 0.0005, (count, devices))).astype(np.float32)


def screened(values: np.ndarray, sizes: list[int] | None = None, limits: Limits | None = None) -> list[Alarm]:
    """Alarms when the values come in pieces of these sizes, the last one again and again."""
    screen = Prescreen(RATE, limits or Limits())
    screen.widen(values.shape[1])
    columns, found, at, sizes = np.arange(values.shape[1]), [], 0, sizes or [len(values)]
    while at < len(values):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        piece = values[at : at + size]
        found += screen.push(FIRST + np.arange(at, at + len(piece)), columns, piece)
        at += size
    return found


def test_quiet_devices_do_not_alarm() -> None:
    assert screened(quiet()) == []


@pytest.mark.parametrize(("slope", "within"), [(0.03, 60), (0.05, 35), (0.2, 20)])
def test_a_loss_of_power_alarms_soon(slope: float, within: int) -> None:
    values = quiet()
    values[EVENT:, 2] -= slope / RATE * np.arange(len(values) - EVENT)
    [alarm] = screened(values)[:1]
    assert alarm.column == 2
    assert 0 < alarm.slot - FIRST - EVENT <= within
    assert alarm.score > 1


def test_a_step_alarms_once_until_the_hold_is_over() -> None:
    values = quiet()
    values[EVENT:, 1] += 0.05
    values[EVENT + 300 :, 1] -= 0.05
    assert [(each.column, each.slot - FIRST - EVENT < 10) for each in screened(values)] == [(1, True)]
    assert len(screened(values, limits=Limits(hold=5.0))) == 2


@pytest.mark.parametrize("sizes", [[1], [7, 1, 200, 50], [3199, 1, 2, 3]])
def test_it_does_not_see_how_slots_come(sizes: list[int]) -> None:
    values = quiet()
    values[EVENT:, 3] += 0.03
    values[np.random.default_rng(3).random(values.shape) < 0.02] = np.nan
    values[1000:1030, 0] = np.nan
    assert screened(values, sizes) == screened(values) != []


def test_lone_spikes_gaps_and_nonsense_alarm_nobody() -> None:
    values = quiet()
    values[EVENT, 0] += 5.0
    values[EVENT + 100, 0] += 5.0
    values[EVENT + 101, 0] = np.nan
    values[EVENT : EVENT + 100, 1] = np.nan
    values[EVENT + 100 :, 1] += 0.2  # elsewhere when it comes back: nobody saw how
    values[EVENT, 2] = np.inf
    assert screened(values) == []


def test_a_short_gap_does_not_blind() -> None:
    values = quiet()
    values[EVENT:, 2] += 0.05
    values[EVENT - 4 : EVENT, 2] = np.nan
    assert [each.column for each in screened(values)] == [2]


def test_frequent_gaps_neither_blind_nor_keep_from_learning() -> None:
    values = quiet(80, 2)
    for at in range(0, len(values), RATE):
        values[at : at + 10, 0] = np.nan  # what a busy machine brings too late, each second
    values[EVENT:] -= 0.1 / RATE * np.arange(len(values) - EVENT)[:, None]
    assert {each.column for each in screened(values)} == {0, 1}
    assert max(each.slot - FIRST - EVENT for each in screened(values)) < 35


def test_slots_that_nobody_had_are_gaps() -> None:
    values = quiet(80, 2)
    values[EVENT:] -= 0.1 / RATE * np.arange(len(values) - EVENT)[:, None]
    gap = np.arange(len(values)) % RATE < 10
    without, slots = values.copy(), FIRST + np.arange(len(values))
    without[gap] = np.nan
    screen = Prescreen(RATE, Limits())
    screen.widen(2)
    found = list(screen.push(slots[~gap], np.arange(2), values[~gap]))
    assert found == screened(without) != []
    assert screen.watched == 2


def test_how_far_a_device_went_is_followed() -> None:
    values = quiet()
    values[EVENT:] -= np.array([0.03, 0.05, 0.2, 0.0]) / RATE * np.arange(len(values) - EVENT)[:, None]
    screen = Prescreen(RATE, Limits())
    screen.widen(4)
    slots = FIRST + np.arange(EVENT + 50)
    alarms = {each.column: each.score for each in screen.push(slots, np.arange(4), values[: EVENT + 50])}
    assert sorted(alarms) == [0, 1, 2]
    assert screen.far.argsort().tolist() == [3, 0, 1, 2]
    assert screen.far[2] > 3 > max(alarms.values())


def test_a_constant_signal_has_the_floor_for_its_usual_peak() -> None:
    values = np.full((4000, 2), 50.0, np.float32)
    rise = np.minimum(np.arange(len(values) - EVENT) / 5, 1.0)
    values[EVENT:, 0] += 0.003 * rise
    values[EVENT:, 1] += 0.005 * rise
    assert [each.column for each in screened(values)] == [1]


def test_a_lone_jump_has_to_be_twice_as_much() -> None:
    values = np.full((4000, 3), 50.0, np.float32)
    values[EVENT:, 0] += 0.006
    values[EVENT:, 1] += 0.008
    values[EVENT:, 2] += 0.003
    values[EVENT + 1 :, 2] += 0.003
    assert sorted(each.column for each in screened(values)) == [1, 2]


SWING = np.sin(np.pi * np.arange(50) / 25)
"""Its change comes to 1.78 mHz, if it is one of 1 mHz."""


def test_who_alarms_often_alarms_less_and_the_others_as_before() -> None:
    values = np.full((40_000, 2), 50.0, np.float32)
    for at in range(EVENT, len(values) - 50, 1600):
        values[at : at + 50, 0] += 0.005 * SWING
    values[39_000:39_050, 1] += 0.005 * SWING
    alarms = [each.column for each in screened(values)]
    assert (alarms.count(0), alarms.count(1)) == (5, 1)


def test_rare_large_peaks_raise_the_limit() -> None:
    values = np.full((20_000, 2), 50.0, np.float32)
    for at in range(EVENT, EVENT + 13_000, 1300):
        values[at : at + 50, 0] += 0.0018 * SWING  # near the limit, but not above it
    values[-500:-450] += 0.0022 * SWING[:, None]
    assert [each.column for each in screened(values)] == [1]


def test_a_device_that_comes_later_learns_first() -> None:
    values = quiet(160, 2)
    values[EVENT:, :] += 0.05
    values[2 * EVENT :, :] -= 0.05
    screen = Prescreen(RATE, Limits())
    screen.widen(1)
    found = list(screen.push(FIRST + np.arange(3000), np.array([0]), values[:3000, :1]))
    screen.widen(2)
    slots = FIRST + np.arange(3000, len(values))
    found += screen.push(slots, np.array([1, 0]), values[3000:, ::-1])
    assert sorted((each.column, (each.slot - FIRST) // EVENT) for each in found) == [(0, 1), (0, 2), (1, 2)]


def test_slots_that_come_again_are_left_out_and_a_leap_blinds() -> None:
    values = quiet()
    screen = Prescreen(RATE, Limits())
    screen.widen(4)
    columns, slots = np.arange(4), FIRST + np.arange(len(values))
    assert list(screen.push(slots[:EVENT], columns, values[:EVENT])) == []
    assert list(screen.push(slots[EVENT - 200 : EVENT], columns, values[:200] + 1)) == []
    assert list(screen.push(slots[EVENT:] + 50, columns, values[EVENT:] + 1)) == []


def test_what_is_usual_follows_a_device_that_grows_noisier() -> None:
    values = quiet(400, 1)
    rng = np.random.default_rng(5)
    values[EVENT:, 0] += rng.normal(0.0, 0.01, len(values) - EVENT)
    late = [each.slot - FIRST - EVENT for each in screened(values)]
    assert late
    assert max(late) < 200 * RATE
