from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from algorithms.observations import Observations
from algorithms.responses import measures, respond

RATE, ONSET = 50.0, 3000


def observations(devices: int = 5, samples: int = 4000, noise: float = 0.0, seed: int = 1) -> Observations:
    """Angles that turn at one pace, with offsets; voltages of 1."""
    rng = np.random.default_rng(seed)
    shape = (devices, samples)
    angle = 0.3 * np.arange(samples) / RATE + rng.uniform(-1.0, 1.0, (devices, 1)) + noise * rng.standard_normal(shape)
    voltage = 1.0 + noise * rng.standard_normal(shape)
    nothing = np.full(shape, np.nan)
    where = np.zeros(devices)
    return Observations(RATE, np.full(shape, 50.0), voltage, angle, nothing, nothing, where, where)


def stepped(seen: Observations, channel: str, sizes: list[float], stop: int | None = None) -> Observations:
    """With steps of these sizes from the onset on."""
    series = getattr(seen, channel).copy()
    series[:, ONSET:stop] += np.array(sizes)[:, None]
    return replace(seen, **{channel: series})


@pytest.mark.parametrize("rate", [10.0, 25.0, 50.0, 100.0])
def test_what_goes_on_as_before_is_no_response(rate: float) -> None:
    for name, measure in measures(rate).items():
        assert measure.taps.sum() == pytest.approx(0.0, abs=1e-12)
        line = measure.taps @ np.arange(len(measure.taps))
        assert (abs(line) < 1e-9) == (name == "jump")


def test_a_jump_is_what_the_angle_jumps_by_more_than_the_median_device() -> None:
    seen = stepped(observations(), "angle", [0.5, 0.2, 0.1, 0.1, -0.3])
    found = respond(seen, ONSET, measures(RATE)["jump"])
    assert found is not None
    assert found.signed == pytest.approx([0.4, 0.1, 0.0, 0.0, -0.4], abs=1e-9)
    assert found.size == pytest.approx(np.abs(found.signed))


def test_wrapped_angles_jump_alike() -> None:
    seen = stepped(observations(noise=1e-3), "angle", [0.5, 0.2, 0.1, 0.1, -0.3])
    wrapped = replace(seen, angle=np.angle(np.exp(1j * (seen.angle + 3.0))))
    jump = measures(RATE)["jump"]
    one, other = respond(seen, ONSET, jump), respond(wrapped, ONSET, jump)
    assert one is not None
    assert other is not None
    assert other.signed == pytest.approx(one.signed, abs=1e-9)
    assert other.noise == pytest.approx(one.noise, abs=1e-9)


def test_steps_and_dips_of_the_voltage() -> None:
    sizes = [-0.05, -0.02, 0.0, 0.01, 0.03]
    step = respond(stepped(observations(), "magnitude", sizes), ONSET, measures(RATE)["step"])
    assert step is not None
    assert step.signed == pytest.approx(sizes, abs=1e-9)
    dip = measures(RATE)["dip"]
    found = respond(stepped(observations(), "magnitude", sizes, ONSET + 5), ONSET, dip)
    assert found is not None
    assert found.signed == pytest.approx(np.array(sizes) * 5 / 21)  # five of the 21 samples from -120 to 280 ms


def test_a_dip_does_not_depend_on_the_filter() -> None:
    sharp = stepped(observations(), "magnitude", [-0.5] * 5, ONSET + 4).magnitude
    window = np.array([0.25, 0.5, 0.25])
    soft = np.array([np.convolve(row, window, "same") for row in sharp])
    soft[:, [0, -1]] = 1.0
    both = [respond(replace(observations(), magnitude=v), ONSET, measures(RATE)["dip"]) for v in (sharp, soft)]
    assert both[0] is not None
    assert both[1] is not None
    assert both[1].size == pytest.approx(both[0].size)


def test_the_noise_is_that_of_the_taps_on_the_quiet_past() -> None:
    measure = measures(RATE)["step"]
    found = respond(observations(devices=40, samples=9000, noise=1e-3), 8000, measure)
    assert found is not None
    assert np.median(found.noise) == pytest.approx(1e-3 * np.linalg.norm(measure.taps), rel=0.1)


def test_an_unbalance_is_clear_where_a_device_shows_it() -> None:
    level = replace(observations(), negative=0.003 + 1e-4 * np.random.default_rng(2).standard_normal((5, 4000)))
    for size, clear in ((0.02, True), (0.0, False)):
        found = respond(stepped(level, "negative", [size, 0, 0, 0, 0], ONSET + 5), ONSET, measures(RATE)["unbalance"])
        assert found is not None
        assert found.clear == clear
        assert found.size[0] == pytest.approx(size * 5 / 21, abs=1e-4)
    assert respond(observations(), ONSET, measures(RATE)["unbalance"]) is None


def test_the_quiet_moves_are_told() -> None:
    found = respond(observations(noise=1e-3), ONSET, measures(RATE)["step"])
    assert found is not None
    assert found.quiet is not None
    assert found.quiet.std(axis=1) == pytest.approx(found.noise, rel=0.3)
    assert found.of(np.arange(5) < 2).quiet == pytest.approx(found.quiet[:2])


def test_what_is_not_known_of_a_device_leaves_the_others() -> None:
    seen = stepped(observations(), "angle", [0.5, 0.2, 0.1, 0.1, -0.3])
    seen.angle[1, ONSET - 3] = np.nan
    found = respond(seen, ONSET, measures(RATE)["jump"])
    assert found is not None
    assert np.isnan(found.size[1])
    assert found.known.tolist() == [True, False, True, True, True]
    assert found.signed[0] == pytest.approx(0.4)  # median of 0.5, 0.1, 0.1, -0.3 is 0.1
    assert np.all(np.isfinite(found.noise))
    assert found.of(found.known).size == pytest.approx(found.size[[0, 2, 3, 4]])


@pytest.mark.parametrize("onset", [0, 10, 3995, 4000, -5])
def test_a_window_must_reach_around_the_onset(onset: int) -> None:
    assert respond(observations(), onset, measures(RATE)["jump"]) is None


def test_small_sizes_count_as_their_noise() -> None:
    found = respond(stepped(observations(noise=1e-3), "magnitude", [0.1, 0, 0, 0, 0]), ONSET, measures(RATE)["step"])
    assert found is not None
    assert found.logarithm[0] == pytest.approx(np.log(found.size[0]))
    assert np.all(found.logarithm >= np.log(found.noise) - 1e-12)
