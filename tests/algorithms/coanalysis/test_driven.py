"""Modes that the ambient drives, and lines that begin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import f

from algorithms.coanalysis.driven import AHEAD, SELDOM, course, endures, envelope, limit
from algorithms.coanalysis.outlasting import begun
from algorithms.coanalysis.swings import SLOW, lines

RATE, HERTZ, LENGTH = 10.0, 0.56, 10.24
T = np.arange(1800) / RATE


def driven(draw: np.random.Generator, damping: float, shape: tuple[int, ...] = (1,), jolt: float = 0.0) -> np.ndarray:
    """[*shape, n] A mode that white noise drives, of standard deviation 1; a jolt of so many of these at 100 s."""
    pole = np.exp(2 * np.pi * HERTZ * (-damping + 1j) / RATE)
    pushes = draw.standard_normal((*shape, T.size + 3000)) * np.sqrt(2 * (1 - abs(pole) ** 2))
    pushes[..., 3000 + 1000] += jolt
    return lfilter([1.0], [1.0, -pole], pushes, axis=-1).real[..., 3000:]


def told(x: np.ndarray, since: float = 0.0):
    return course(*envelope(x.astype(complex), RATE, HERTZ, LENGTH), since)


def test_the_envelope_of_a_sinusoid() -> None:
    middle, z = envelope((3.0 * np.cos(2 * np.pi * HERTZ * T + 0.7)).astype(complex), RATE, HERTZ, LENGTH)
    np.testing.assert_allclose(z, 3.0 * np.exp(0.7j), atol=0.02)
    np.testing.assert_allclose(np.diff(middle), LENGTH / 2, atol=0.1)


@pytest.mark.parametrize("count", [8, 32, 100])
def test_the_limit_is_that_of_the_f_distribution(count: int) -> None:
    assert count * f.sf(limit(count), 2, count) == pytest.approx(SELDOM)


@pytest.mark.parametrize("damping", [0.01, 0.02, 0.05])
def test_a_driven_mode_seldom_seems_to_begin(damping: float) -> None:
    made = driven(np.random.default_rng(1), damping, (400,))
    assert np.mean([told(x).score > 1.0 for x in made]) < 0.01


def test_a_mode_that_a_jolt_set_off_began_then() -> None:
    found = [told(x) for x in driven(np.random.default_rng(2), 0.015, (50,), jolt=9.0)]
    assert np.mean([one.score > 1.0 for one in found]) > 0.9
    begins = [one.begins for one in found if one.score > 1.0]
    assert np.median(begins) == pytest.approx(100.0, abs=LENGTH / 2)


def test_what_came_before_since_does_not_count() -> None:
    x = driven(np.random.default_rng(3), 0.015, jolt=9.0)[0]
    assert told(x, since=90.0).score > 1.0
    assert told(x, since=99.0).begins >= 99.0
    late = told(x, since=120.0)
    assert late.score < 1.0
    assert np.isnan(late.begins)


def test_what_does_not_decay_is_no_ambient_mode() -> None:
    draw = np.random.default_rng(4)
    noise = 0.3 * draw.standard_normal(T.size)
    forced = envelope((np.cos(2 * np.pi * HERTZ * T) * (T > 30) + noise).astype(complex), RATE, HERTZ, LENGTH)
    assert endures(*forced)
    assert course(*forced).score == np.inf
    assert not endures(*envelope(driven(draw, 0.02)[0].astype(complex), RATE, HERTZ, LENGTH))


def test_too_short_or_empty_courses_tell_nothing() -> None:
    few = 2 * AHEAD + 1
    assert course(np.arange(few) * 5.0, np.ones(few, dtype=complex)).score == 0.0
    assert course(np.arange(30) * 5.0, np.zeros(30, dtype=complex)).score == 0.0


def test_only_scores_of_driven_lines_fall() -> None:
    draw = np.random.default_rng(5)
    shape = np.array([1.0, 0.7, 0.3, -0.2, -0.5, -0.8])[:, None]
    noise = draw.standard_normal((6, T.size))
    for jolt, stays in ((0.0, False), (12.0, True)):
        found = lines(noise + shape * driven(draw, 0.015, jolt=jolt), RATE, SLOW)
        assert found is not None
        score = np.full((found.middle.size, found.hertz.size), 0.5)
        at = int(np.argmin(np.abs(found.hertz - HERTZ)))
        score[int(np.argmin(np.abs(found.middle - 112.0))), at] = 1.5
        after = begun(found, score, 0.0)
        assert (after[:, at].max() == 1.5) == stays
        assert (np.delete(after, at, axis=1) == 0.5).all()
