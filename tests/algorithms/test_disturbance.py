"""What a detector's algorithm makes of values that no grid has."""

from __future__ import annotations

import json

import numpy as np
import pytest

from algorithms import registry
from algorithms.quantities import ANGLE, FREQUENCY, MAGNITUDE, NEGATIVE, QUANTITIES, ZERO
from algorithms.registry import Judgement, WindowData

DEVICES, SAMPLES, RATE = 5, 1500, 50.0


def quiet() -> np.ndarray:
    """[m, 7, n]"""
    draw = np.random.default_rng(1)
    values = np.zeros((DEVICES, len(QUANTITIES), SAMPLES), np.float32)
    values[:] = draw.normal(size=values.shape)
    values[:, FREQUENCY] = 50 + 1e-3 * values[:, FREQUENCY]
    values[:, MAGNITUDE] = 66_000 + 50 * values[:, MAGNITUDE]
    values[:, ANGLE] *= 0.05
    return values


def judged(values: np.ndarray, **more: int) -> Judgement:
    place = np.linspace(30, 33, len(values)).tolist()
    told = {"latitude": place, "longitude": place, "nominal": 50.0, "since": 1000} | more
    filled = np.zeros((len(values), SAMPLES), np.uint8)
    device = np.arange(len(values), dtype=np.uint32)
    window = WindowData(device, 0, RATE, list(QUANTITIES), values, filled, told)
    found = registry.find("disturbance")
    return found.run(window, found.settings())


@pytest.mark.parametrize("quantity", [FREQUENCY, MAGNITUDE, ANGLE, NEGATIVE, ZERO])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("devices", [[0], list(range(DEVICES))])
def test_constant_and_hostile_values_are_judged(quantity: int, value: float, devices: list[int]) -> None:
    values = quiet()
    values[devices, quantity] = value
    found = judged(values)
    json.dumps(found.detail, allow_nan=False)
    assert not found.suspicious


def test_what_is_not_finite_was_not_measured() -> None:
    hostile, missing = quiet(), quiet()
    hostile[1, :, 700:720], missing[1, :, 700:720] = np.inf, np.nan
    assert judged(hostile).detail == judged(missing).detail


def test_what_came_not_yet_is_not_called_lost() -> None:
    values = quiet()
    values[1, :, -30] = np.nan
    assert [flag["kind"] for flag in judged(values).detail["bad"]] == ["packet_loss"]
    assert judged(values, late=200).detail["bad"] == []
