"""Recorded rows without bad data: against `assess` of the same samples; the archive stays as it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

from algorithms.observations import Observations
from algorithms.quality import Fault, assess
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.repaired import How
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Measurements, Table, device_number
from tests.algorithms.quality.conftest import measured
from tests.archives import NONE, T0, configuration, grid

SECONDS, LINKS = 40, (1, 2, 3, 4)
LEVEL = 127_000.0
TABLE = Table(50, 1, 0, 0)
BAD, FIRST, STOP = 2, 900, 1100


@pytest.fixture(scope="module")
def seen() -> Observations:
    """Four devices; of one of them frequencies with spikes, then frozen values."""
    found = measured(devices=len(LINKS), seconds=SECONDS)
    series = {name: getattr(found, name).copy() for name in ("frequency", "magnitude", "angle")}
    series["frequency"][BAD, [500, 600, 700]] += 0.08
    for each in series.values():
        each[BAD, FIRST:STOP] = each[BAD, FIRST]
    return replace(found, **series)


def fill(path: Path, seen: Observations) -> None:
    archive = Archive(path)
    for k, link in enumerate(LINKS):
        archive.take(configuration(link, TABLE, name=f"PMU {link}"))
        time = grid(0, seen.samples)
        n = seen.samples
        values = np.stack(
            [seen.frequency[k], np.zeros(n), LEVEL * seen.magnitude[k], np.degrees(seen.angle[k])], axis=1
        )
        archive.take(Measurements(
            table=TABLE.key, device=np.full(n, device_number(link, 0), np.uint32), time=time, arrival=time,
            snapped=np.zeros(n, np.int32), quality=np.zeros(n, np.uint8), status=np.zeros(n, np.uint16),
            aside=np.zeros(n, np.uint8), values=values.astype(np.float32), digital=np.zeros((n, 0), np.uint16),
        ))  # fmt: skip
    archive.commit(NONE)
    archive.close()


@pytest.fixture(scope="module")
def folder(seen: Observations, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repaired")
    fill(path, seen)
    finish_all(path)
    return path


def prints(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.h5")}


def test_it_is_what_assess_says_of_the_same_samples(folder: Path, seen: Observations):
    before = prints(folder)
    with open_archive(folder, T0, T0 + SECONDS * SECOND) as found:
        told = found.repaired()
    assert prints(folder) == before
    assert told.devices == [f"PMU {link}" for link in LINKS]
    assert told.time.tolist() == grid(0, seen.samples).tolist()
    assert {flag.kind for flag in told.flags} == {Fault.SPIKES, Fault.FROZEN}
    wanted = assess(seen)
    assert [(f.device, f.kind, f.start, f.stop) for f in told.flags] == [
        (f.device, f.kind, f.start, f.stop) for f in wanted.flags
    ]
    np.testing.assert_allclose(told.repaired["frequency"], wanted.repaired.frequency, atol=2e-5)
    np.testing.assert_allclose(told.repaired["magnitude"] / LEVEL, wanted.repaired.magnitude, atol=1e-5)
    off = np.degrees(wanted.repaired.angle) - told.repaired["angle"]
    assert np.isnan(off[BAD, FIRST:STOP]).all()
    np.testing.assert_allclose((np.nan_to_num(off) + 180.0) % 360.0 - 180.0, 0.0, atol=1e-3)


def test_what_was_not_bad_is_as_it_was_measured(folder: Path):
    with open_archive(folder, T0, T0 + SECONDS * SECOND) as found:
        told = found.repaired()
        time, hertz = found.get("PMU 3", "frequency")
    assert time.tolist() == told.time.tolist()
    np.testing.assert_array_equal(told.measured["frequency"][BAD], hertz.astype(np.float64))
    good = told.how == How.MEASURED
    for name, values in told.repaired.items():
        np.testing.assert_array_equal(values[good], told.measured[name][good])
    bad = np.flatnonzero(~good.all(axis=0))
    assert set(np.flatnonzero(~good.all(axis=1))) == {BAD}
    assert bad.tolist() == [500, 600, 700, *range(FIRST, STOP)]
    assert told.how[BAD, [500, 600, 700]].tolist() == [How.REPAIRED] * 3
    assert set(told.how[BAD, FIRST:STOP].tolist()) == {How.MISSING}


def test_a_file_has_both_and_says_which_is_repaired(folder: Path, tmp_path: Path):
    with open_archive(folder, T0, T0 + SECONDS * SECOND) as found:
        told = found.repaired(["PMU 3", "PMU 1"])
    told.to_xarray().to_netcdf(tmp_path / "out.h5", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "out.h5", engine="h5netcdf") as data:
        assert data["device"].values.tolist() == ["PMU 3", "PMU 1"]
        for name, unit in (("frequency", "Hz"), ("magnitude", "V"), ("angle", "degrees")):
            assert data[name].attrs == {"units": unit}
            assert data[f"{name}_repaired"].attrs["repaired"] == 1
            np.testing.assert_array_equal(data[name].values, told.measured[name])
            np.testing.assert_array_equal(data[f"{name}_repaired"].values, told.repaired[name])
        assert data["flag_kind"].values.tolist() == [str(flag.kind) for flag in told.flags]
        assert data["flag_device"].values.tolist() == ["PMU 3"] * len(told.flags)
        assert int(data["flag_start"].values[-1]) == T0 + FIRST * SECOND // 50


def test_what_can_not_be_repaired_is_said(folder: Path):
    with open_archive(folder) as found, pytest.raises(ArchiveError, match="with a start and an end"):
        found.repaired()
    with open_archive(folder, T0, T0 + SECOND) as found, pytest.raises(ArchiveError, match="no station 'PMU 9'"):
        found.repaired(["PMU 9"])
    with (
        open_archive(folder, T0 - 7200 * SECOND, T0 - 3600 * SECOND) as found,
        pytest.raises(ArchiveError, match="no rows in that time"),
    ):
        found.repaired()
