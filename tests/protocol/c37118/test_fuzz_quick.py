"""Mutated frames, some at every run and a million where time is."""

from __future__ import annotations

import pytest

from tests.fuzz.mutated import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_frames_raise_nothing(seed: int) -> None:
    result = fuzz(10_000, seed)
    assert result["highest_pending_bytes"] <= 65_535 + 65_536
    assert result["decoded"] > 1000
    assert result["refused"] > 100
    assert result["corrupt_frames"] > 1000
    assert result["ConfigurationFrame"] > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million() -> None:
    assert fuzz(1_000_000, 3)["frames"] > 500_000
