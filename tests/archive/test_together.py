"""Several stations, tables and rates on one time axis, against numbers computed from what was written."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import archive
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.together import Grid
from archive.writer import Archive
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Measurements, Table
from tests import archives
from tests.archives import NONE, T0, configuration, grid, measurements, seconds

HALF, FULL, SLOW = Table(50, 1, 0, 1), Table(100, 1, 0, 0), Table(1, 1, 0, 0, orders=4)
HUB, FAST = configuration(1, HALF, name="Hub A"), configuration(2, FULL, name="SMD C1")
SMD = configuration(3, HALF, name="SMD L1")
ORDERS = archives.spectrum(SMD, SLOW, range(2, 6))
START = T0 + 2398 * SECOND
"""Two seconds before an hour is full."""


def hertz(time: Any) -> Any:
    """A slow ramp."""
    return np.float32(50 + (time - START) / 1e9 / 64)


def degrees(time: Any, turns: float) -> Any:
    """An angle that turns."""
    return np.float32((turns * 360 * (time - START) / 1e9 + 180) % 360 - 180)


def told(word: Measurements, turns: float = 0.25) -> Measurements:
    """The same rows with values that are functions of time."""
    values = word.values.copy()
    values[:, 0], values[:, 1] = hertz(word.time), 0
    values[:, 2::2] = (100 + (word.time - START) / 1e9 * 8)[:, None]
    values[:, 3::2] = degrees(word.time, turns)[:, None]
    return replace(word, values=values)


@pytest.fixture(scope="module", params=["live", "finished"])
def mixed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Four seconds over an hour's border; Hub A has a hole of 200 ms, SMD C1 ends early."""
    hub = grid(0, 200, start=START)
    words = [
        told(measurements([1] * 190, np.delete(hub, slice(60, 70)), HALF)),
        told(measurements([2] * 250, grid(0, 250, 100, START), FULL)),
        told(measurements([3] * 200, hub, HALF)), told(archives.spectra(ORDERS, seconds(0, 5, START)), turns=0.0625),
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("mixed")
    writer = Archive(folder)
    for word in (HUB, FAST, SMD, ORDERS, *words):
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    if request.param == "finished":
        finish_all(folder)
    return folder


ASKED = {"f": ("Hub A", "frequency"), "g": ("SMD C1", "frequency"), "u5": ("SMD L1", "magnitude", "V0 h5"),
         "a": ("SMD L1", "angle", "V0 h3")}  # fmt: skip


def test_all_rates_on_one_axis(mixed: Path) -> None:
    with archive.open(mixed) as found:
        got = found.at("20 ms", ASKED)
        assert (got.time == START + np.arange(201) * 20 * MILLISECOND).all()
        np.testing.assert_array_equal(got["f"][:60], hertz(got.time[:60]))
        assert np.isnan(got["f"][60:70]).all()
        np.testing.assert_array_equal(got["f"][70:200], hertz(got.time[70:200]))
        np.testing.assert_array_equal(got["g"][:125], hertz(got.time[:125]))
        assert np.isnan([got["f"][200], *got["g"][125:]]).all()
        np.testing.assert_allclose(got["u5"], 100 + (got.time - START) / 1e9 * 8, rtol=1e-6)
        np.testing.assert_allclose(got["a"], (22.5 * (got.time - START) / 1e9), atol=1e-4)
        assert got.units == {"f": "Hz", "g": "Hz", "u5": "V", "a": "degrees"}


def test_between_samples(mixed: Path) -> None:
    at = START + np.array([5, 995, 1190, 2400]) * MILLISECOND
    with archive.open(mixed) as found:
        got = found.at(at, ASKED)
        np.testing.assert_array_equal(got.time, at)
        np.testing.assert_allclose(got["f"], [*hertz(at[:2]), math.nan, hertz(at[3])], rtol=1e-6)
        np.testing.assert_allclose(got["g"], hertz(at), rtol=1e-6)
        bridged = found.at(at, [("Hub A", "frequency")], gap="220 ms")
        np.testing.assert_allclose(bridged["Hub A frequency"], hertz(at), rtol=1e-6)
        assert np.isnan(found.at(at, {"f": ("Hub A", "frequency")}, gap=219 * MILLISECOND)["f"][2])


def test_angles_take_the_shorter_way(mixed: Path) -> None:
    """A quarter turn a second: over 180 degrees between 2.00 and 2.02 s."""
    at = START + np.array([1_995, 2_005, 2_015]) * MILLISECOND
    with archive.open(mixed) as found:
        got = found.at(at, {"a": ("SMD L1", "angle", "V0")})["a"]
    np.testing.assert_allclose(got, [179.55, -179.55, -178.65], atol=1e-4)


def test_previous_and_nearest(mixed: Path) -> None:
    at = START + np.array([0, 1_100, 1_600, 4_400, 4_600]) * MILLISECOND
    asked = {"u": ("SMD L1", "magnitude", "V0 h2"), "s": ("SMD L1", "status"), "f": ("SMD L1", "frequency")}
    with archive.open(mixed) as found:
        held, near = found.at(at, asked, method="previous"), found.at(at, asked, method="nearest")
        status = found.get("SMD L1", "status")[1]
        older = found.at(at, asked, method="previous", gap="400 ms")
    np.testing.assert_array_equal(held["u"], [100, 108, 108, 132, 132])
    np.testing.assert_array_equal(near["u"], [100, 108, 116, 132, 132])
    np.testing.assert_array_equal(older["u"], [100, 108, math.nan, 132, math.nan])
    np.testing.assert_array_equal(held["s"], [*status[[0, 55, 80]], math.nan, math.nan])
    np.testing.assert_array_equal(held["s"], near["s"])
    np.testing.assert_array_equal(near["f"], [*hertz(at[:3]), math.nan, math.nan])


def test_words_are_never_made_up(mixed: Path) -> None:
    at = START + np.array([0, 19, 1_250]) * MILLISECOND
    asked = [("Hub A", "digital", "word 1"), ("Hub A", "quality")]
    with archive.open(mixed) as found:
        words, quality = found.get("Hub A", "digital", "word 1")[1], found.get("Hub A", "quality")[1]
        for method in ("linear", "previous", "nearest", "mean"):
            got = found.at(at, asked, method=method)
            np.testing.assert_array_equal(got["Hub A digital word 1"], [words[0], words[0], math.nan])
            np.testing.assert_array_equal(got["Hub A quality"], [quality[0], quality[0], math.nan])
        assert got.units == {"Hub A digital word 1": "", "Hub A quality": ""}


def test_means_of_steps(mixed: Path) -> None:
    with archive.open(mixed, START + 500 * MILLISECOND, START + 3 * SECOND) as found:
        got = found.at("1 s", ASKED | {"b": ("SMD L1", "angle", "V0")}, method="mean")
        assert got.time.tolist() == [START + SECOND, START + 2 * SECOND]
        second = hertz(grid(0, 200, start=START)).astype(np.float64)
        expected = [np.delete(second[50:100], slice(10, 20)).mean(), second[100:150].mean()]
        np.testing.assert_allclose(got["f"], expected)
        np.testing.assert_allclose(got["g"][1], hertz(grid(200, 50, 100, START)).astype(np.float64).mean())
        np.testing.assert_array_equal(got["u5"], [108, 116])
        np.testing.assert_allclose(got["b"], [134.1, -135.9], atol=1e-3)
        uneven = found.at(START + np.array([1000, 1500, 1600]) * MILLISECOND, ASKED, method="mean")
        np.testing.assert_allclose(uneven["g"][2], hertz(grid(160, 10, 100, START)).astype(np.float64).mean())
        np.testing.assert_array_equal(uneven["u5"], [108, math.nan, math.nan])
    with archive.open(mixed) as found:
        assert found.at("2 s", ASKED, method="mean").time.tolist() == [START, START + 2 * SECOND, START + 4 * SECOND]


def test_an_axis_fills_the_interval_that_was_opened(mixed: Path) -> None:
    with archive.open(mixed, START - SECOND, START + 10 * MILLISECOND) as found:
        got = found.at("50/s", ASKED)
    assert got.time.tolist() == (START + np.arange(-50, 1) * 20 * MILLISECOND).tolist()
    assert np.isnan(got["f"][:50]).all()
    assert got["f"][50] == hertz(START)
    with archive.open(mixed, START + 500 * MILLISECOND, START + 600 * MILLISECOND) as found:  # neighbours are outside
        np.testing.assert_allclose(found.at("50 ms", ASKED)["u5"], [104, 104.4])


def test_instants_of_any_kind(mixed: Path) -> None:
    asked = {"f": ("SMD L1", "frequency")}
    at = START + np.array([20, 40]) * MILLISECOND
    with archive.open(mixed) as found:
        moments = [datetime.fromtimestamp(int(each) / 1e9, UTC) for each in at]
        for times in (at, at.astype("datetime64[ns]"), at.tolist(), moments, [str(each) for each in moments]):
            got = found.at(times, asked)
            np.testing.assert_array_equal(got.time, at)
            np.testing.assert_array_equal(got["f"], hertz(at))
        assert found.at(at[::-1], asked)["f"].tolist() == hertz(at[::-1]).tolist()
        assert len(found.at([], asked)["f"]) == 0


def test_grids() -> None:
    assert Grid("60/s").over(T0, T0 + 50 * MILLISECOND, 1).tolist() == [T0, T0 + 16_666_667, T0 + 33_333_333]
    assert Grid("0.5 ms").over(T0 - 1, T0 + 1_000_001, 1).tolist() == [T0, T0 + 500_000, T0 + 1_000_000]
    assert Grid("1 min").over(T0 + 1, T0 + 1, 1).tolist() == []


def test_a_station_that_changed_its_rate(tmp_path: Path) -> None:
    """Each table bridges gaps of its own; nothing is drawn from one to the other."""
    slow = replace(configuration(1, Table(5, 1, 0, 1), version=2), name="Hub A")
    words = [HUB, told(measurements([1] * 50, grid(0, 50, start=START), HALF)), slow,
             told(measurements([1] * 5, grid(5, 5, 5, START), Table(5, 1, 0, 1)))]  # fmt: skip
    writer = Archive(tmp_path)
    for word in words:
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    at = START + np.array([970, 990, 1_010, 1_190]) * MILLISECOND
    with archive.open(tmp_path) as found:
        got = found.at(at, {"f": ("Hub A", "frequency")})["f"]
    np.testing.assert_allclose(got, [hertz(at[0]), math.nan, hertz(at[2]), hertz(at[3])], rtol=1e-6)


def test_as_xarray(mixed: Path) -> None:
    with archive.open(mixed) as found:
        got = found.at("500 ms", ASKED)
        data = got.to_xarray()
        table = found.to_xarray(SLOW.name)
    assert data["u5"].dims == ("time",)
    assert data["u5"].attrs == {"units": "V"}
    np.testing.assert_array_equal(data["time"].values.astype("datetime64[ns]").astype(np.int64), got.time)
    own = table["magnitude"].sel(order=5, phasor="V0").squeeze("device", drop=True)
    xarray.testing.assert_allclose(data["u5"].sel(time=own["time"]), own, rtol=1e-6)


@pytest.mark.parametrize(
    ("times", "asked", "more", "said"),
    [
        ("1 s", ASKED, {"method": "cubic"}, "no method 'cubic': linear, previous, nearest, mean"),
        ("1 second", ASKED, {}, "'1 second' is no length of time; write it as \"20 ms\""),
        ("0 s", ASKED, {}, "is no length of time"),
        ("1 s", ASKED, {"gap": "wide"}, "'wide' is no length of time"),
        ("1 s", [("Hub A",)], {}, r"\('Hub A',\) names no quantity"),
        ("1 s", {"f": "frequency"}, {}, "'frequency' names no quantity"),
        ("1 s", [("Hub B", "frequency")], {}, "no station 'Hub B'"),
        ("1 s", [("Hub A", "magnitude", "V9")], {}, "name one of its magnitude channels: V0"),
        (np.array([1.5]), ASKED, {}, "an array of float64 is no times"),
        ([START, START], ASKED, {"method": "mean"}, "name two or more, ascending"),
        ([START + 3601 * SECOND], ASKED, {}, r"2026-05-03T10:59:59.000000Z is not in the interval"),
    ],
)
def test_faults_say_what_to_do(mixed: Path, times: Any, asked: Any, more: dict[str, Any], said: str) -> None:
    with archive.open(mixed, START, START + 3600 * SECOND) as found, pytest.raises(ArchiveError, match=said):
        found.at(times, asked, **more)


def test_an_axis_that_no_memory_holds(mixed: Path) -> None:
    with archive.open(mixed, "1970-01-01", "2100-01-01") as found, pytest.raises(ArchiveError, match="MiB in memory"):
        found.at("1 ms", ASKED)
