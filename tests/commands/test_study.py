"""`syms study`: scenario folders, predictions, what is kept when it is broken off, and how two differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from algorithms.judgement import VERSION
from archive.scenarios import Folder, ScenarioError
from commands import _predictions, study
from commands._comparison import Unreadable, compared, differences, load, paired
from commands._predictions import Judge, judge_of, prediction, predictions, window_of
from nodes._node import Place
from nodes.detector import Settings
from protocol import wire
from protocol.messages import device_number
from tests.algorithms.coanalysis.grids import Grid, M
from tests.recordings import write_folder

DEVICES = [f"D{k}" for k in range(M)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three windows: quiet, a fault with zero sequence and a gap, a lost generator; without the truth."""
    grids = {"A-1": Grid(1, 60.0), "A-2": Grid(2, 60.0).fault(30.0), "A-3": Grid(3, 60.0).trip(30.0, -40.0)}
    more = {
        "A-2/v0": np.full((M, 5), 2000, np.int16),
        "A-2/v2": np.full((M, 5), 3000, np.int16),
        "A-2/sq0": np.array([1500]),
        "A-2/gaps": np.array([[1, 100, 150]]),
    }
    return write_folder(tmp_path, {name: grid.seen().repaired for name, grid in grids.items()}, DEVICES, more)


def test_what_was_packed_is_read(folder: Path) -> None:
    opened = Folder(folder)
    seen = opened.observations(opened.scenarios[1])
    true = Grid(2, 60.0).fault(30.0).seen().repaired
    there = np.isfinite(seen.frequency)
    np.testing.assert_array_equal(np.argwhere(~there), [[1, k] for k in range(100, 150)])
    np.testing.assert_allclose(seen.frequency[there], true.frequency[there], atol=6e-5)
    turn = np.angle(np.exp(1j * (seen.angle - true.angle)))[there]
    assert np.abs(turn).max() < 5e-5 * np.pi
    np.testing.assert_allclose(seen.zero[:, 1500:1505], 0.2, atol=1e-3)
    np.testing.assert_allclose(np.nanmedian(seen.zero, axis=1), 0.001, atol=1e-4)
    np.testing.assert_allclose(np.nanmedian(seen.negative, axis=1), 0.002, atol=1e-4)
    assert seen.longitude.tolist() == list(range(M))


@pytest.fixture(autouse=True)
def gave_way(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the verb did to give way; the process of the tests keeps its priority."""
    said: list[str] = []
    monkeypatch.setattr("commands._polite.give_way", lambda: said.append("gave way"))
    return said


def test_the_verb_judges_all(folder: Path, gave_way: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = _predictions.ProcessPoolExecutor
    monkeypatch.setattr(_predictions, "ProcessPoolExecutor", lambda *told: gave_way.append("began") or before(*told))
    app = typer.Typer()
    app.callback()(lambda: None)
    study.register(app)
    out = folder / "out.json"
    words = ["study", "--scenarios", str(folder), "--predictions", str(out), "--workers", "2", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert gave_way == ["gave way", "began"], "the processes that judge take after it"
    said = json.loads(out.read_text())
    assert [said[name]["disturbance"] for name in ("A-1", "A-2", "A-3")] == [False, True, True]
    assert said["A-2"]["kind"] == "fault_ground"
    assert said["A-2"]["t_event"] == pytest.approx(30.0, abs=0.1)
    assert said["A-2"]["bad_devices"] == ["D1"]
    assert said["A-2"]["bad"] == [{"device": "D1", "type": "gap", "t_start": 2.0, "t_end": 3.0}]
    assert said["A-3"]["kind"] == "gen_trip"
    assert said["A-3"]["oscillation"]["energy"]["inter_area"]["mhz"] > 0
    assert said["A-3"]["nearest"][0] == "D0"
    assert not out.with_name("out.json.part").exists()


def test_what_is_judged_already_is_not_judged_again(folder: Path) -> None:
    kept = folder / "part"
    head = json.dumps(["", {"folder": str(folder), "judgement": VERSION}]) + "\n"
    lines = '["A-1", {"disturbance": true}]\n["A-2", {"disturbance": false}]\n["A-3", {"dist'
    kept.write_text(head + lines)
    found = dict(predictions(Folder(folder), kept, workers=1))
    assert found["A-1"] == {"disturbance": True}
    assert found["A-2"] == {"disturbance": False}
    assert found["A-3"]["kind"] == "gen_trip"
    again = dict(predictions(Folder(folder), kept, workers=1))
    assert again == found
    kept.write_text(head.replace(f": {VERSION}", ": 0") + lines)
    assert not dict(predictions(Folder(folder), kept, workers=1))["A-1"]["disturbance"]


def test_a_folder_without_scenarios_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"labels\.json"):
        Folder(tmp_path)
    (tmp_path / "labels.json").write_text('[{"id": "A-1"}]')
    with pytest.raises(ScenarioError, match="lacks 'file'"):
        Folder(tmp_path)


def test_a_damaged_folder_is_a_fault(folder: Path) -> None:
    whole, labels = (folder / "A.npz").read_bytes(), (folder / "labels.json").read_text()
    opened = Folder(folder)
    (folder / "A.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ScenarioError, match=r"A\.npz: A-1 can't be read: .*; want the npz"):
        opened.observations(opened.scenarios[0])
    (folder / "A.npz").write_bytes(whole[:1000] + bytes(1000) + whole[2000:])
    with pytest.raises(ScenarioError, match=r"A\.npz: A-1 can't be read"):
        opened.observations(opened.scenarios[0])
    (folder / "A.npz").write_bytes(whole)
    (folder / "labels.json").write_text(labels.replace(f', "D{M - 1}"', ""))
    fewer = Folder(folder)
    with pytest.raises(ScenarioError, match=f"it has {M} devices, labels.json names {M - 1}"):
        fewer.observations(fewer.scenarios[0])
    for name, content, what in (
        ("labels.json", "{}", "holds dict; want a list of windows"),
        ("devices.json", "[]", "holds list; want the devices of each system"),
        ("devices.json", '{"A": [{"lat": 50.0}]}', "a device of A lacks 'id'"),
    ):
        (folder / name).write_text(content)
        with pytest.raises(ScenarioError, match=what):
            Folder(folder)
        (folder / name).write_text(labels)


def test_devices_without_a_position_are_told(folder: Path) -> None:
    assert Folder(folder).unplaced == []
    told = json.loads((folder / "devices.json").read_text())
    told["A"][1].pop("lat")
    (folder / "devices.json").write_text(json.dumps({"A": told["A"][:-1]}))
    assert Folder(folder).unplaced == ["D1", f"D{M - 1}"]


def test_differences_are_told_and_small_ones_are_none() -> None:
    one = {"a": {"disturbance": True, "score": 2.0, "t_event": 5.0, "nearest": ["x", "y"]}, "b": {"disturbance": False}}
    other = {"a": {"disturbance": True, "score": 2.05, "t_event": 5.5, "nearest": ["y"]}, "c": {"disturbance": False}}
    assert differences(one, one) == []
    assert differences(one, other) == [
        {"id": "a", "t_event": [5.0, 5.5], "nearest": ["x", "y"]},
        {"id": "b", "there": [True, False]},
        {"id": "c", "there": [False, True]},
    ]


def test_what_is_no_file_of_predictions_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    for name in ("list.json", "nothing.json"):
        with pytest.raises(Unreadable, match=name):
            load(tmp_path / name)


def test_events_of_two_studies_are_paired_by_id_and_then_by_onset() -> None:
    one = {"a": {"onset": 0}, "b": {"onset": 20 * 10**9}, "c": {"onset": 60 * 10**9}}
    other = {"a": {"onset": 50 * 10**9}, "x": {"onset": 21 * 10**9}, "y": {"onset": 19 * 10**9 + 1}, "z": {"onset": 0}}
    _, named = paired(one, other)
    assert named == {"a": other["a"], "x": other["x"], "b": other["y"], "z": other["z"]}


def test_a_file_and_a_folder_can_not_be_compared(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text("{}")
    with pytest.raises(Unreadable, match="two files of predictions, or the folders of two studies"):
        compared(tmp_path, tmp_path / "file.json")
    with pytest.raises(Unreadable, match="no SYMS archive"):
        compared(tmp_path, tmp_path)


OWN = """
from algorithms.registry import Hertz, Judgement, Settings, WindowData, algorithm
import numpy as np


class Own(Settings):
    limit: Hertz = 0.02


@algorithm("swing", version=3, together=True)
def judge(window: WindowData, settings: Own) -> Judgement:
    \"\"\"Largest step of the frequency's median over the devices within two seconds.\"\"\"
    middle = np.nanmedian(window.values[:, 0], axis=0)
    step = np.abs(middle[100:] - middle[:-100])
    assert window.quantities[0] == "frequency" and window.context["longitude"][1] == 1.0
    found = bool(step.max() > settings.limit)
    return Judgement(found, float(step.max() / settings.limit), int(step.argmax()) if found else None, {"kind": "own"})
"""


PIPELINE = """site: site.yaml
nodes:
  front:      {{kind: balancer,     listen: 127.0.0.1:4712}}
  receivers:  {{kind: receiver,     from: front}}
  align:      {{kind: concentrator, from: receivers}}
  windows:    {{kind: trigger,      from: align}}
  prejudge:   {{kind: detector,     from: windows}}
  suspects:   {{kind: trigger,      from: [align, windows], on: suspicion}}
  identify:   {{kind: detector,     from: suspects, algorithm: ./own.py, settings: {{limit: {limit} Hz}}}}
"""


def test_a_pipeline_says_what_judges(folder: Path) -> None:
    (folder / "own.py").write_text(OWN)
    (folder / "site.yaml").write_text("station: test\nunknown: admit\n")
    limit = 0.03
    (folder / "own.yaml").write_text(PIPELINE.format(limit=limit))
    out = folder / "out.json"
    app = typer.Typer()
    app.callback()(lambda: None)
    study.register(app)
    words = ["study", "--scenarios", str(folder), "--predictions", str(out), "--pipeline", str(folder / "own.yaml")]
    words += ["--workers", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    said = json.loads(out.read_text())
    opened = Folder(folder)
    for scenario in opened.scenarios:
        frequency = np.nanmedian(opened.observations(scenario).frequency.astype(np.float32), axis=0)
        most = np.abs(frequency[100:] - frequency[:-100]).max()
        assert said[scenario.id]["score"] == pytest.approx(most / limit, rel=1e-3)
        assert said[scenario.id]["disturbance"] == (most > limit)
    assert said["A-3"]["kind"] == "own"


def test_what_an_algorithm_raises_is_told(folder: Path) -> None:
    (folder / "own.py").write_text(OWN.replace("middle = ", 'raise ValueError("no idea")\n    middle = '))
    (folder / "site.yaml").write_text("station: test\nunknown: admit\n")
    (folder / "own.yaml").write_text(PIPELINE.format(limit=0.03))
    app = typer.Typer()
    app.callback()(lambda: None)
    study.register(app)
    words = ["study", "--scenarios", str(folder), "--predictions", str(folder / "out.json"), "--json"]
    result = CliRunner().invoke(app, [*words, "--pipeline", str(folder / "own.yaml")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["failed"] == 3
    assert "3 could not be judged, the last one: ValueError: no idea" in result.stderr
    assert "Traceback" not in result.output


def test_the_pipelines_own_judgement_is_that_without_one(folder: Path) -> None:
    opened = Folder(folder)
    place = Place(name="d", node="d", copy=1, readers_of={}, sources={}, run="", site={}, pipeline="")
    judge = judge_of(Judge(Settings.model_validate({"algorithm": "disturbance"}), place, {"D0": 1}))
    alone = judge_of(None)
    for scenario in opened.scenarios[1:]:
        seen = opened.observations(scenario)
        one, other = (prediction(each(seen, DEVICES), DEVICES) for each in (alone, judge))
        assert other["kind"] == one["kind"]
        assert other["t_event"] == pytest.approx(one["t_event"], abs=0.02)
        assert other["bad_devices"] == one["bad_devices"]
        assert other["nearest"][0] == one["nearest"][0]


def test_devices_have_the_numbers_of_the_site_file(folder: Path) -> None:
    opened = Folder(folder)
    seen = opened.observations(opened.scenarios[0])
    window = window_of(seen, [7, *range(60_001, 60_000 + M)])
    assert window.device[0] == device_number(7, 0)
    np.testing.assert_array_equal(window.values[:, 0], seen.frequency.astype(np.float32))
    np.testing.assert_allclose(window.values[:, 2], np.degrees(seen.angle), rtol=1e-6)
    assert wire.unpack(wire.pack(window)).detail["longitude"] == list(range(M))
