"""Steps of a voltage, jumps of an angle, and a rise of its other sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from algorithms.firststage import phase_jump, sequence, voltage_step
from algorithms.polar import wrapped
from algorithms.registry import find
from tests.algorithms.firststage.windows import window

VOLTS = 127_000.0


def voltage(seed: int = 1, n: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return VOLTS * (1 + 1e-4 * rng.standard_normal(n) + 1e-4 * np.cumsum(rng.standard_normal(n)) / 10)


def angle(seed: int = 1, n: int = 3000, hertz: float = 50.02, slope: float = 0.0) -> np.ndarray:
    """Degrees of a device at a frequency, with 0.01 degrees of noise."""
    t = np.arange(n) / 50
    turns = 360 * ((hertz - 50) * t + slope * t * t / 2)
    return wrapped(turns + 0.01 * np.random.default_rng(seed).standard_normal(n))


def other(seed: int = 1, n: int = 3000) -> np.ndarray:
    return 600 + 20 * np.abs(np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize(("stop", "share"), [(1506, 0.3), (3000, 0.05), (3000, -0.05)], ids=["dip", "step", "rise"])
def test_a_voltage_that_steps_or_dips_is_found(stop: int, share: float):
    x = voltage()
    x[1500:stop] *= 1 - share
    judged = find("voltage_step").run(window(x, of="magnitude 1"), voltage_step.Settings())
    assert judged.suspicious
    assert judged.onset == pytest.approx(1500, abs=3)
    assert judged.detail["largest_share"] == pytest.approx(abs(share), rel=0.1)


def test_the_unit_of_a_voltage_does_not_count():
    x = voltage()
    x[1500:] *= 0.95
    large, small = (voltage_step.judge(window(x * unit), voltage_step.Settings()) for unit in (1.0, 1 / VOLTS))
    assert small.score == pytest.approx(large.score, rel=1e-3)


@pytest.mark.parametrize("x", [voltage(), np.zeros(3000), np.full(3000, VOLTS)], ids=["quiet", "dead", "still"])
def test_a_voltage_that_stays_is_not_suspicious(x: np.ndarray):
    assert not voltage_step.judge(window(x), voltage_step.Settings()).suspicious


def test_a_small_step_of_a_very_quiet_voltage_is_below_the_least():
    x = np.full(3000, VOLTS)
    x[1500:] *= 0.99
    assert not voltage_step.judge(window(x), voltage_step.Settings()).suspicious
    assert voltage_step.judge(window(x), voltage_step.Settings(least=0.005)).suspicious


def test_a_step_is_the_difference_of_two_medians():
    x = voltage()
    middles = np.median(sliding_window_view(x, 5), axis=1)
    expected = np.abs(middles[8:] - middles[:-8])
    assert np.array_equal(voltage_step.statistic(50, voltage_step.Settings()).push(x[None])[0], expected)


@pytest.mark.parametrize("jump", [1.0, -3.0, 170.0])
@pytest.mark.parametrize("hertz", [50.0, 50.02, 49.5])
def test_a_jump_is_found_at_any_frequency(jump: float, hertz: float):
    x = angle(hertz=hertz)
    x[1500:] = wrapped(x[1500:] + jump)
    judged = find("phase_jump").run(window(x, of="angle 1"), phase_jump.Settings())
    assert judged.suspicious
    assert judged.onset == pytest.approx(1500, abs=3)
    assert judged.detail["largest_jump_degrees"] == pytest.approx(abs(jump), rel=0.05)


@pytest.mark.parametrize(("hertz", "slope"), [(50.0, 0.0), (49.0, 0.0), (50.3, 0.0), (50.0, 0.01), (50.0, -0.02)])
def test_neither_a_frequency_nor_its_change_is_a_jump(hertz: float, slope: float):
    still = phase_jump.judge(window(angle(hertz=50.0)), phase_jump.Settings())
    judged = phase_jump.judge(window(angle(hertz=hertz, slope=slope)), phase_jump.Settings())
    assert not judged.suspicious
    assert judged.score == pytest.approx(still.score, abs=0.02)


def test_the_size_of_a_jump_is_that_of_least_squares():
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.standard_normal(47))
    t = (np.arange(47) - 23) / 20
    used = np.abs(t) > 3 / 20
    columns = np.stack([0.5 * np.sign(t), np.ones(47), t, t * t], axis=1)[used]
    step = np.linalg.lstsq(columns, x[used], rcond=None)[0][0]
    assert phase_jump.statistic(50, phase_jump.Settings()).push(x[None])[0] == pytest.approx([abs(step)])


def test_a_fault_raises_another_sequence():
    x = other()
    x[1500:1505] += 9000
    judged = find("sequence").run(window(x, of="magnitude 4"), sequence.Settings())
    assert judged.suspicious
    assert judged.onset == pytest.approx(1500, abs=3)


@pytest.mark.parametrize("change", [-500.0, 0.0, 15.0])
def test_a_level_that_falls_or_hardly_moves_is_none(change: float):
    x = other()
    x[1500:] += change
    assert not sequence.judge(window(x), sequence.Settings()).suspicious


def test_a_phasor_that_is_nought_has_a_floor_of_its_own():
    x = np.zeros(3000)
    x[1500:1510] = 5.0
    assert sequence.judge(window(x), sequence.Settings()).suspicious
    assert not sequence.judge(window(x), sequence.Settings(floor=100.0)).suspicious


def test_a_rise_is_that_of_medians():
    x = other()
    near, far = (np.median(sliding_window_view(x, k), axis=1) for k in (5, 50))
    expected = np.maximum(near[50:] - far[: near.size - 50], 0)
    assert np.array_equal(sequence.statistic(50, sequence.Settings()).push(x[None])[0], expected[: 3000 - 54])


@pytest.mark.parametrize(
    ("name", "of", "made"), [("voltage_step", "magnitude 1", voltage), ("phase_jump", "angle 1", angle),
                             ("sequence", "magnitude 9", other)]
)  # fmt: skip
def test_quiet_windows_are_seldom_suspicious(name: str, of: str, made: Callable[[int], np.ndarray]):
    """One in a hundred at most, each of a minute."""
    found = find(name)
    assert sum(found.run(window(made(seed), of=of), found.settings()).suspicious for seed in range(100)) <= 1
