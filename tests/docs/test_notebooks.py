"""Example notebooks do what they say, on a small archive with an event that the station's own chain judged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import nbformat
import numpy as np
import pytest

from algorithms import registry
from algorithms.quantities import QUANTITIES, Plan, reduce
from algorithms.registry import WindowData
from algorithms.simulation import Kind, Scenario
from archive.finish import finish_all
from archive.layout import channels
from archive.reading import open_archive
from archive.retention import DAY, Rules, plan, remove
from archive.writer import Archive
from nodes._sources import sources_of
from protocol.clock import SECOND
from protocol.messages import Configuration, Event, device_number
from tests import archives as makers
from tests.recordings import TABLE, simulated_archive

matplotlib.use("agg")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "examples").glob("*.ipynb"))
DEVICES, SECONDS, TRIP = 6, 36, 16.0


def window(root: Path) -> WindowData:
    """As an event trigger cuts it, of all devices."""
    with open_archive(root) as found:
        rows = found.to_xarray(TABLE.name)
        known = found.configurations[TABLE.name]
    values = rows["values"].sel(device=[each.name for each in known], channel=channels(TABLE)).values
    plan = Plan.of([source for each in known if (source := sources_of(each)) is not None])
    told = reduce(np.ascontiguousarray(values.transpose(2, 0, 1)), plan)
    context = {"latitude": [each.latitude for each in known], "longitude": [each.longitude for each in known],
               "nominal": 50.0, "since": round((TRIP - 5) * 50)}  # fmt: skip
    device = np.array([each.device for each in known], np.uint32)
    filled = np.zeros((len(device), len(told)), np.uint8)
    return WindowData(device, makers.T0, 50.0, list(QUANTITIES), np.ascontiguousarray(told.transpose(1, 2, 0)), filled,
                      context)  # fmt: skip


def said(root: Path) -> Event:
    """What the station says of it."""
    algorithm = registry.find("disturbance")
    cut = window(root)
    judged = algorithm.run(cut, algorithm.settings())
    told: dict[str, Any] = judged.detail
    onset = makers.T0 + round(TRIP * SECOND)
    devices = cut.device.tolist()
    arrival = [0 if each is None else makers.T0 + round(each * SECOND) for each in told["arrival"]]
    names = ("disturbance", "kind", "confidence", "size_mhz", "latitude", "longitude", "ellipse")
    return makers.event(
        onset, range(1, DEVICES + 1), answer=3, start=makers.T0, stop=makers.T0 + SECONDS * SECOND,
        score=judged.score, onset=makers.T0 + round(told["onset"] * SECOND), arrival=np.array(arrival, np.int64),
        amplitude=np.array([np.nan if each is None else each for each in told["amplitude"]]), bad=[],
        nearest=[devices[at] for at in told["nearest"]], detail=told, version=algorithm.version,
        suspicions=[{"device": device_number(1, 0), "trigger": "windows", "start": makers.T0, "onset": onset,
                     "score": 2.0}],
        **{name: told[name] for name in names},
    )  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = Scenario(Kind.GENERATION_TRIP, TRIP)
    path = simulated_archive(tmp_path_factory.mktemp("archive"), DEVICES, SECONDS, scenario, apart=True)
    archive = Archive(path)
    archive.take(said(path))
    archive.commit(makers.NONE)
    archive.write_events(makers.NONE, 0, 10 * SECOND, 20 * SECOND, everything=True)
    archive.close()
    finish_all(path)
    return path


def test_there_are_some() -> None:
    assert [path.name for path in NOTEBOOKS] == ["redo-an-event.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert json.loads(path.read_text())["metadata"].keys() <= {"kernelspec", "language_info"}


def check(comparison: dict[str, Any], without: str, rules: list[str]) -> None:
    """Each figure is the one that the station said."""
    assert {what: theirs for what, (theirs, _) in comparison.items()} == {
        what: ours for what, (_, ours) in comparison.items()
    }
    assert comparison["kind"][1] == without == "gen_trip"
    assert comparison["onset [s]"][0] == pytest.approx(TRIP, abs=1.0)
    assert rules


def redone(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The code of the notebook, from its first cell to its last."""
    monkeypatch.setenv("SYMS_ARCHIVE", str(root))
    monkeypatch.setattr(matplotlib.pyplot, "show", lambda: None)
    known: dict[str, Any] = {"__name__": "__main__"}
    for cell in nbformat.read(NOTEBOOKS[0], 4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), known)
    matplotlib.pyplot.close("all")
    known["clip"].close()
    return known


def test_an_event_is_redone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = redone(root, monkeypatch)
    check(known["comparison"], known["without"].kind.name, known["again"].kind.rules)


def test_an_event_is_redone_of_its_own_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rows are gone: it says so, and judges what the file of the event has of them."""
    path = tmp_path / "archive"
    shutil.copytree(root, path)
    now = makers.T0 + 90 * DAY
    remove(path, plan(path, Rules(age=DAY, overviews=365 * DAY), now), now)
    known = redone(path, monkeypatch)
    assert "removed by retention" in capsys.readouterr().out
    theirs, ours = known["comparison"]["kind"]
    assert theirs == ours == "gen_trip"
    assert known["comparison"]["onset [s]"][1] == pytest.approx(TRIP, abs=1.0)
    for each in known["tables"].values():
        each.close()


@pytest.mark.slow
@pytest.mark.system
def test_a_kernel_runs_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Jupyter does: a kernel takes seconds to start."""
    from nbclient import NotebookClient

    monkeypatch.setenv("SYMS_ARCHIVE", str(root))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOKS[0], 4)
    told = "import json; print(json.dumps([comparison, without.kind.name, again.kind.rules]))"
    notebook.cells.append(nbformat.v4.new_code_cell(told))
    NotebookClient(notebook, timeout=90, kernel_name="python3").execute()
    check(*json.loads(notebook.cells[-1].outputs[0].text))


def test_the_window_of_the_test_is_that_of_the_rows(root: Path) -> None:
    cut = window(root)
    assert cut.values.shape == (DEVICES, len(QUANTITIES), 50 * SECONDS)
    with open_archive(root) as found:
        _, hertz = found.get("D1", "frequency")
    np.testing.assert_array_equal(cut.values[0, 0], hertz)
    assert all(isinstance(each, Configuration) for each in found.configurations[TABLE.name])
