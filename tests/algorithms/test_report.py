"""What a report says of how a disturbance swings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from algorithms.judgement import judge
from algorithms.report import report
from tests.algorithms.coanalysis.grids import Grid

AT = 70.0


def test_an_oscillation_has_its_damping_and_its_energy_by_bands():
    hertz, decay = 0.5, 0.05
    said = report(judge(Grid().oscillation(AT, hertz, 25.0, decay=decay).seen().repaired))
    assert said["kind"] == "osc_inter_area"
    swing = said["oscillation"]
    assert swing["hz"] == pytest.approx(hertz, rel=0.03)
    assert swing["damping"] == pytest.approx(decay / (2 * np.pi * hertz), abs=max(4 * swing["damping_error"], 0.005))
    assert set(swing["energy"]) == {"inter_area", "local", "subsynchronous"}
    assert swing["energy"]["inter_area"]["times"] > 1.5
    assert json.loads(json.dumps(said)) == said


def test_what_is_no_oscillation_has_energy_alone():
    swing = report(judge(Grid().trip(AT, -60.0).seen().repaired))["oscillation"]
    assert swing["hz"] is swing["damping"] is swing["damping_error"] is None
    assert all(each["mhz"] > 0 for each in swing["energy"].values())


def test_nothing_swings_in_quiet():
    assert report(judge(Grid().seen().repaired))["oscillation"] == {}
