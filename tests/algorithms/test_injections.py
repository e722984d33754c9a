from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from algorithms.injections import OWN, injected
from algorithms.responses import Response


def answers(whole: np.ndarray) -> Response:
    """Of the last column, from those before."""
    found = injected("name", whole[:, -1], whole[:, :-1])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [float, complex])
def test_it_is_the_answer_over_the_root_of_how_all_move(kind: type) -> None:
    rng = np.random.default_rng(1)
    mixed = rng.standard_normal((5, 5))
    whole = mixed @ (rng.standard_normal((5, 400)) + (1j if kind is complex else 0.0) * rng.standard_normal((5, 400)))
    found = answers(whole)
    together = whole[:, :-1] @ whole[:, :-1].conj().T / 399
    together = together + OWN * np.trace(together).real / 5 * np.eye(5)
    direct = np.linalg.solve(sqrtm(together), whole[:, -1])
    assert found.name == "name"
    assert found.size == pytest.approx(np.abs(direct))
    assert found.signed == pytest.approx(direct if kind is float else np.abs(direct))
    assert np.all(found.noise == 1.0)


def grid(buses: int, stiffness: float) -> np.ndarray:
    """Answers of a row of buses to a push at each, near the resonance of its slowest mode."""
    row = 2.0 * np.eye(buses) - np.eye(buses, k=1) - np.eye(buses, k=-1)
    return np.linalg.inv(row - stiffness * np.eye(buses))


def test_it_finds_the_source_where_a_mode_swings_more() -> None:
    """All of a row swing most at its middle, wherever the push is."""
    rng = np.random.default_rng(2)
    carry = grid(9, 0.9 * (2.0 - 2.0 * np.cos(np.pi / 10)))
    quiet = carry @ rng.standard_normal((9, 300))
    for source in range(9):
        push = 3.0 * carry[:, [source]] + 0.05 * rng.standard_normal((9, 1))
        found = answers(np.hstack([quiet, push]))
        assert int(np.argmax(np.abs(push))) != source or source == 4
        assert int(np.argmax(found.size)) == source


def test_a_push_between_devices_is_shared_by_those_around_it() -> None:
    """Devices stand at every third bus of a ring of lines to ground; loads change at every bus."""
    rng = np.random.default_rng(3)
    row = 2.1 * np.eye(24) - np.roll(np.eye(24), 1, axis=0) - np.roll(np.eye(24), -1, axis=0)
    carry = np.linalg.inv(row)[::3]
    quiet = carry @ rng.standard_normal((24, 400))
    for bus in range(24):
        found = answers(np.hstack([quiet, carry[:, [bus]]]))
        apart = np.abs((3 * np.arange(8) - bus + 12) % 24 - 12)
        assert apart[np.argmax(found.size)] == apart.min()


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
        assert injected("name", np.ones(devices), np.ones((devices, 1)) * rng.standard_normal(times)) is None
    assert injected("name", np.ones(5), np.ones((5, 1)) * rng.standard_normal(5)) is not None


def test_a_device_that_never_moves_is_not_the_loudest() -> None:
    rng = np.random.default_rng(5)
    whole = np.ones((6, 1)) * rng.standard_normal(200) + 0.3 * rng.standard_normal((6, 200))
    whole[0, :-1], whole[:, -1] = 0.0, [0.5, 3.0, 0.5, 0.5, 0.5, 0.5]
    assert int(np.argmax(answers(whole).size)) == 1
    assert injected("name", whole[:, -1], np.zeros((6, 100))) is None


def test_noise_says_nothing_of_the_grid() -> None:
    rng = np.random.default_rng(6)
    noise = rng.standard_normal((6, 400))
    carried = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 400)) + 0.3 * noise
    for quiet, told in ((noise, False), (carried, True)):
        assert (injected("name", np.ones(6), quiet) is not None) == told
