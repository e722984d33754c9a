"""What was judged is scored as the labelled scenarios beside the checkout define it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.grids import measure
from benchmarks.grids.scoring import Scores, Share, macro_f1, scored, within

KINDS = ["gen_trip", "load_loss", "line_trip", "fault_3ph", "osc_forced", "osc_subsync"]


def guessed(labels: list[dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    """Predictions that are right now and then."""
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, Any]] = {}
    for label in labels:
        if rng.random() < 0.05:
            continue
        said: dict[str, Any] = {"disturbance": bool(rng.random() < (0.8 if label["disturbance"] else 0.2))}
        said["kind"] = label["kind"] if rng.random() < 0.6 else str(rng.choice(KINDS))
        if label["t_event"] is not None:
            said["t_event"] = label["t_event"] + float(rng.normal())
        if label["lat"] is not None and rng.random() < 0.9:
            said |= {"lat": label["lat"] + float(rng.normal()), "lon": label["lon"] + float(rng.normal())}
            said["nearest"] = [str(name) for name in rng.permutation(label["devices"])]
            if rng.random() < 0.8:
                said["ellipse95"] = [
                    float(rng.uniform(50, 300)),
                    float(rng.uniform(20, 50)),
                    float(rng.uniform(0, 180)),
                ]
        found[label["id"]] = said
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_are_those_of_the_given_program(shared: Path, seed: int) -> None:
    spec = importlib.util.spec_from_file_location("scenario_score", shared / "data" / "scenarios" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    given = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(given)
    labels = json.loads((shared / "data" / "scenarios" / "labels.json").read_text())
    labels = [label for label in labels if not label["system"].startswith("REAL")]
    said = guessed(labels, seed)
    want, got = given.score(labels, said), scored(labels, said)
    assert got.found.value == pytest.approx(want["detection_rate"])
    assert [got.marginal.held, got.marginal.count] == want["marginal_events_found"]
    sizes = {name: [round(some.value, 3), some.count] for name, some in got.by_size.items() if some.count}
    assert {name.replace("–", "-"): each for name, each in sizes.items()} == want["detection_rate_by_size"]
    assert {kind: round(some.value, 3) for kind, some in got.by_kind.items()} == want["detection_rate_by_kind"]
    assert got.false.value == pytest.approx(want["false_alarm_windows_clean"])
    assert got.rejected.value == pytest.approx(want["bad_data_rejection_rate"])
    assert got.ten == pytest.approx(want["kind_macro_f1"])
    assert got.six == pytest.approx(want["coarse_macro_f1"])
    assert np.median(got.time) == pytest.approx(want["time_error_s_without_oscillations"]["median"])
    assert np.percentile(got.time, 95) == pytest.approx(want["time_error_s_without_oscillations"]["p95"])
    assert np.median(got.time + got.begin) == pytest.approx(want["time_error_s"]["median"])
    assert np.median(got.away) == pytest.approx(want["location_error_km"]["median"], rel=1e-6)
    assert got.ellipse.value == pytest.approx(want["ellipse95"]["coverage"])
    assert [got.first.value, got.three.value] == pytest.approx(
        [want["nearest_elec"][name] for name in ("top1", "top3")]
    )


def test_macro_f1_is_the_mean_of_the_true_kinds() -> None:
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("b", "c")]
    assert macro_f1(pairs) == pytest.approx(np.mean([2 / 3, 4 / 6]))
    assert np.isnan(macro_f1([]))


def test_an_ellipse_holds_what_lies_along_its_longer_axis() -> None:
    north, east = [[51.0, 10.0]], [[50.0, 11.0]]
    assert within(np.array(north), np.array([50.0, 10.0]), [120.0, 20.0, 0.0]).all()
    assert not within(np.array(east), np.array([50.0, 10.0]), [120.0, 20.0, 0.0]).any()
    assert within(np.array(east), np.array([50.0, 10.0]), [80.0, 20.0, 90.0]).all()


def test_a_table_has_a_line_for_each_measure_also_of_nothing() -> None:
    made = measure.rows([Scores(), Scores(found=Share(3, 4), away=[10.0, 30.0])])
    assert {len(row) for row in made} == {3}
    assert ("detected, not marginal", "nan (0)", "0.75 (4)") in made
    assert any(row[0].startswith("place") and row[2] == "20 / 28 km" for row in made)
