from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from algorithms.derived import Recipe, Recipes, derive

V, I = (2, 4, 6), (8, 10, 12)  # noqa: E741
FULL = Recipe(
    sequences=((V, (14, 16, 18)), (I, (20, 22, 24))), power=((V, I, (26, 27)),), unbalance=((V, 28), (I, 29))
)  # fmt: skip
OTHER = Recipe(sequences=(((12, 8, 4), (20, 14, 16)),))


def of(row: np.ndarray, channels: tuple[int, ...]) -> list[complex]:
    return [cmath.rect(float(row[at]), math.radians(float(row[at + 1]))) for at in channels]


def test_every_device_by_its_own_recipe_row_by_row():
    draw = np.random.default_rng(11)
    values = np.full((4, 3, 30), np.nan, np.float32)
    values[..., 2:14:2] = draw.uniform(1, 100, (4, 3, 6))
    values[..., 3:14:2] = draw.uniform(-180, 180, (4, 3, 6))
    values[2, 0, 4] = np.nan
    recipes = [FULL, OTHER, Recipe()]
    told = values.copy()
    derive(told, Recipes.of(recipes))
    a = cmath.rect(1, 2 * math.pi / 3)
    for k, m in np.ndindex(4, 3):
        wanted = values[k, m].astype(float)
        for phases, out in recipes[m].sequences:
            one, two, three = of(values[k, m], phases)
            each = [(one + two + three) / 3, (one + a * two + a * a * three) / 3, (one + a * a * two + a * three) / 3]
            for at, phasor in zip(out, each, strict=True):
                wanted[at : at + 2] = abs(phasor), math.degrees(cmath.phase(phasor))
        for volts, amperes, out in recipes[m].power:
            both = sum(
                u * i.conjugate() for u, i in zip(of(values[k, m], volts), of(values[k, m], amperes), strict=True)
            )
            wanted[list(out)] = both.real, both.imag
        for phases, out in recipes[m].unbalance:
            one, two, three = of(values[k, m], phases)
            wanted[out] = 100 * abs(one + a * a * two + a * three) / abs(one + a * two + a * a * three)
        assert told[k, m].astype(float) == pytest.approx(wanted, rel=1e-4, abs=1e-3, nan_ok=True)


def test_without_recipes_nothing_changes():
    values = np.ones((1, 2, 5), np.float32)
    derive(values, Recipes.of([Recipe(), Recipe()]))
    assert (values == 1).all()
