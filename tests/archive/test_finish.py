"""A finished file means the same as its parts, to us, to h5py and to xarray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from archive import layout
from archive.disk import Disk
from archive.finish import finish_all, finish_hour, main
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.shelves import seal_part
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests.archives import NONE, SMALL, T0, Dying, Killed, configuration, grid, held_rows, measurements


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Two tables, a hole, a row aside; one device starts late."""
    archive = Archive(tmp_path, "station: North\n")
    for link in (1, 2):
        archive.take(configuration(link, region="east"))
    archive.take(configuration(3, Table(-5, 0, 1, 0)))
    archive.take(measurements([1] * 200, grid(0, 200)))
    archive.take(measurements([2] * 50, grid(100, 50) + 2_000_000))
    archive.take(measurements([3] * 2, [T0, T0 + 10 * SECOND], Table(-5, 0, 1, 0)))
    archive.take(measurements([2], grid(100, 1), seed=1))
    archive.commit(NONE)
    archive.close()
    return tmp_path


def only_file(path: Path) -> Path:
    return next(iter(layout.finished_hours(path).values()))


def test_finished_equals_parts(filled: Path) -> None:
    before = held_rows(filled)
    (path,) = finish_all(filled)
    assert path.relative_to(filled).as_posix() == "2026/05/03/syms_20260503T09Z.h5"
    assert held_rows(filled) == before
    assert not list((filled / "live").glob("*"))
    assert finish_all(filled) == []


@pytest.mark.parametrize("scan", [2000, 5000, 1 << 20])
def test_what_is_empty_at_both_ends_is_cut_off(filled: Path, scan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.sources.SCAN", scan)
    before = held_rows(filled)
    (path,) = finish_all(filled)
    with h5py.File(path) as file:
        assert (file[SMALL.name]["time"][0], file[SMALL.name]["time"].shape) == (T0, (200,))
    assert held_rows(filled) == before


def test_late_rows_are_merged_in(filled: Path) -> None:
    finish_all(filled)
    before = held_rows(filled)
    archive = Archive(filled)
    archive.take(measurements([2] * 60, grid(90, 60)))  # ten new, fifty on taken places
    archive.take(measurements([1] * 10, grid(195, 10)))  # five copies, five new
    archive.commit(NONE)
    totals = archive.books.totals()
    assert (totals["archived"], totals["aside"], totals["duplicate"]) == (252 + 15, 51, 5)
    archive.close()
    live = held_rows(filled)
    assert not before - live
    assert len(live) == len(before) + 15 + 50
    finish_all(filled)
    assert held_rows(filled) == live
    archive = Archive(filled)
    archive.take(measurements([2], grid(100, 1), seed=1))  # set aside once already, now in the finished file
    archive.commit(NONE)
    assert archive.books.totals()["duplicate"] == 6
    archive.close()


def test_a_writer_sees_what_is_sealed(filled: Path) -> None:
    archive = Archive(filled)
    hour = layout.hour_of(T0)
    assert archive.seal(hour) == 3
    archive.take(measurements([1] * 4, grid(198, 4)))
    archive.commit(NONE)
    assert archive.books.totals()["duplicate"] == 2
    assert main([str(filled)]) == 0  # while the writer is at work
    archive.forget(hour)
    archive.take(measurements([1] * 4, grid(198, 4)))
    archive.commit(NONE)
    assert archive.books.totals()["duplicate"] == 6
    archive.close()
    assert len(list(filled.glob("live/*/*.h5"))) == 1


def test_parts_that_are_merged_already_are_only_deleted(filled: Path) -> None:
    class Keeping(Disk):
        """Dies after the file has its name, before the parts are deleted."""

        def replace(self, temporary: Path, path: Path) -> None:
            super().replace(temporary, path)
            raise Killed

    before = held_rows(filled)
    hour = layout.hour_of(T0)
    for part in filled.glob("live/*/*.part.h5"):
        seal_part(part)
    with pytest.raises(Killed):
        finish_hour(filled, hour, Keeping())
    assert len(list(filled.glob("live/*/*.sealed.h5"))) == 3
    assert held_rows(filled) == before
    stamp = only_file(filled).stat().st_mtime_ns
    finish_all(filled)
    assert only_file(filled).stat().st_mtime_ns == stamp
    assert held_rows(filled) == before


def test_killed_while_finishing_nothing_is_lost(filled: Path) -> None:
    before = held_rows(filled)
    for part in filled.glob("live/*/*.part.h5"):
        seal_part(part)
    with pytest.raises(Killed):
        finish_hour(filled, layout.hour_of(T0), Dying(1))
    assert held_rows(filled) == before
    finish_all(filled)
    assert held_rows(filled) == before


def test_plain_h5py(filled: Path) -> None:
    (path,) = finish_all(filled)
    with h5py.File(path, "r") as file:
        assert file["site"].asstr()[()] == "station: North\n"
        group = file[SMALL.name]
        values = group["values"]
        assert values.shape == (2, SMALL.channels, 200)
        assert values.chunks == (1, 1, 200)
        assert (values.compression, values.shuffle) == ("gzip", True)
        assert [dimension[0].name.rsplit("/")[-1] for dimension in values.dims] == ["device", "channel", "time"]
        assert group["time"].attrs["units"] == "nanoseconds since 1970-01-01"
        assert group["device"].asstr()[:].tolist() == ["站 1", "站 2"]
        assert group["names"].asstr()[0].tolist() == ["frequency", "rocof", "V0", "V0", "A0"]
        assert group["units"].asstr()[0].tolist() == ["Hz", "Hz/s", "V", "degrees", "rms"]
        assert group["latitude"][:].tolist() == [31.5, 31.5]
        assert group["region"].asstr()[:].tolist() == ["east", "east"]
        assert group["present"][1].sum() == 50
        assert np.isnan(values[1, 1:, :100]).all()
        assert set(group["offset"][1, 100:150]) == {2_000_000}
        assert file[f"aside/{SMALL.name}/reason"][:].tolist() == [2]


def test_xarray_means_the_same(filled: Path) -> None:
    with open_archive(filled) as found:
        ours = found.to_xarray(SMALL.name)
        hertz = found.get("站 1", "frequency")[1]
    (path,) = finish_all(filled)
    with xarray.open_dataset(path, engine="h5netcdf", group=SMALL.name) as data:
        data.load()
    assert data["time"].dtype.kind == "M"
    assert int(data["time"][0].values.astype("datetime64[ns]").astype(np.int64)) == T0
    frequency = data["values"].sel(device="站 1", channel="frequency")
    np.testing.assert_array_equal(frequency, hertz)
    assert data["digital"].dims == ("device", "word", "time")
    for name in ours.data_vars:
        np.testing.assert_array_equal(data[name].values, ours[name].values, err_msg=str(name))
    with open_archive(filled) as found:
        xarray.testing.assert_identical(found.to_xarray(SMALL.name), ours)
    with xarray.open_dataset(path, engine="h5netcdf", group=f"aside/{SMALL.name}") as aside:
        assert aside["values"].dims == ("row", "channel")
        assert aside["time"].dtype.kind == "M"


def test_as_a_process(filled: Path) -> None:
    """As the archiver starts it: merges only what is sealed."""
    for part in sorted(filled.glob("live/*/*.part.h5"))[:2]:
        seal_part(part)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "archive.finish", str(filled)], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(only_file(filled))
    assert len(list(filled.glob("live/*/*.part.h5"))) == 1


def test_no_archive_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArchiveError, match=r"archive.json is missing"):
        finish_all(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert "no SYMS archive" in capsys.readouterr().err
