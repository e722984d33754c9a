from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.corrections import correct

K, M, P = 3, 4, 2


@given(st.integers(0, 2**32 - 1))
def test_each_pair_is_corrected_on_its_own(seed):
    draw = np.random.default_rng(seed)
    pairs = np.stack([draw.uniform(0, 1e5, (K, M, P)), draw.uniform(-180, 180, (K, M, P))], axis=-1).astype("f4")
    factor, angle = draw.choice([1.0, 1.002, 0.5], (M, P)), draw.choice([0.0, -0.35, 180.0], (M, P))
    told = pairs.copy()
    correct(told, factor, angle)
    for k, m, p in np.ndindex(K, M, P):
        assert told[k, m, p, 0] == pytest.approx(float(pairs[k, m, p, 0]) * factor[m, p], rel=1e-6)
        off = float(told[k, m, p, 1]) - (float(pairs[k, m, p, 1]) + angle[m, p])
        assert min(off % 360, -off % 360) == pytest.approx(0, abs=1e-4)
        assert -180 < told[k, m, p, 1] <= 180 or angle[m, p] == 0


def test_what_is_not_corrected_stays_the_same_bits():
    pairs = np.array([[[[np.nan, -180.0], [1.1, 179.99]]]], "f4")
    before = pairs.tobytes()
    correct(pairs, np.ones((1, 2)), np.zeros((1, 2)))
    assert pairs.tobytes() == before
