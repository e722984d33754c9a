"""Recordings as simulated devices play them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from algorithms.observations import Observations
from archive.scenarios import Folder
from commands.app import make_app
from nodes import _site
from nodes._node import Place, StartError
from nodes._simrecorded import PHASES, Recorded, _phases
from nodes._simulated import VOLTAGE
from nodes.simulator import Settings, Simulator
from protocol.c37118 import compile_codec
from protocol.clock import SECOND, Now, slot_of
from tests.algorithms.coanalysis.grids import Grid, M
from tests.recordings import write_folder
from tests.stations import PLACE, Loop, Station

DEVICES = [f"D{k}" for k in range(M)]
GAP = (1, 20, 35)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One window of two seconds, in which a device has a gap."""
    seen = Grid(3, 2.0).seen().repaired
    more = {"A-1/gaps": np.array([GAP])}
    return write_folder(tmp_path_factory.mktemp("folder"), {"A-1": seen}, DEVICES, more)


def seen(folder: Path) -> Observations:
    opened = Folder(folder)
    return opened.observations(opened.scenario("A-1"))


@given(st.lists(st.floats(0.0, 1.5), min_size=3, max_size=3), st.floats(-np.pi, np.pi))
def test_phases_have_the_sequences_that_were_recorded(sizes: list[float], angle: float) -> None:
    magnitude, negative, zero = (np.full((1, 1), size) for size in sizes)
    if not sizes[0]:
        sizes = [0.0] * 3  # zeros are zeros in all channels
    phases = _phases(magnitude, np.full((1, 1), angle), negative, zero)[:, 0, 0] / VOLTAGE
    again = np.linalg.solve(PHASES.astype(complex), phases)
    np.testing.assert_allclose(np.abs(again), [sizes[2], sizes[0], sizes[1]], atol=1e-12)
    if sizes[0] > 1e-3:
        assert np.exp(1j * (np.angle(again[1]) - angle)) == pytest.approx(1.0)


def test_a_device_that_fills_with_zeros_does_so_in_all_channels() -> None:
    magnitude, level = np.array([[1.0, 0.0, 1.0]]), np.full((1, 3), 0.002)
    phases = _phases(magnitude, np.array([[0.3, 0.0, 0.3]]), level, level)
    assert not phases[:, 0, 1].any()
    assert np.abs(phases[:, 0, ::2]).min() > 0.9 * VOLTAGE


def test_instants_follow_each_other_and_begin_anew(folder: Path) -> None:
    opened, wanted = Folder(folder), seen(folder)
    played = Recorded(opened, opened.scenario("A-1"), loops=2)
    assert played.duration == 4 * SECOND
    made = [played.next(1) for _ in range(200)]
    values = np.stack([each.values for each in made[:100]])
    np.testing.assert_array_equal(values, np.stack([each.values for each in made[100:]]))
    there = np.stack([each.there for each in made[:100]])
    np.testing.assert_array_equal(there.T, np.isfinite(wanted.frequency))
    np.testing.assert_allclose(values[..., 0].T[there.T], wanted.frequency[there.T], atol=1e-5)
    assert not there[GAP[1] : GAP[2], GAP[0]].any()
    assert not played.next(1).there.any()


def simulator(folder: Path, station: Station, **settings: Any) -> Simulator:
    told = {"to": f"127.0.0.1:{station.port}", "recording": str(folder), "window": "A-1", **settings}
    return Simulator(Settings.model_validate(told), PLACE)


def test_a_station_receives_what_was_recorded(folder: Path) -> None:
    wanted = seen(folder)
    with Station() as station:
        start = (station.now.utc // SECOND + 2) * SECOND
        node = simulator(folder, station, start=start)
        loop = Loop(node, station)
        loop.until(lambda: False)
        loop.stop()
        assert loop.done
        for talk in station.talks:
            [station_] = talk.told[-1].stations
            device = DEVICES.index(station_.name)
            assert (station_.latitude, station_.longitude) == pytest.approx((50.0, device))
            batch = compile_codec(talk.told[-1]).decode(talk.frames)
            at = slot_of(batch.time, 50) - slot_of(start, 50)
            np.testing.assert_array_equal(at, np.flatnonzero(np.isfinite(wanted.frequency[device])))
            values = batch.stations[0].values
            np.testing.assert_allclose(values[:, 0], wanted.frequency[device, at], atol=1e-5)
            phasors = values[:, 2::2] * np.exp(1j * np.radians(values[:, 3::2]))
            zero, positive, negative = np.linalg.solve(PHASES.astype(complex), phasors.T) / VOLTAGE
            np.testing.assert_allclose(np.abs(positive), wanted.magnitude[device, at], rtol=1e-5)
            np.testing.assert_allclose(np.abs(negative), wanted.negative[device, at], atol=1e-5)
            np.testing.assert_allclose(np.abs(zero), wanted.zero[device, at], atol=1e-5)
            np.testing.assert_allclose(np.exp(1j * (np.angle(positive) - wanted.angle[device, at])), 1, atol=1e-4)
        assert len(station.talks) == M


def test_what_lies_in_the_past_is_passed_over(folder: Path) -> None:
    wanted = seen(folder)
    with Station() as station:
        start = station.now.utc // SECOND * SECOND - 8 * SECOND // 10
        loop = Loop(simulator(folder, station, start=start), station)
        loop.until(lambda: False)
        loop.stop()
        [talk] = [talk for talk in station.talks if talk.told[-1].stations[0].name == "D0"]
        batch = compile_codec(talk.told[-1]).decode(talk.frames)
        at = slot_of(batch.time, 50) - slot_of(start, 50)
        assert 40 <= at[0] < 60
        assert at[-1] == 99
        np.testing.assert_allclose(batch.stations[0].values[:, 0], wanted.frequency[0, at], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"devices": 3}, "devices is not for a recording"),
        ({"scenario": "fault"}, "scenario is not for a recording"),
        ({"window": "A-9"}, "no window is called 'A-9'; there are A-1"),
        ({"recording": "/nowhere"}, r"labels\.json: No such file"),
        ({"start": "soon"}, "'soon' is no time"),
    ],
)
def test_settings_that_do_not_fit_are_faults(folder: Path, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Settings.model_validate({"to": "127.0.0.1:1", "recording": str(folder), "window": "A-1"} | settings)


def test_a_window_without_a_recording_is_a_fault() -> None:
    with pytest.raises(ValidationError, match="window is of a recording"):
        Settings.model_validate({"to": "127.0.0.1:1", "window": "A-1"})


def test_several_copies_play_nothing(folder: Path) -> None:
    settings = Settings.model_validate({"to": "127.0.0.1:1", "recording": str(folder), "window": "A-1"})
    place = Place(name="d.2", node="d", copy=2, readers_of={}, sources={}, run="", site={}, pipeline="")
    node = Simulator(settings, place)
    with pytest.raises(StartError, match="one simulator"):
        list(node.start(Now(0, 0)))


def test_a_site_file_is_made_of_a_recording(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.yaml"
    words = ["simulate", "--recording", str(folder), "--window", "A-1", "--site", str(out)]
    result = CliRunner().invoke(make_app(["simulate", "check"]), words)
    assert result.exit_code == 0, result.output
    site = _site.load(out)
    assert [(each.name, each.number, each.stream, each.region) for each in site.devices] == [
        (name, k + 1, k + 1, "A") for k, name in enumerate(DEVICES)
    ]
    assert [(each.latitude, each.longitude) for each in site.devices] == [(50.0, float(k)) for k in range(M)]
    assert yaml.safe_load(out.read_text())["unknown"] == "refuse"
    assert CliRunner().invoke(make_app(["simulate", "check"]), words).exit_code == 2
