"""Overviews say of every second what its rows say, whether they are kept in a file or made from rows."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import archive
from archive import layout
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.overviews import Overview, statistics
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests.archives import NONE, SMALL, T0, configuration, grid, measurements


def write(path: Path, *words: object) -> None:
    writer = Archive(path)
    for word in words:
        writer.take(word)  # type: ignore[arg-type]
    writer.commit(NONE)
    writer.close()


@pytest.fixture(scope="module", params=["live", "finished", "late", "older"])
def filled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Two stations over an hour's border; the second has a gap; live, finished, with late rows, of an older release."""
    folder = tmp_path_factory.mktemp(request.param)
    border = T0 + 2400 * SECOND
    early = [configuration(1), configuration(2), measurements([1] * 400, grid(-190, 400, start=border)),
             measurements([2] * 75, grid(25, 75, start=border))]  # fmt: skip
    write(folder, *early)
    if request.param != "live":
        finish_all(folder)
    write(folder, measurements([2] * 30, grid(270, 30, start=border) + 3_000_000))
    if request.param in ("finished", "older"):
        finish_all(folder)
    if request.param == "older":
        for path in layout.finished_hours(folder).values():
            with h5py.File(path, "r+") as file:
                del file["tables"], file[f"{SMALL.name}/overview"]
                file.attrs["format"] = 2
    return folder


def about(mean: float, low: float, high: float) -> np.float32:
    """A mean as it is kept: a multiple of the power of two that is the 256th part of the range, or less."""
    span = float(high) - float(low)
    unit = 2.0 ** np.floor(np.log2(span / 256)) if span else 0.0
    return np.float32(round(float(mean) / unit) * unit if unit else mean)


def by_hand(path: Path, station: str, quantity: str, name: str | None = None) -> dict[int, tuple[float, ...]]:
    """Second to (minimum, mean, maximum, count), from the rows."""
    with archive.open(path) as found:
        time, values = found.get(station, quantity, name)
    valid = ~np.isnan(values)
    seconds = time // SECOND * SECOND
    return {
        second: (some.min(), about(some.mean(dtype=np.float64), some.min(), some.max()), some.max(), len(some))
        for second in np.unique(seconds[valid]).tolist() for some in [values[valid & (seconds == second)]]
    }  # fmt: skip


def told(found: Overview) -> dict[int, tuple[float, ...]]:
    columns = (found.minimum, found.mean, found.maximum, found.count)
    return dict(zip(found.time.tolist(), zip(*columns, strict=True), strict=True))


@pytest.mark.parametrize("asked", [("frequency",), ("magnitude", "V0"), ("angle", "V0"), ("analog",)])
@pytest.mark.parametrize("station", ["站 1", "站 2"])
def test_each_second(filled: Path, station: str, asked: tuple[str, ...]) -> None:
    with archive.open(filled) as found:
        seconds = found.overview(station, *asked)
    assert told(seconds) == by_hand(filled, station, *asked)
    assert (np.diff(seconds.time) > 0).all()
    assert len(seconds.time) == {"站 1": 9, "站 2": 3}[station]


def test_piece_by_piece_it_is_the_same(filled: Path) -> None:
    for span in (999 * SECOND, 7 * 86400 * SECOND):
        with archive.open(filled) as found:
            whole, pieces = found.overview("站 1", "rocof"), list(found.overviews(span, "站 1", "rocof"))
        for name in ("time", "minimum", "mean", "maximum", "count"):
            joined = np.concatenate([getattr(each, name) for each in pieces])
            np.testing.assert_array_equal(joined, getattr(whole, name))
    with archive.open(filled) as found, pytest.raises(ArchiveError):
        list(found.overviews(3600 * SECOND, "nobody", "frequency"))


def test_seconds_begin_in_a_half_open_interval(filled: Path) -> None:
    border = T0 + 2400 * SECOND
    with archive.open(filled, border - 1, border + 2 * SECOND) as found:
        assert found.overview("站 1", "rocof").time.tolist() == [border, border + SECOND]
        assert found.overview("站 2", "rocof").count.tolist() == [25, 50]
    with archive.open(filled, border + 3 * SECOND, border + 4 * SECOND) as found:
        assert found.overview("站 2", "rocof").time.tolist() == []


def test_what_has_no_overview_is_said(filled: Path) -> None:
    with archive.open(filled) as found:
        with pytest.raises(ArchiveError, match=r"no overview of status: use get\(\)"):
            found.overview("站 1", "status")
        with pytest.raises(ArchiveError, match="name one of its magnitude channels: V0"):
            found.overview("站 1", "magnitude", "VX")
        with pytest.raises(ArchiveError, match="no station 'nobody'"):
            found.overview("nobody", "frequency")


@pytest.mark.parametrize("finished", [False, True])
def test_slow_rows_are_their_own_seconds(tmp_path: Path, finished: bool) -> None:
    table = Table(-5, 0, 1, 0)
    word = measurements([3] * 2, [T0, T0 + 10 * SECOND], table)
    write(tmp_path, configuration(3, table), word)
    if finished:
        finish_all(tmp_path)
    with archive.open(tmp_path) as found:
        seconds = found.overview("站 3", "analog")
    assert seconds.time.tolist() == word.time.tolist()
    assert seconds.count.tolist() == [1, 1]
    np.testing.assert_array_equal(seconds.mean, word.values[:, 2])


@pytest.mark.parametrize("finished", [False, True])
def test_a_station_that_is_renamed_within_a_second(tmp_path: Path, finished: bool) -> None:
    later = replace(configuration(1), name="new", version=2)
    write(tmp_path, configuration(1), measurements([1] * 30, grid(0, 30)))
    write(tmp_path, later, measurements([1] * 40, grid(30, 40)))
    if finished:
        finish_all(tmp_path)
    with archive.open(tmp_path) as found:
        seconds = found.overview(str(later.device), "rocof")
        values = found.get(str(later.device), "rocof")[1]
    assert seconds.count.tolist() == [50, 20]
    assert (seconds.minimum[0], seconds.maximum[0]) == (values[:50].min(), values[:50].max())
    means = np.array([values[:50].mean(), values[50:].mean()])
    assert (np.abs(seconds.mean - means) <= (seconds.maximum - seconds.minimum) / 256).all()


def test_plain_readers(tmp_path: Path) -> None:
    write(tmp_path, configuration(1), measurements([1] * 130, grid(20, 130)))
    (path,) = finish_all(tmp_path)
    with archive.open(tmp_path) as found:
        expected = found.overview("站 1", "rocof")
    with h5py.File(path) as file:
        group = file[f"{SMALL.name}/overview"]
        assert group["statistic"].asstr()[:].tolist() == ["minimum", "mean", "maximum"]
        kept = ["frequency", "rocof", "magnitude 1", "analog 1"]
        assert group["channel"].asstr()[:].tolist() == kept
        assert group["values"].shape == (1, len(kept), 3, 3)
        assert group["time"][:].tolist() == expected.time.tolist()
    with xarray.open_dataset(path, engine="h5netcdf", group=f"{SMALL.name}/overview") as data:
        rocof = data.sel(device="站 1", channel="rocof")
        np.testing.assert_array_equal(rocof["values"].sel(statistic="mean"), expected.mean)
        assert rocof["count"].values.tolist() == [30, 50, 50]
        assert data["values"].dims == ("device", "channel", "statistic", "time")


def test_a_mean_is_near_and_between() -> None:
    rng = np.random.default_rng(3)
    values = (rng.normal(50.0, 10.0 ** rng.uniform(-5, 2, 40), (1000, 40))).astype(np.float32)
    values[:, 0], values[:, 1] = 50.1, np.inf
    values[:, 2] = np.where(np.arange(1000) % 50, 60.0, -1e30)
    (low, mean, high), _ = statistics(values, 50)
    exact = values.reshape(-1, 50, 40).mean(axis=1, dtype=np.float64)
    assert (mean[:, :2] == exact[:, :2].astype(np.float32)).all()
    assert ((low <= mean) & (mean <= high)).all()
    off = np.abs(mean[:, 2:] - exact[:, 2:])
    span = high[:, 2:].astype(np.float64) - low[:, 2:]
    assert (off <= span / 512 + np.spacing(np.abs(mean[:, 2:]))).all()


def test_files_of_format_3_keep_angles_too(tmp_path: Path) -> None:
    (packed,) = Path(__file__).with_name("golden").glob("*_format3.tar.xz")
    with tarfile.open(packed) as file:
        file.extractall(tmp_path, filter="data")
    root = tmp_path / "golden" / "finished"
    with archive.open(root) as found:
        station, asked = found.devices[0], [("frequency",), ("magnitude",), ("angle",)]
        before = [told(found.overview(station, *each)) for each in asked]
    for path in layout.finished_hours(root).values():
        with h5py.File(path, "r+") as file:
            for name in [name for name in file if layout.table_of(name)]:
                data = file[f"{name}/overview/values"]
                data[:, :, :] += 1000  # so that it shows who looked there
    with archive.open(root) as found:
        after = [told(found.overview(station, *each)) for each in asked]
    for some, more in zip(before, after, strict=True):
        assert some
        assert all(more[second][1] == pytest.approx(row[1] + 1000) for second, row in some.items())


def test_a_second_without_valid_values() -> None:
    values = np.full((4, 1), np.nan, np.float32)
    values[3] = 5
    found, count = statistics(values, 2)
    np.testing.assert_array_equal(found[:, :, 0], [[np.nan, 5]] * 3)
    assert count.ravel().tolist() == [0, 1]
