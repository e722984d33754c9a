"""On labelled scenarios beside the checkout, if they are there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.observations import Observations
from algorithms.quality import assess


@pytest.fixture(scope="module")
def scenarios(shared: Path) -> Any:
    spec = importlib.util.spec_from_file_location("scenario_reader", shared / "data" / "scenarios" / "load.py")
    assert spec
    assert spec.loader
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    return reader.Set(str(shared / "data" / "scenarios"))


def observed(scenarios: Any, name: str) -> Observations:
    data = {key: x.astype(np.float64) for key, x in scenarios.data(name).items()}
    place = np.full(len(data["freq"]), np.nan)
    return Observations(50.0, data["freq"], data["vmag"], data["vang"], data["v2"], data["v0"], place, place)


@pytest.mark.parametrize("system", ["IEEE39", "NPCC140"])
def test_bad_devices_are_named_and_no_others(scenarios: Any, system: str):
    named, labelled = set(), set()
    some = [label for label in scenarios.labels if label["system"] == system]
    for label in [each for each in some if each["bad_data"]][::3] + [each for each in some if not each["bad_data"]][
        ::6
    ]:
        named |= {
            (label["id"], label["devices"][flag.device]) for flag in assess(observed(scenarios, label["id"])).flags
        }
        labelled |= {(label["id"], bad["device"]) for bad in label["bad_data"]}
    assert len(labelled) >= 7
    assert len(named & labelled) >= 0.9 * len(labelled)
    assert len(named - labelled) <= 0.05 * len(named)
