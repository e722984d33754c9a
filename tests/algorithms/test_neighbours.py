from __future__ import annotations

import numpy as np
import pytest

from algorithms.neighbours import chosen, distances, parts

REGION = np.array(["n", "n", "s", "", "n"])
LATITUDE = np.array([50.0, 51.0, 50.5, np.nan, 58.0])
LONGITUDE = np.array([8.0, 8.0, 8.0, 8.0, 8.0])


def test_known_distances():
    """Paris and London are 343.5 km apart; a degree of latitude is 111.2 km."""
    found = distances(np.array([48.8566, 51.5074]), np.array([2.3522, -0.1278]), 0)
    np.testing.assert_allclose(found, [0, 343.5], atol=0.3)
    np.testing.assert_allclose(distances(LATITUDE, LONGITUDE, 0)[:3], [0, 111.2, 55.6], atol=0.1)
    assert np.isnan(distances(LATITUDE, LONGITUDE, 0)[3])


@pytest.mark.parametrize(
    ("suspected", "reach", "most", "wanted"),
    [
        ([0], "region", 9, [0, 1, 4]),
        ([0], "all", 9, [0, 2, 1, 4, 3]),
        ([0], "all", 3, [0, 2, 1]),
        ([0], 60.0, 9, [0, 2]),
        ([0, 4], 60.0, 9, [0, 4, 2]),
        ([3], 60.0, 9, [3]),
        ([2, 0], "region", 9, [2, 0, 1, 4]),
        ([4, 0], "region", 1, [4]),
    ],
)
def test_who_is_looked_at(suspected: list[int], reach: str | float, most: int, wanted: list[int]):
    assert chosen(suspected, REGION, LATITUDE, LONGITUDE, reach, most).tolist() == wanted


def test_groups_are_even_and_spread():
    members = np.arange(10)
    assert [part.tolist() for part in parts(members, 4)] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert [part.tolist() for part in parts(members, 10)] == [list(range(10))]
