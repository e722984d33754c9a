"""Parts of neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.coanalysis.parts import parts


@given(st.integers(1, 300), st.integers(2, 40), st.integers(0, 100))
def test_every_device_is_in_one_part_that_is_not_too_large(devices: int, most: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    latitude, longitude = draw.uniform(40, 50, devices), draw.uniform(0, 20, devices)
    latitude[draw.random(devices) < 0.2] = np.nan
    found = parts(latitude, longitude, most)
    assert sorted(np.concatenate(found).tolist()) == list(range(devices))
    assert max(part.size for part in found) <= most


def test_parts_are_neighbours() -> None:
    longitude = np.random.default_rng(1).permutation(np.arange(40.0))
    found = [np.sort(longitude[part]) for part in parts(np.full(40, 50.0), longitude, 10)]
    assert all(np.ptp(part) == 9.0 for part in found)


def test_few_devices_and_unknown_places_stay_in_their_order() -> None:
    nowhere = np.full(6, np.nan)
    assert [part.tolist() for part in parts(nowhere, nowhere, 6)] == [[0, 1, 2, 3, 4, 5]]
    assert [part.tolist() for part in parts(nowhere, nowhere, 3)] == [[0, 1, 2], [3, 4, 5]]
