"""CSV and Parquet: a file for each table, read back by others."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from archive.exports import blocks
from archive.exports.forms import Form
from archive.exports.target import safe
from archive.folder import ArchiveError
from protocol.clock import SECOND
from protocol.messages import Spectrum, device_number, spectrum_number
from tests import archives as makers
from tests import exporting

ONE, TWO, THREE, FOUR = (device_number(link, 0) for link in (1, 2, 3, 4))
FAST, SLOW, HARMONICS = (table.name for table in (exporting.FAST, exporting.SLOW, exporting.HARMONICS))


@pytest.fixture(scope="module", params=["live", "finished"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    return exporting.finished(found) if request.param == "finished" else found


def frame(path: Path) -> pandas.DataFrame:
    """A CSV file by its times [ns]."""
    found = pandas.read_csv(path)
    found.index = pandas.Index(pandas.to_datetime(found["time"]).astype("int64"))
    return found


def test_every_value_of_every_table(root: Path, tmp_path: Path) -> None:
    report = exporting.exported(root, Form.CSV, tmp_path / "out")
    truths = exporting.truths(root)
    assert sorted(Path(name).name for name in report.files) == [f"{name}.csv" for name in (HARMONICS, FAST, SLOW)]
    assert report.rows == sum(len(truth.time) for truth in truths.values())
    fast, slow = (frame(tmp_path / "out" / f"{name}.csv") for name in (FAST, SLOW))
    one, two = truths[ONE], truths[TWO]
    titles = ["frequency [Hz]", "rocof [Hz/s]", "UA magnitude [V]", "UA angle [degrees]", "IA magnitude [A]",
              "IA angle [degrees]", "A0 [rms]"]  # fmt: skip
    for at, title in enumerate(titles):
        np.testing.assert_array_equal(fast.loc[one.time, f"站 1: {title}"].astype("f4"), one.values[:, at])
    np.testing.assert_array_equal(fast.loc[one.time, "站 1: word 1"], one.digital[:, 0])
    label = f"'{exporting.ODD}"
    np.testing.assert_array_equal(fast.loc[two.time, f"{label}: frequency [Hz]"].astype("f4"), two.values[:, 0])
    np.testing.assert_array_equal(fast.loc[two.time, f"{label}: status"], two.status)
    gap = fast.index.difference(two.time)
    assert len(gap) == 40
    assert fast.loc[gap, [name for name in fast if exporting.ODD in name]].isna().all().all()
    four = truths[FOUR]
    offset = slow["link4/twin: offset [ns]"].dropna()
    np.testing.assert_array_equal(offset.index + offset, four.time)
    np.testing.assert_array_equal(slow.loc[offset.index, "link4/twin: rocof [Hz/s]"].astype("f4"), four.values[:, 1])
    assert "link3/twin: offset [ns]" not in slow
    fifth = frame(tmp_path / "out" / f"{HARMONICS}.csv")["站 1 harmonics: IA h5 angle [degrees]"]
    np.testing.assert_array_equal(fifth.astype("f4"), truths[spectrum_number(ONE, Spectrum.HARMONICS)].values[:, 13])


def test_times_and_text(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.CSV, tmp_path / "one.csv", devices=["站 1"], wanted=["frequency"],
                       start=makers.T0 + SECOND)  # fmt: skip
    raw = (tmp_path / "one.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbftime,")
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["time", "seconds since 2026-05-03T09:20:01.000000000Z", "站 1: frequency [Hz]"]
    assert rows[2][:2] == ["2026-05-03T09:20:01.020000000Z", "0.020000000"]
    assert raw.count(b"\r\n") == raw.count(b"\n") == len(rows) == 1 + 70 + 120


def test_parquet_holds_the_same(root: Path, tmp_path: Path) -> None:
    report = exporting.exported(root, Form.PARQUET, tmp_path / "out")
    truths = exporting.truths(root)
    assert len(report.files) == len(truths) == 5
    for device, label in ((ONE, "站 1"), (TWO, exporting.ODD), (FOUR, "link4/twin")):
        table, truth = pyarrow.parquet.read_table(tmp_path / "out" / f"{safe(label)}.parquet"), truths[device]
        names = [name for name in table.column_names if name.endswith("]")]
        np.testing.assert_array_equal(table["time"].to_numpy().astype("int64"), truth.time)
        found = np.array([table[name].to_numpy() for name in names]).T
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, truth.values)
        np.testing.assert_array_equal(table["status"].to_numpy(), truth.status)
        assert str(table.schema.field("status").type) == "uint16"
    volts = pyarrow.parquet.read_schema(tmp_path / "out" / "站 1.parquet").field("UA magnitude [V]")
    assert volts.metadata == {b"unit": b"V"}
    assert (
        pandas.read_parquet(tmp_path / "out" / "站 1.parquet")["word 1"].tolist() == truths[ONE].digital[:, 0].tolist()
    )


def test_parquet_of_one_station(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.PARQUET, tmp_path / "one.parquet", devices=["link3/twin"])
    assert pyarrow.parquet.read_table(tmp_path / "one.parquet").num_rows == 90
    with pytest.raises(ArchiveError, match="5 stations, a file each"):
        exporting.exported(root, Form.PARQUET, tmp_path / "all.parquet")


def test_without_pyarrow(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArchiveError, match=r"pip install 'syms-station\[parquet\]', or choose another format"):
        exporting.exported(root, Form.PARQUET, tmp_path / "out")


@pytest.mark.parametrize(("block", "end"), [(1, makers.T0 + 3 * SECOND), (200_000, None)])
def test_in_small_pieces(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int,
                         end: int | None) -> None:  # fmt: skip
    exporting.exported(root, Form.CSV, tmp_path / "whole", end=end)
    monkeypatch.setattr(blocks, "WIDE", block)
    monkeypatch.setattr(blocks, "SPARSE", 1)  # channel by channel
    exporting.exported(root, Form.CSV, tmp_path / "pieces", end=end)
    for name in (FAST, SLOW, HARMONICS):
        whole, pieces = (tmp_path / where / f"{name}.csv" for where in ("whole", "pieces"))
        assert whole.read_bytes() == pieces.read_bytes()


def test_a_file_for_several_tables(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"3 tables, a file each \(rate1_.*name a folder, as all"):
        exporting.exported(root, Form.CSV, tmp_path / "all.csv")
    assert list(tmp_path.iterdir()) == []


def test_lines_are_made_some_at_a_time(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exporting.exported(root, Form.CSV, tmp_path / "whole.csv", wanted=["frequency"], devices=["站 1"])
    monkeypatch.setattr("archive.exports.csvfiles.CELLS", 14)
    exporting.exported(root, Form.CSV, tmp_path / "pieces.csv", wanted=["frequency"], devices=["站 1"])
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "pieces.csv").read_bytes()
