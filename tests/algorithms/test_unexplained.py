from __future__ import annotations

import numpy as np
import pytest

from algorithms.responses import Response
from algorithms.unexplained import QUIETEST, unexplained


def answers(whole: np.ndarray, own: float = 0.0) -> Response:
    """Of the last column, from those before."""
    found = unexplained("name", whole[:, -1], whole[:, :-1], own)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [float, complex])
def test_it_is_what_a_regression_on_the_others_leaves(kind: type) -> None:
    rng = np.random.default_rng(1)
    mixed = rng.standard_normal((5, 5))
    whole = mixed @ (rng.standard_normal((5, 400)) + (1j if kind is complex else 0.0) * rng.standard_normal((5, 400)))
    found = answers(whole)
    assert found.name == "name"
    for k in range(5):
        others = np.delete(whole, k, axis=0)
        weights = np.linalg.lstsq(others[:, :-1].T, whole[k, :-1], rcond=None)[0]
        rest = whole[k] - weights @ others
        assert found.size[k] == pytest.approx(abs(rest[-1]) / np.sqrt(np.mean(np.abs(rest[:-1]) ** 2)))
        if kind is float:
            assert found.signed[k] * rest[-1] > 0.0
    assert np.all(found.noise == 1.0)


def grid(buses: int, stiffness: float) -> np.ndarray:
    """Answers of a row of buses to a push at each, near the resonance of its slowest mode."""
    row = 2.0 * np.eye(buses) - np.eye(buses, k=1) - np.eye(buses, k=-1)
    return np.linalg.inv(row - stiffness * np.eye(buses))


def test_it_finds_the_source_where_a_mode_swings_more() -> None:
    """All of a row swing most at its middle, wherever the push is."""
    rng = np.random.default_rng(2)
    carry = grid(9, 0.99 * (2.0 - 2.0 * np.cos(np.pi / 10)))
    quiet = carry @ rng.standard_normal((9, 300))
    for source in range(9):
        push = 3.0 * carry[:, [source]] + 0.05 * rng.standard_normal((9, 1))
        found = answers(np.hstack([quiet, push]), own=0.001)
        assert int(np.argmax(np.abs(push))) == 4
        assert int(np.argmax(found.size)) == source


def test_a_device_that_is_not_known_leaves_the_others() -> None:
    rng = np.random.default_rng(3)
    whole = rng.standard_normal((5, 3)) @ rng.standard_normal((3, 100)) + 0.2 * rng.standard_normal((5, 100))
    before = answers(whole[1:])
    whole[0, -1] = np.nan
    whole[3, 40] = np.nan
    found = answers(whole)
    assert found.known.tolist() == [False, True, True, True, True]
    assert found.size[1:] == pytest.approx(before.size, rel=0.1)
    whole[0, -1], whole[0, :60] = 1.0, np.nan
    assert answers(whole).size == pytest.approx(found.size, nan_ok=True)


def test_few_quiet_moves_tell_nothing() -> None:
    rng = np.random.default_rng(4)
    for devices, times in ((5, 4), (5, 0), (1, 50), (0, 50)):
        assert unexplained("name", np.ones(devices), np.ones((devices, 1)) * rng.standard_normal(times)) is None
    assert unexplained("name", np.ones(5), np.ones((5, 1)) * rng.standard_normal(5)) is not None


def test_a_device_that_never_moves_is_not_the_loudest() -> None:
    rng = np.random.default_rng(5)
    whole = np.ones((6, 1)) * rng.standard_normal(200) + 0.3 * rng.standard_normal((6, 200))
    whole[0, :-1], whole[:, -1] = 0.0, [0.5, 3.0, 0.0, 0.0, 0.0, 0.0]
    found = answers(whole)
    assert found.size[0] <= 1.2 * 0.5 / QUIETEST
    assert int(np.argmax(found.size)) == 1


def test_noise_explains_nothing() -> None:
    rng = np.random.default_rng(6)
    noise = rng.standard_normal((6, 400))
    carried = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 400)) + 0.3 * noise
    for quiet, told in ((noise, False), (carried, True)):
        assert (unexplained("name", np.ones(6), quiet) is not None) == told
