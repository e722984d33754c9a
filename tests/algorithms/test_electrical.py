from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.electrical import Network, bridges, held, islands, potentials, prepared
from tests.algorithms.seen import distances


def network(buses: int, lines: list[tuple[int, int, float]], devices: list[int] | None = None) -> Network:
    start, stop = (np.array([line[k] for line in lines], dtype=np.intp) for k in (0, 1))
    reactance = np.array([line[2] for line in lines])
    unknown = np.full(buses, np.nan)
    at = np.array(devices or [], dtype=np.intp)
    return Network(tuple(f"B{k}" for k in range(buses)), start, stop, reactance, at, unknown, unknown)


def connected(seed: int, buses: int) -> Network:
    """A random tree and some more lines."""
    rng = np.random.default_rng(seed)
    tree = [(int(rng.integers(k)), k, float(rng.uniform(0.01, 0.5))) for k in range(1, buses)]
    more = [(int(a), int(b), float(rng.uniform(0.01, 0.5))) for a, b in rng.integers(0, buses, (buses, 2)) if a != b]
    return network(buses, tree + more)


def laplacian(grid: Network) -> np.ndarray:
    """[n, n] line by line."""
    found = np.zeros((len(grid.buses), len(grid.buses)))
    for a, b, x in zip(grid.start, grid.stop, grid.reactance, strict=True):
        found[[a, b], [a, b]] += 1 / x
        found[[a, b], [b, a]] -= 1 / x
    return found


def test_lines_in_a_row_add_up_and_lines_side_by_side_share() -> None:
    there = distances(network(3, [(0, 1, 0.1), (1, 2, 0.3), (1, 2, 0.6)]), np.array([0]))
    assert there[0] == pytest.approx([0.0, 0.1, 0.3])


def test_a_ring() -> None:
    there = distances(network(4, [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0), (3, 0, 1.0)]), np.array([0, 1]))
    assert there == pytest.approx(np.array([[0.0, 0.75, 1.0, 0.75], [0.75, 0.0, 0.75, 1.0]]))


def test_islands_are_infinitely_far() -> None:
    apart = network(5, [(3, 1, 0.2), (2, 4, 0.1)])
    assert islands(apart).tolist() == [0, 1, 2, 1, 2]
    there = distances(apart, np.array([1]))[0]
    assert there == pytest.approx([np.inf, 0.0, np.inf, 0.2, np.inf])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), buses=st.integers(2, 12))
def test_it_is_a_distance_and_what_a_direct_solution_gives(seed: int, buses: int) -> None:
    grid = connected(seed, buses)
    there = distances(grid, np.arange(buses))
    assert there == pytest.approx(there.T)
    assert np.diag(there) == pytest.approx(0.0, abs=1e-9)
    assert np.all(there[:, None, :] <= there[:, :, None] + there[None, :, :] + 1e-9)
    # one unit of power from the first to the last bus, the first one's angle held at 0
    power = np.zeros(buses)
    power[-1] = 1.0
    angle = np.linalg.solve(laplacian(grid)[1:, 1:], power[1:])
    assert there[0, -1] == pytest.approx(angle[-1])


def test_potentials_are_the_pseudo_inverse() -> None:
    grid = connected(7, 9)
    assert potentials(grid) == pytest.approx(np.linalg.pinv(laplacian(grid)))


@pytest.mark.parametrize(
    ("lines", "devices", "says"),
    [
        ([(0, 3, 0.1)], [0], "bus 3 of 3"),
        ([(0, 1, -0.1)], [0], "line B0 - B1"),
        ([(0, 1, np.nan)], [0], "line B0 - B1"),
        ([(0, 1, 0.1)], [5], "bus 5 of 3"),
    ],
)
def test_a_faulty_network_is_refused(lines: list[tuple[int, int, float]], devices: list[int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        network(3, lines, devices)


def test_bridges_are_lines_without_which_it_falls_apart() -> None:
    grid = network(6, [(0, 1, 0.1), (1, 2, 0.1), (2, 0, 0.2), (2, 3, 0.1), (3, 4, 0.1), (3, 4, 0.3)])
    assert bridges(grid, potentials(grid)).tolist() == [False, False, False, True, False, False]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), buses=st.integers(2, 12))
def test_bridges_are_what_counting_islands_says(seed: int, buses: int) -> None:
    grid = connected(seed, buses)
    count = len(grid.start)
    without = [
        Network(grid.buses, *(np.delete(part, k) for part in (grid.start, grid.stop, grid.reactance)), grid.devices,
                grid.latitude, grid.longitude)
        for k in range(count)
    ]  # fmt: skip
    expected = [len(set(islands(part).tolist())) > 1 for part in without]
    assert bridges(grid, potentials(grid)).tolist() == expected


def test_held_buses_turn_as_the_equations_say() -> None:
    grid = connected(5, 8)
    turn = held(grid)
    typical = np.median(1.0 / grid.reactance)
    assert (laplacian(grid) + 0.03 * typical * np.eye(8)) @ turn == pytest.approx(np.eye(8), abs=1e-9)


def test_what_is_reckoned_ahead_is_the_same() -> None:
    grid = connected(9, 7)
    ahead = prepared(grid)
    assert ahead.solved is not None
    assert potentials(ahead) is ahead.solved[0]
    assert potentials(ahead) == pytest.approx(potentials(grid))
    assert held(ahead) == pytest.approx(held(grid))
