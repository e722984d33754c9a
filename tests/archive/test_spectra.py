"""Harmonics and inter-harmonics beside fundamentals: each table on its own grid, components as a dimension."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

import archive
from archive import layout, longrows, spectra
from archive.events import list_events
from archive.finish import finish_all, finish_hour
from archive.folder import ArchiveError
from archive.shelves import seal_part
from archive.stations import Stations
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Measurements, Table
from tests import archives, thorough
from tests.archives import (
    NONE,
    SMALL,
    T0,
    Dying,
    Killed,
    configuration,
    grid,
    held_rows,
    measurements,
    seconds,
    verdict,
)
from tests.chaos import holdings

FAST = Table(100, 2, 0, 0)
HARMONICS = Table(1, 2, 1, 0, orders=11)
BETWEEN = Table(1, 2, 0, 1, 0, 7)
BORDER = T0 + 2400 * SECOND
"""Of an hour."""

ONE, TWO, HUB = (configuration(1, name="SMD L1"), configuration(2, FAST, name="SMD C1"), configuration(3, name="Hub"))
ONE_H = archives.spectrum(ONE, HARMONICS, range(2, 13))
TWO_H = archives.spectrum(TWO, HARMONICS, range(2, 24, 2))
ONE_I = archives.spectrum(ONE, BETWEEN, np.arange(30, 44, 2) + 0.5)
DEVICES = [ONE, TWO, HUB, ONE_H, TWO_H, ONE_I]


def write(path: Path, *words: Any) -> None:
    writer = Archive(path)
    for word in (*DEVICES, *words):
        writer.take(word)
    writer.commit(NONE)
    writer.close()


EARLY = [
    measurements([1] * 300, grid(-150, 300, start=BORDER)), measurements([2] * 400, grid(0, 400, 100, BORDER), FAST),
    measurements([3] * 100, grid(0, 100, start=BORDER)),
    archives.spectra(ONE_H, seconds(-3, 9, BORDER)), archives.spectra(TWO_H, seconds(1, 3, BORDER)),
    archives.spectra(ONE_I, seconds(2, 5, BORDER)),
]  # fmt: skip
LATE = [archives.spectra(ONE_H, seconds(6, 4, BORDER)), archives.spectra(TWO_H, seconds(-2, 2, BORDER))]


def fill(path: Path, state: str) -> Path:
    """Fundamentals of 50 and 100 a second and spectra over an hour's border; some rows of spectra come late."""
    write(path, *EARLY)
    if state != "live":
        finish_all(path)
    write(path, *LATE)
    if state in ("finished", "merged"):
        finish_all(path)
    return path


STATES = ("live", "finished", "late", "merged")


@pytest.fixture(scope="module", params=STATES)
def filled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """To be read by many."""
    return fill(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(params=thorough.of(("live", "merged"), STATES))
def own(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """To be changed."""
    return fill(tmp_path, request.param)


def written(words: Iterable[Measurements]) -> Counter[archives.Row]:
    return Counter(
        (int(word.device[k]), int(word.time[k]), archives.content(word.status[k], word.values[k], word.digital[k]), 0)
        for word in words for k in range(len(word.time))
    )  # fmt: skip


def of(device: int) -> tuple[np.ndarray, np.ndarray]:
    """(times, values [n, c]) that were written of a device."""
    mine = [word for word in (*EARLY, *LATE) if (word.device == device).all()]
    time, values = np.concatenate([word.time for word in mine]), np.concatenate([word.values for word in mine])
    return time[np.argsort(time)], values[np.argsort(time)]


def test_what_was_written_is_read(filled: Path) -> None:
    assert held_rows(filled) == written((*EARLY, *LATE))


@pytest.mark.parametrize(("phasor", "component", "channel"), [("V0", 2, 2), ("V0", 5, 8), ("V1", 12, 44)])
def test_a_component_as_any_other_channel(filled: Path, phasor: str, component: int, channel: int) -> None:
    time, values = of(ONE_H.device)
    with archive.open(filled) as found:
        for quantity, at in (("magnitude", channel), ("angle", channel + 1)):
            got = found.get("SMD L1", quantity, f"{phasor} h{component}")
            np.testing.assert_array_equal(got[0], time)
            np.testing.assert_array_equal(got[1], values[:, at])
        overview = found.overview("SMD L1", "magnitude", f"{phasor} h{component}")
        np.testing.assert_array_equal(overview.mean, values[:, channel])
        assert (overview.count == 1).all()


def test_all_components_at_once(filled: Path) -> None:
    time, values = of(ONE_H.device)
    with archive.open(filled) as found:
        got = found.spectrum("SMD L1 harmonics")
        assert got.components.tolist() == list(range(2, 13))
        np.testing.assert_array_equal(got.time, time)
        np.testing.assert_array_equal(got.values, values[:, 2:46:2].reshape(-1, 2, 11))
        _, frequencies, angles = found.spectrum("SMD L1 inter-harmonics", "angle", "V1")
        assert frequencies.tolist() == [30.5, 32.5, 34.5, 36.5, 38.5, 40.5, 42.5]
        np.testing.assert_array_equal(angles, of(ONE_I.device)[1][:, 17:30:2])
        assert found.spectrum("SMD C1", "angle", "V0").values.shape == (5, 11)
        for asked, fault in (
            (("SMD L1",), "name one of: SMD L1 harmonics, SMD L1 inter-harmonics"),
            (("SMD L1 harmonics", "magnitude", "VX"), "name one of its phasor channels: V0, V1"),
            (("Hub",), "Hub has no harmonics or inter-harmonics"),
            (("SMD C1", "frequency"), "no components of 'frequency'"),
        ):
            with pytest.raises(ArchiveError, match=fault):
                found.spectrum(*asked)


def test_a_station_and_its_spectra_are_one(filled: Path) -> None:
    with archive.open(filled) as found:
        assert found.devices == ["SMD L1", "Hub", "SMD C1"]
        assert len(found.get("SMD L1", "frequency")[0]) == 300
        assert len(found.get("SMD L1 harmonics", "frequency")[0]) == 13
        assert len(found.get(str(ONE_I.device), "status")[0]) == 5
        assert found.overview("SMD L1", "rocof").count.tolist() == [50] * 6
        assert found.overview("SMD L1 harmonics", "rocof").count.tolist() == [1] * 13
        np.testing.assert_array_equal(found.get("SMD L1 harmonics", "analog")[1], of(ONE_H.device)[1][:, 46])
        assert {rows.configuration.name for rows in found.rows(["SMD L1"])} == {
            "SMD L1", "SMD L1 harmonics", "SMD L1 inter-harmonics"}  # fmt: skip
        with pytest.raises(ArchiveError, match="SMD L1: name one of its magnitude channels: V0"):
            found.get("SMD L1", "magnitude", "V7 h5")
        with pytest.raises(ArchiveError, match=r"V0 h2, V0 h3, .* and 2 more"):
            found.get("SMD L1 harmonics", "magnitude")


def test_spectra_alone_tell_of_their_station(tmp_path: Path) -> None:
    write(tmp_path, *LATE)
    with archive.open(tmp_path) as found:
        assert sorted(found.devices) == ["SMD C1", "SMD L1"]
        assert len(found.get("SMD L1", "frequency")[0]) == 4
        assert found.overview("SMD L1", "rocof").count.tolist() == [1] * 4


def test_long_rows_name_components(filled: Path) -> None:
    out = io.StringIO()
    with archive.open(filled, BORDER + 4 * SECOND, BORDER + 5 * SECOND) as found:
        longrows.write_rows(out, found.rows(["SMD L1"]))
    lines = [line.split(",", 3)[3] for line in out.getvalue().splitlines()]
    value = of(ONE_H.device)[1][7]
    assert f"SMD L1 harmonics,magnitude,V0 h5,{longrows.shortest(value[8:9])[0]}" in lines
    assert any(line.startswith("SMD L1 inter-harmonics,angle,V1 42.5 Hz,") for line in lines)


def second_hour(path: Path) -> Path:
    return layout.finished_path(path, BORDER)


@pytest.mark.parametrize("chunk", [1, 3, 20, 30_000])
def test_plain_h5py(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.tables.CHUNK", chunk)
    write(tmp_path, *EARLY)
    finish_all(tmp_path)
    with h5py.File(second_hour(tmp_path)) as file:
        group = file[HARMONICS.name]
        magnitude = group["magnitude"]
        assert magnitude.shape == group["angle"].shape == (2, 2, 11, 6)
        assert magnitude.chunks == (1, 1, {1: 1, 3: 1, 20: 3, 30_000: 11}[chunk], min(chunk, 6))
        dimensions = [dimension[0].name.rsplit("/")[-1] for dimension in magnitude.dims]
        assert dimensions == ["device", "phasor", "order", "time"]
        assert group["values"].shape == (2, 3, 6)
        assert group["channel"].asstr()[:].tolist() == ["frequency", "rocof", "analog 1"]
        assert group["names"].asstr()[0].tolist() == ["frequency", "rocof", "A0"]
        assert group["phasor_names"].asstr()[1].tolist() == ["V0", "V1"]
        assert group["phasor_units"].asstr()[1].tolist() == ["V", "V"]
        assert group["order"][:].tolist() == list(range(11))  # devices differ
        np.testing.assert_array_equal(group["component"][:], [np.arange(2, 13), np.arange(2, 24, 2)])
        expected = EARLY[3].values[3:, 2:46].reshape(6, 2, 11, 2)
        np.testing.assert_array_equal(magnitude[0], expected[..., 0].transpose(1, 2, 0))
        np.testing.assert_array_equal(group["angle"][0], expected[..., 1].transpose(1, 2, 0))
        assert np.isnan(magnitude[1][..., [0, 4, 5]]).all()
        assert not np.isnan(magnitude[1][..., 1:4]).any()
        assert "overview" not in group
        between = file[BETWEEN.name]
        assert between["frequency"][:].tolist() == ONE_I.components
        assert "component" not in between
        assert between["phasor"].asstr()[:].tolist() == ["V0", "V1"]
        assert between["digital"].shape == (1, 1, 5)


def test_a_reader_of_its_own_finds_every_row(own: Path) -> None:
    finish_all(own)
    plain = holdings.Archive(own)
    assert plain.unreadable == []
    for device in (each.device for each in DEVICES):
        time, values = plain.devices[device].joined()
        np.testing.assert_array_equal(time, of(device)[0])
        np.testing.assert_array_equal(values, of(device)[1])


def test_xarray_means_the_same(own: Path) -> None:
    with archive.open(own) as found:
        ours = {table.name: found.to_xarray(table.name) for table in (HARMONICS, BETWEEN)}
    finish_all(own)
    with archive.open(own) as found:
        for name, data in ours.items():
            xarray.testing.assert_identical(found.to_xarray(name), data)
    with archive.open(own, BORDER) as found:
        ours = {table.name: found.to_xarray(table.name) for table in (HARMONICS, BETWEEN)}
    for name, data in ours.items():
        with xarray.open_dataset(second_hour(own), engine="h5netcdf", group=name) as file:
            assert data["magnitude"].dims == file["magnitude"].dims
            for each in data.variables:
                np.testing.assert_array_equal(file[each].values, data[each].values, err_msg=str(each))
            assert {"latitude", "longitude", "elevation"} <= set(file["angle"].coords)
    picked = ours[BETWEEN.name]["magnitude"].sel(device=ONE_I.name, phasor="V1", frequency=36.5)
    np.testing.assert_array_equal(picked, EARLY[5].values[:, 2 + 14 + 6])
    alone = archives.spectrum(configuration(9, name="alone"), HARMONICS, range(2, 13))
    write(own / "alone", alone, archives.spectra(alone, seconds(0, 2)))
    with archive.open(own / "alone") as found:
        assert found.to_xarray()["magnitude"].sel(order=5, phasor="V0").shape == (1, 2)


def test_late_rows_are_judged_as_any_others(tmp_path: Path) -> None:
    write(tmp_path, *EARLY)
    finish_all(tmp_path)
    again, other = (
        archives.spectra(ONE_H, seconds(0, 4, BORDER)),
        archives.spectra(ONE_H, seconds(2, 8, BORDER), seed=3),
    )
    writer = Archive(tmp_path)
    for word in (*DEVICES, again, other):
        writer.take(word)
    writer.commit(NONE)
    totals = writer.books.totals()
    assert (totals["duplicate"], totals["aside"]) == (4, 4)  # as there was; others at taken places
    writer.close()
    before = held_rows(tmp_path)
    finish_all(tmp_path)
    assert held_rows(tmp_path) == before
    with h5py.File(second_hour(tmp_path)) as file:
        assert file[HARMONICS.name]["magnitude"].shape[-1] == 10
        aside = file[f"aside/{HARMONICS.name}"]
        assert aside["values"].shape == (4, HARMONICS.channels)  # as they came
        assert aside["channel"].asstr()[8] == "magnitude 1.4"
        assert aside["names"].asstr()[0, 8] == "V0 h5"


@pytest.mark.parametrize("at", [1, 2])
def test_killed_while_finishing_nothing_is_lost(tmp_path: Path, at: int) -> None:
    """Before the new file has its name, and after it."""
    write(tmp_path, *EARLY)
    finish_all(tmp_path)
    write(tmp_path, *LATE)
    before = held_rows(tmp_path)
    for part in tmp_path.glob("live/*/*.part.h5"):
        seal_part(part)
    with pytest.raises(Killed):
        finish_hour(tmp_path, BORDER, Dying(at))
    assert held_rows(tmp_path) == before
    finish_all(tmp_path)
    assert held_rows(tmp_path) == before


def test_a_clip_has_the_spectra_of_the_stations_concerned(own: Path) -> None:
    writer = Archive(own)
    for word in (*DEVICES, verdict(1, BORDER + 3 * SECOND)):
        writer.take(word)
    writer.commit(NONE)
    writer.write_events(NONE, 0, 2 * SECOND, 2 * SECOND, everything=True)
    writer.close()
    [event] = list_events(own)
    with h5py.File(event.files[0]) as file:
        assert {SMALL.name, HARMONICS.name, BETWEEN.name} <= set(file)
        assert FAST.name not in file
        assert file[BETWEEN.name]["time"][:].tolist() == seconds(2, 3, BORDER).tolist()
        expected = EARLY[5].values[:3, 2:30].reshape(3, 2, 7, 2)
        np.testing.assert_array_equal(file[BETWEEN.name]["angle"][0], expected[..., 1].transpose(1, 2, 0))


def test_components_that_change(tmp_path: Path) -> None:
    other = replace(ONE_H, version=2, components=[3.0, *range(20, 30)])
    write(tmp_path, archives.spectra(ONE_H, seconds(0, 2)))
    write(tmp_path, other, archives.spectra(other, seconds(2, 3)))
    with archive.open(tmp_path) as found:
        time, components, values = found.spectrum("SMD L1", "magnitude", "V0")
        assert time.tolist() == seconds(0, 5).tolist()
        assert components.tolist() == [*range(2, 13), *range(20, 30)]
        rows = archives.spectra(ONE_H, seconds(0, 5)).values[:, 2:24:2]
        np.testing.assert_array_equal(values[:2, :11], rows[:2])
        assert np.isnan(values[:2, 11:]).all()
        np.testing.assert_array_equal(values[2:, [1, *range(11, 21)]], rows[2:])
        assert np.isnan(values[2:, [0, *range(2, 11)]]).all()
        assert found.get("SMD L1", "magnitude", "V0 h3")[0].tolist() == time.tolist()
        assert found.get("SMD L1", "magnitude", "V0 h20")[0].tolist() == time[2:].tolist()
    renamed = replace(other, version=3, phasors=["V0", "U9"])
    write(tmp_path, renamed, archives.spectra(renamed, seconds(5, 1)))
    with archive.open(tmp_path) as found:
        with pytest.raises(ArchiveError, match="its phasors changed in that time; name one: U9, V0, V1"):
            found.spectrum("SMD L1")
        assert found.spectrum("SMD L1", "magnitude", "U9").time.tolist() == seconds(5, 1).tolist()


def test_rows_whose_configuration_never_came(tmp_path: Path) -> None:
    writer = Archive(tmp_path)
    writer.take(archives.spectra(ONE_H, seconds(0, 3)))
    writer.commit(NONE)
    writer.close()
    finish_all(tmp_path)
    with archive.open(tmp_path) as found:
        [device] = found.devices
        assert found.spectrum(device).components.tolist() == list(range(1, 12))


def test_a_spectrum_of_no_phasors(tmp_path: Path) -> None:
    table = Table(1, 0, 1, 0, orders=3)
    empty = archives.spectrum(ONE, table, range(3))
    write(tmp_path, empty, archives.spectra(empty, seconds(0, 3)))
    before = held_rows(tmp_path)
    finish_all(tmp_path)
    assert held_rows(tmp_path) == before
    with archive.open(tmp_path) as found:
        assert found.to_xarray()["values"].shape == (1, 3, 3)
        assert len(found.get("SMD L1", "analog")[0]) == 3
        with pytest.raises(ArchiveError, match="has no harmonics"):
            found.spectrum("SMD L1")


def test_stations_of_one_name_with_spectra() -> None:
    other = replace(configuration(4, name="SMD L1"), link="link4")
    stations = Stations([ONE_H, ONE, other, archives.spectrum(other, BETWEEN, range(7))])
    assert stations.names == {"link1/SMD L1": ONE.device, "link4/SMD L1": other.device}
    assert {key.device for key in stations.only("link1/SMD L1")} == {ONE.device, ONE_H.device}
    assert {key.device for key in stations.only(str(ONE.device))} == {ONE.device, ONE_H.device}
    assert {key.device for key in stations.only("SMD L1 harmonics")} == {ONE_H.device}
    with pytest.raises(ArchiveError, match="2 stations are called 'SMD L1'"):
        stations.only("SMD L1")


tables = st.builds(
    lambda phasors, analogs, orders, frequencies: Table(1, phasors, analogs, 0, orders, 0 if orders else frequencies),
    st.integers(0, 3), st.integers(0, 2), st.integers(0, 5), st.integers(0, 5),
)  # fmt: skip


@given(tables, st.integers(0, 4))
def test_rows_by_component_and_back(table: Table, count: int) -> None:
    rows = np.arange(count * table.channels, dtype=np.float32).reshape(count, table.channels)
    parts = spectra.split(table, rows)
    np.testing.assert_array_equal(spectra.united(table, parts), rows)
    for channel, label in enumerate(layout.channels(table)):
        name, where = spectra.place(table, channel, None)
        np.testing.assert_array_equal(parts[name][:, *where], rows[:, channel], err_msg=label)
    for quantity in spectra.QUANTITIES if table.spectrum and table.phasors else ():
        every = [at for at, each in enumerate(layout.quantities(table)) if each == quantity]
        for phasor in (None, *range(table.phasors)):
            first, many = spectra.all_components(table, quantity, phasor)
            name, where = spectra.place(table, first, many)
            mine = every if phasor is None else every[phasor * table.components : (phasor + 1) * table.components]
            assert name == quantity
            np.testing.assert_array_equal(parts[name][:, *where].reshape(count, many), rows[:, mine])
            assert list(range(first, first + 2 * many, 2)) == mine
