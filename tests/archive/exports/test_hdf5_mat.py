"""HDF5 and MAT: read back by h5py, xarray and Octave."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from archive.exports.forms import Form
from protocol.clock import SECOND
from protocol.messages import Spectrum, device_number, spectrum_number
from tests import archives as makers
from tests import exporting

ONE, TWO, THREE, FOUR = (device_number(link, 0) for link in (1, 2, 3, 4))
FAST, SLOW, HARMONICS = (table.name for table in (exporting.FAST, exporting.SLOW, exporting.HARMONICS))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


def test_hdf5_is_as_the_archives_own_files(root: Path, tmp_path: Path) -> None:
    report = exporting.exported(root, Form.HDF5, tmp_path / "all.h5")
    truths = exporting.truths(root)
    assert report.files == [str(tmp_path / "all.h5")]
    with xarray.open_dataset(tmp_path / "all.h5", engine="h5netcdf", group=FAST) as data:
        times = data["time"].to_numpy().astype("int64")
        for label, device in (("站 1", ONE), (exporting.ODD, TWO)):
            mine, truth = data.sel(device=label), truths[device]
            here = mine["present"].to_numpy() == 1
            np.testing.assert_array_equal(times[here], truth.time)
            np.testing.assert_array_equal(mine["values"].to_numpy()[:, here].T, truth.values)
            np.testing.assert_array_equal(mine["status"].to_numpy()[here], truth.status)
            np.testing.assert_array_equal(mine["digital"].to_numpy()[:, here].T, truth.digital)
            assert np.isnan(mine["values"].to_numpy()[:, ~here]).all()
    with h5py.File(tmp_path / "all.h5") as file:
        four = file[SLOW]["device"].asstr()[:].tolist().index("link4/twin")
        here = file[SLOW]["present"][four] == 1
        np.testing.assert_array_equal((file[SLOW]["time"][:] + file[SLOW]["offset"][four])[here], truths[FOUR].time)
        fifth = file[HARMONICS]["magnitude"][0, 1, 2]
        np.testing.assert_array_equal(fifth, truths[spectrum_number(ONE, Spectrum.HARMONICS)].values[:, 12])


def test_hdf5_of_some(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.HDF5, tmp_path / "some.h5", devices=["站 1"], wanted=["magnitude:UA"],
                       start=makers.T0 + SECOND, end=makers.T0 + 2 * SECOND)  # fmt: skip
    truth = exporting.truths(root)[ONE].within(makers.T0 + SECOND, makers.T0 + 2 * SECOND)
    with h5py.File(tmp_path / "some.h5") as file:
        assert [name for name in file if isinstance(file[name], h5py.Group)] == [FAST]
        values = file[FAST]["values"][:]
        assert file[FAST]["device"].asstr()[:].tolist() == ["站 1"]
        np.testing.assert_array_equal(values[0, 2], truth.values[:, 2])
        assert np.isnan(np.delete(values, 2, axis=1)).all()
        np.testing.assert_array_equal(file[FAST]["digital"][:], 0)
        np.testing.assert_array_equal(file[FAST]["time"][:], truth.time)
        assert file.attrs["asked"] == '{"devices": ["站 1"], "quantities": ["magnitude:UA"]}'


def text(file: Any, data: Any) -> str:
    """A char array."""
    assert data.attrs["MATLAB_class"] == b"char"
    if "MATLAB_empty" in data.attrs:
        return ""
    return data[:].astype("<u2").tobytes().decode("utf-16-le")


def cell(file: Any, data: Any) -> list[Any]:
    """A cell array of text, by HDF5's dimensions."""
    assert data.attrs["MATLAB_class"] == b"cell"
    return [[text(file, file[ref]) for ref in row] for row in data[:]]


def test_mat_every_value(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.MAT, tmp_path / "all.mat")
    truths = exporting.truths(root)
    head = (tmp_path / "all.mat").read_bytes()[:520]
    assert head.startswith(b"MATLAB 7.3 MAT-file")
    assert head[124:128] == b"\x00\x02IM"
    assert head[512:520] == b"\x89HDF\r\n\x1a\n"
    with h5py.File(tmp_path / "all.mat") as file:
        assert set(file) == {"#refs#", "about", FAST, SLOW, HARMONICS}
        fast, slow = file[FAST], file[SLOW]
        assert fast.attrs["MATLAB_class"] == b"struct"
        assert [b"".join(name).decode() for name in fast.attrs["MATLAB_fields"]] == list(fast)
        assert cell(file, fast["station"]) == [["站 1", exporting.ODD]]
        assert cell(file, fast["channel"])[0] == ["frequency", "rocof", "UA magnitude", "UA angle", "IA magnitude",
                                                  "IA angle", "A0"]  # fmt: skip
        assert cell(file, fast["unit"])[1] == ["Hz", "Hz/s", "V", "degrees", "V", "degrees", "rms"]
        time = fast["time"][0]
        for at, device in enumerate((ONE, TWO)):
            truth, here = truths[device], fast["present"][at] == 1
            np.testing.assert_array_equal(time[here], truth.time)
            np.testing.assert_array_equal(fast["values"][at][:, here].T, truth.values)
            np.testing.assert_array_equal(fast["status"][at, here], truth.status)
            np.testing.assert_array_equal(fast["digital"][at][:, here].T, truth.digital)
            assert np.isnan(fast["values"][at][:, ~here]).all()
        np.testing.assert_array_equal(np.rint(fast["seconds"][0] * 1e9).astype(np.int64), time - makers.T0)
        here = slow["present"][1] == 1
        np.testing.assert_array_equal((slow["time"][0] + slow["offset"][1])[here], truths[FOUR].time)
        classes = {name: data.attrs["MATLAB_class"].decode() for name, data in fast.items()}
        assert classes == {"time": "int64", "seconds": "double", "values": "single", "status": "uint16",
                           "quality": "uint8", "digital": "uint16", "present": "uint8", "station": "cell",
                           "channel": "cell", "unit": "cell", "word": "cell", "text": "uint8"}  # fmt: skip
        assert "offset" not in fast


def test_mat_where_stations_have_different_channels(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.MAT, tmp_path / "some.mat", wanted=["magnitude:UA", "frequency"])
    with h5py.File(tmp_path / "some.mat") as file:
        assert cell(file, file[FAST]["channel"]) == [["frequency", "UA magnitude"], ["frequency", ""]]
        assert np.isnan(file[FAST]["values"][1, 1]).all()
        assert "status" not in file[FAST]


@pytest.mark.skipif(shutil.which("octave") is None, reason="Octave is not installed: apt install octave")
def test_octave_loads_it(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.MAT, tmp_path / "all.mat")
    truth = exporting.truths(root)[TWO]
    script = f"""
        warning('off', 'all');
        x = load('all.mat'); t = x.{FAST}; here = t.present(:, 2) == 1;
        printf('%d\\n', t.time(here)); printf('%.9g\\n', t.values(here, 3, 2));
        lines = strsplit(char(t.text(:)'), "\\n"); printf('%s\\n', strsplit(lines{{2}}, "\\t"){{1}});
    """
    done = subprocess.run(["octave", "--no-gui", "--quiet", "--no-init-file", "--eval", script], cwd=tmp_path,
                          capture_output=True, text=True, timeout=100, check=False)  # fmt: skip
    told = done.stdout.splitlines()
    rows = len(truth.time)
    assert [int(each) for each in told[:rows]] == truth.time.tolist(), done.stderr
    np.testing.assert_array_equal(np.array(told[rows : 2 * rows], "f4"), truth.values[:, 2])
    assert told[2 * rows] == exporting.ODD
