from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms import electrical, onnetwork
from algorithms.electrical import Network, potentials
from algorithms.onnetwork import candidates
from algorithms.responses import Response
from tests.algorithms.seen import distances


def ring(devices: list[int]) -> Network:
    """Eight buses in a ring, a chord, and a spur to bus 8."""
    lines = [(k, (k + 1) % 8, 0.05 + 0.01 * k) for k in range(8)] + [(1, 5, 0.08), (3, 8, 0.1)]
    start, stop, reactance = (np.array(part) for part in zip(*lines, strict=True))
    east = np.cos(np.linspace(0.0, 2 * np.pi, 9))
    names = tuple(f"B{k}" for k in range(9))
    return Network(names, start, stop, reactance, np.array(devices), 50.0 + 0.1 * east, 8.0 + 0.1 * east[::-1])


def response(name: str, signed: np.ndarray) -> Response:
    return Response(name, np.abs(signed), np.full(len(signed), 1e-4), signed)


@pytest.mark.parametrize("line", range(9))
def test_a_line_that_trips_is_named(line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the flow that has to find other ways: angles without the line less those with it, solved directly."""
    monkeypatch.setattr(electrical, "HOLD", 1e-9)
    grid = ring([0, 2, 4, 5, 7])
    power = np.array([1.0, -0.4, 0.3, -0.7, 0.5, -0.6, 0.2, -0.1, -0.2])
    without = replace(grid, **{name: np.delete(getattr(grid, name), line) for name in ("start", "stop", "reactance")})
    jump = (potentials(without) - potentials(grid)) @ power
    seen = jump[grid.devices]
    found = candidates(grid, [response("jump", seen - np.median(seen) + 0.01)], lines=True)
    assert found is not None
    named = found.names[int(np.argmax(found.weight))]
    own = f"line B{grid.start[line]} - B{grid.stop[line]}"
    # in a row, with no device between them: the same pattern
    rows = [{"line B5 - B6", "line B6 - B7"}, {"line B2 - B3", "line B3 - B4"}]
    assert named in next((row for row in rows if own in row), {own})
    assert found.weight.sum() == pytest.approx(1.0)


def test_a_line_that_makes_no_difference_to_the_devices_is_not_named() -> None:
    grid = ring([0, 2, 4, 5, 7])
    found = candidates(grid, [response("jump", np.array([0.1, -0.05, 0.0, 0.02, 0.07]))], lines=True)
    assert found is not None
    assert int(np.argmax(found.weight)) != 9  # the spur


def test_a_bus_is_told_by_electrical_distance() -> None:
    grid = ring([0, 2, 4, 6, 8])
    away = distances(grid, np.array([4]))[0]
    size = 0.1 / (1.0 + away[grid.devices] / 0.02) ** 1.5
    found = candidates(grid, [response("dip", size)], lines=False)
    assert found is not None
    assert found.names[int(np.argmax(found.weight))] == "B4"
    assert found.distance[:, 1] == pytest.approx(distances(grid, np.array([2]))[0])


def test_devices_at_unknown_buses_do_not_count() -> None:
    size = np.array([0.1, 0.05, 0.02, 0.01])
    assert candidates(ring([0, 2, -1, -1]), [response("dip", size)], lines=False) is None
    found = candidates(ring([0, 2, 4, -1]), [response("dip", size)], lines=False)
    assert found is not None
    assert np.isnan(found.distance[:, 3]).all()
    assert np.isfinite(found.distance[:, :3]).all()


def test_another_island_is_unlikely() -> None:
    grid = ring([0, 2, 4, 5])
    more = replace(grid, buses=(*grid.buses, "C0"), latitude=np.append(grid.latitude, 0.0), longitude=np.zeros(10))
    found = candidates(more, [response("dip", np.array([0.1, 0.05, 0.02, 0.01]))], lines=False)
    assert found is not None
    assert np.isfinite(found.weight).all()
    assert found.weight[-1] < found.weight[0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), devices=st.integers(3, 9))
def test_the_evidence_is_that_of_the_whole_gaussian(seed: int, devices: int) -> None:
    """Against the dense density of y = a·p + b + noise, with b of a spread that is as good as flat."""
    rng = np.random.default_rng(seed)
    pattern, y = rng.normal(0.0, 1.0, (2, devices)), rng.normal(0.0, 2.0, devices)
    variance = rng.uniform(0.1, 2.0, devices)
    found = onnetwork._regression(pattern, y, variance, 9.0)
    dense = []
    for p in pattern:
        cov = np.diag(variance) + 9.0 * np.outer(p, p) + 1e5
        dense.append(-0.5 * y @ np.linalg.solve(cov, y) - 0.5 * np.linalg.slogdet(cov)[1])
    assert found[0] - found[1] == pytest.approx(dense[0] - dense[1], abs=1e-2)
