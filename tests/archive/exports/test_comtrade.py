"""COMTRADE, read back by the library `comtrade`, and its configuration file against the standard, field by field."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import comtrade
import numpy as np
import pytest

from archive.exports import cfg
from archive.exports.comtrade import _number
from archive.exports.forms import Comtrade, Form
from archive.exports.numbers import plain
from archive.exports.target import safe
from archive.folder import ArchiveError
from protocol.clock import SECOND
from protocol.messages import Spectrum, device_number, spectrum_number
from tests import archives as makers
from tests import exporting

ONE, TWO, FOUR = (device_number(link, 0) for link in (1, 2, 4))
REAL = r"-?\d+(\.\d+)?([eE][+-]?\d+)?"
STAMP = r"\d{2}/\d{2}/\d{4},\d{2}:\d{2}:\d{2}\.(\d{6}|\d{9})"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


def read(path: Path) -> Any:
    found = comtrade.Comtrade(ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True)
    found.load(str(path), **({} if path.suffix == ".cff" else {"encoding": "utf-8"}))
    return found


def times(record: Any) -> np.ndarray[Any, Any]:
    """ns since the first sample."""
    return np.rint(np.asarray(record.time) * 1e9).astype(np.int64)


@pytest.mark.parametrize("kind", list(Comtrade))
def test_every_value_of_every_station(root: Path, tmp_path: Path, kind: Comtrade) -> None:
    exporting.exported(root, Form.COMTRADE, tmp_path / "out", kind, end=makers.T0 + 60 * SECOND)
    truths = exporting.truths(root)
    suffix = ".cff" if kind is Comtrade.CFF else ".cfg"
    labels = {ONE: "站 1", TWO: exporting.ODD, FOUR: "link4/twin",
              spectrum_number(ONE, Spectrum.HARMONICS): "站 1 harmonics"}  # fmt: skip
    for device, label in labels.items():
        record, truth = read(tmp_path / "out" / f"{safe(label)}{suffix}"), truths[device]
        truth = truth.within(0, makers.T0 + 60 * SECOND)
        assert record.total_samples == len(truth.time)
        assert record.station_name == cfg.name(label)
        np.testing.assert_array_equal(times(record), truth.time - truth.time[0])
        found = np.array(record.analog).T
        assert (np.isnan(found) == np.isnan(truth.values)).all()
        if kind is Comtrade.BINARY32:
            reach = np.nanmax(truth.values, axis=0) - np.nanmin(truth.values, axis=0)
            assert (np.nan_to_num(np.abs(found - truth.values)) <= reach * 2.0**-32).all()
        else:
            np.testing.assert_array_equal(found.astype("f4"), truth.values)


def test_status_channels(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.COMTRADE, tmp_path / "out", Comtrade.FLOAT32, end=makers.T0 + 60 * SECOND)
    truths = exporting.truths(root)
    record = read(tmp_path / "out" / f"{safe(exporting.ODD)}.cfg")
    truth = truths[TWO].within(0, makers.T0 + 60 * SECOND)
    bits = np.array(record.status)
    assert record.status_channel_ids == [f"STAT {name}" for name in cfg.STAT_BITS] + ["w0 b0", "w0 b2"]
    for bit in range(16):
        np.testing.assert_array_equal(bits[bit], truth.status >> bit & 1)
    for at, bit in ((16, 0), (17, 2)):
        np.testing.assert_array_equal(bits[at], truth.digital[:, 0] >> bit & 1)
    assert [channel.y for channel in record.cfg.status_channels][-2:] == [0, 1]


def lines(path: Path) -> list[str]:
    raw = path.read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert raw.endswith(b"\r\n")
    return raw.decode().split("\r\n")[:-1]


@pytest.mark.parametrize("kind", [Comtrade.ASCII, Comtrade.BINARY32, Comtrade.FLOAT32])
def test_the_configuration_is_what_the_standard_says(root: Path, tmp_path: Path, kind: Comtrade) -> None:
    """C37.111-2013, 7.4: order, number and form of the fields."""
    exporting.exported(root, Form.COMTRADE, tmp_path / "out", kind, end=makers.T0 + 60 * SECOND)
    for path in (tmp_path / "out").glob("*.cfg"):
        told = lines(path)
        station, device, year = told[0].split(",")
        assert 0 < len(station) <= 64
        assert 0 < len(device) <= 64
        assert year == "2013"
        total, analog, digital = re.fullmatch(r"(\d+),(\d+)A,(\d+)D", told[1]).groups()  # type: ignore[union-attr]
        assert int(total) == int(analog) + int(digital)
        for number, line in enumerate(told[2 : 2 + int(analog)], 1):
            n, name, phase, component, unit, a, b, skew, low, high, primary, secondary, ps = line.split(",")
            assert (int(n), phase, component, skew, primary, secondary, ps) == (number, "", "", "0", "1", "1", "P")
            assert 0 < len(name) <= 64
            assert 0 < len(unit) <= 32
            assert all(re.fullmatch(REAL, each) and len(each) <= 32 for each in (a, b, low, high))
            assert float(low) < float(high)
        rest = told[2 + int(analog) :]
        for number, line in enumerate(rest[: int(digital)], 1):
            n, name, phase, component, normal = line.split(",")
            assert int(n) == number
            assert 0 < len(name) <= 64
            assert normal in ("0", "1")
        frequency, rates, samples, first, trigger, form, multiplier, code, quality = rest[int(digital) :]
        assert frequency in ("50", "60")
        rate, last = samples.split(",")
        assert (rates, float(rate) > 0) in (("1", True), ("0", False))
        assert int(last) == len(samples_of(path, kind, int(analog), int(digital)))
        assert re.fullmatch(STAMP, first)
        assert re.fullmatch(STAMP, trigger)
        assert len(first) == len(trigger)
        assert form == kind.value.upper()
        assert int(multiplier) >= 1
        assert code == "0,x"
        assert re.fullmatch(r"[0-9A-F],[0-3]", quality)


def samples_of(path: Path, kind: Comtrade, analog: int, digital: int) -> Any:
    """Samples of a data file, by their size (8.6: 4 bytes of number, 4 of time, 4 an analog, 2 for 16 states)."""
    data = path.with_suffix(".dat").read_bytes()
    if kind is Comtrade.ASCII:
        rows = data.decode("ascii").split("\r\n")[:-1]
        assert all(len(row.split(",")) == 2 + analog + digital for row in rows)
        assert all(len(cell) <= 13 for row in rows for cell in row.split(","))
        return rows
    size = 8 + 4 * analog + 2 * -(-digital // 16)
    assert len(data) % size == 0
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    np.testing.assert_array_equal(rows[:, :4].copy().view("<u4")[:, 0], 1 + np.arange(len(rows)))
    return rows


def test_gaps_are_told_by_time_stamps(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.COMTRADE, tmp_path / "out", devices=["站 1", exporting.ODD], wanted=["frequency"],
                       end=makers.T0 + 60 * SECOND)  # fmt: skip
    assert lines(tmp_path / "out" / "站 1.cfg")[4:6] == ["1", "50,120"]
    assert lines(tmp_path / "out" / f"{safe(exporting.ODD)}.cfg")[4:6] == ["0", "0,100"]
    exporting.exported(root, Form.COMTRADE, tmp_path / "whole", devices=["站 1"], wanted=["frequency"])
    assert lines(tmp_path / "whole" / "站 1.cfg")[4:6] == ["0", "0,240"]
    found = times(read(tmp_path / "whole" / "站 1.cfg")) + makers.T0
    np.testing.assert_array_equal(found, exporting.truths(root)[ONE].time)


def test_an_event_tells_its_trigger(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.COMTRADE, tmp_path / "out", event="20260503T092001")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.cfg")) == ["站 1 harmonics.cfg", "站 1.cfg"]
    record = read(tmp_path / "out" / "站 1.cfg")
    assert record.start_timestamp == datetime(2026, 5, 3, 9, 20, 0)
    assert record.trigger_timestamp == datetime(2026, 5, 3, 9, 20, 1)
    assert record.total_samples == 100


@pytest.mark.parametrize(("flags", "told"), [(0, 0), (0x10, 0), (0x20, 0), (0x30, 1), (0x70, 2), (0x7F, 2)])
def test_leap_seconds(flags: int, told: int) -> None:
    assert cfg.leap_second(flags) == told


def test_stamps_fit_into_32_bits() -> None:
    from archive.exports.plan import Track

    day = 86_400
    for rate, unit in ((50, 1000), (60, 1)):
        table = exporting.FAST._replace(rate=rate)
        track = Track(makers.configuration(1, table), [0], [], rows=1, first=0, last=40 * day * rate)
        found = cfg.pace(track)
        assert found.unit == unit
        assert 40 * day * SECOND // (found.unit * found.multiplier) <= cfg.STAMP
        assert 40 * day * SECOND // (found.unit * found.multiplier // 10) > cfg.STAMP


def test_quality_alone_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no channel for quality alone"):
        exporting.exported(root, Form.COMTRADE, tmp_path / "out", wanted=["quality"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [99999.0, -0.00012345678, 1.1754944e-38, -3.4028235e38, np.nan, 0.1])
def test_numbers_of_ascii_files(value: float) -> None:
    [wide] = plain(np.array([value], np.float32)).tolist()
    told = _number(wide)
    assert len(told) <= 13
    assert (told == "99999") == np.isnan(value)
    if not np.isnan(value):
        np.testing.assert_allclose(float(told), np.float32(value), rtol=1e-6)
