"""syms export, events, finish."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from archive.writer import Archive
from commands.app import make_app
from protocol.clock import SECOND
from protocol.messages import Verdict
from tests import archives as makers

APP = make_app(["export", "events", "flags", "finish"])


def syms(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(each) for each in arguments])


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    archive = Archive(tmp_path)
    for link in (1, 2):
        archive.take(makers.configuration(link))
        archive.take(makers.measurements([link] * 3, makers.grid(0, 3)))
    archive.commit(makers.NONE)
    archive.close()
    return tmp_path


def lines(result: Any) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_export_prints_what_was_archived(filled: Path) -> None:
    rows = lines(syms("export", filled))
    assert len(rows) == 2 * 3 * 7
    assert "aside" not in rows[0]
    hertz = [row for row in rows if row["station"] == "站 2" and row["quantity"] == "frequency"]
    want = makers.measurements([2] * 3, makers.grid(0, 3))
    assert [int(row["time_ns"]) for row in hertz] == want.time.tolist()
    np.testing.assert_array_equal([np.float32(row["value"]) for row in hertz], want.values[:, 0])
    assert syms("finish", filled).exit_code == 0
    assert lines(syms("export", filled)) == rows


def test_export_of_some(filled: Path) -> None:
    rows = lines(syms("export", filled, "--device", "站 1", "--from", "2026-05-03T09:20:00.02Z", "--to",
                      "2026-05-03T09:20:00.04Z"))  # fmt: skip
    assert {(row["station"], int(row["time_ns"]) - makers.T0) for row in rows} == {("站 1", 20_000_000)}


def test_a_column_says_what_was_set_aside(filled: Path) -> None:
    archive = Archive(filled)
    archive.take(makers.measurements([1], makers.grid(0, 1), seed=1))
    archive.commit(makers.NONE)
    archive.close()
    rows = lines(syms("export", filled))
    assert sorted({row["aside"] for row in rows}) == ["", "place_taken"]
    assert sum(row["aside"] == "place_taken" for row in rows) == 7
    assert "aside" not in lines(syms("export", filled, "--device", "站 2"))[0]


@pytest.mark.parametrize("verb", ["export", "events", "flags", "finish"])
def test_what_is_no_archive_is_a_fault_of_who_asks(tmp_path: Path, verb: str) -> None:
    result = syms(verb, tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no SYMS archive (archive.json is missing); name the folder that has one" in result.stderr


def test_an_unknown_station(filled: Path) -> None:
    result = syms("export", filled, "--device", "X")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no station 'X' in that time; there are: 站 1, 站 2" in result.stderr


def test_events(filled: Path) -> None:
    assert syms("events", filled).stdout == "no events\n"
    archive = Archive(filled)
    archive.take(Verdict("windows", 1, 1, "w", "emd", 1, np.array([65536], np.uint32), makers.T0, makers.T0 + SECOND,
                         "ok", True, makers.T0, 2.5, {}, 1.0))  # fmt: skip
    archive.commit(makers.NONE)
    archive.write_events(makers.NONE, 0, SECOND, SECOND, everything=True)
    archive.close()
    (event,) = json.loads(syms("events", filled, "--json").stdout)
    assert (event["onset"], event["devices"], event["score"]) == (makers.T0, ["站 1"], 2.5)
    assert "2026-05-03T09:20:00.000" in syms("events", filled).stdout


def test_statistics_as_csv(filled: Path) -> None:
    archive = Archive(filled)
    for at in range(2):
        archive.take(makers.minute(at, 1, 2, number=at))
    archive.commit(makers.NONE)
    archive.close()
    rows = lines(syms("export", filled, "--statistics"))
    assert [(row["device"], row["name"], row["covered"]) for row in rows] == [
        (device, name, covered)
        for covered in ("60.0", "59.0")
        for device, name in (("65536", "站 1"), ("131072", "站 2"))
    ]
    some = lines(syms("export", filled, "--statistics", "--device", "站 1", "--from", "2026-05-03T09:21Z"))
    assert [row["start"] for row in some] == [str(makers.T0 + 60 * SECOND)]


def test_two_tables_at_once_are_refused(filled: Path) -> None:
    result = syms("export", filled, "--statistics", "--verdicts")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "two tables" in result.stderr


def test_verdicts_as_csv(filled: Path) -> None:
    archive = Archive(filled)
    for number, link in enumerate([1, 2, 1]):
        start = makers.T0 + number * SECOND
        archive.take(makers.verdict(link, 0, suspicious=False, start=start, stop=start + SECOND,
                                    error="too, \"far\""))  # fmt: skip
    archive.commit(makers.NONE)
    archive.close()
    rows = lines(syms("export", filled, "--verdicts"))
    assert [(row["device"], row["name"], row["outcome"]) for row in rows] == [
        ("65536", "站 1", "ok"), ("131072", "站 2", "ok"), ("65536", "站 1", "ok")]  # fmt: skip
    assert {row["error"] for row in rows} == {'too, "far"'}
    some = lines(syms("export", filled, "--verdicts", "--device", "站 1", "--from", "2026-05-03T09:20:01Z"))
    assert [row["start"] for row in some] == [str(makers.T0 + 2 * SECOND)]
    assert len(lines(syms("export", filled, "--verdicts", "--device", "131072"))) == 1
    result = syms("export", filled, "--verdicts", "--device", "X")
    assert result.exit_code == 1
    assert "no station 'X'" in result.stderr


def test_finish_as_json(filled: Path) -> None:
    files = json.loads(syms("finish", filled, "--json").stdout)["files"]
    assert [Path(file).name for file in files] == ["syms_20260503T09Z.h5"]
    assert json.loads(syms("finish", filled, "--json").stdout)["files"] == []


@pytest.fixture
def flagged(filled: Path) -> Path:
    archive = Archive(filled)
    archive.take(makers.flags((1, "frozen", 1.5, 2.0, 1), (2, "spikes", 1.6, 1.7, 0)))
    archive.take(makers.flags((1, "frozen", 1.5, 9.0, 0), number=1, score=5.0))
    archive.commit(makers.NONE)
    archive.close()
    return filled


def test_flags_are_listed(flagged: Path) -> None:
    found = json.loads(syms("flags", flagged, "--json").stdout)
    assert [(row["name"], row["kind"], row["score"], row["going"]) for row in found] == [
        ("站 1", "frozen", 5.0, False), ("站 2", "spikes", 2.0, False)]  # fmt: skip
    assert found[0]["stop"] - found[0]["start"] == 7.5 * SECOND
    assert [row["kind"] for row in lines(syms("flags", flagged, "--csv", "--kind", "spikes"))] == ["spikes"]
    assert [row["name"] for row in lines(syms("flags", flagged, "--csv", "--device", "站 1"))] == ["站 1"]
    assert lines(syms("flags", flagged, "--csv", "--from", "2026-05-03T09:30:00Z")) == []
    table = syms("flags", flagged).stdout
    assert "frozen" in table
    assert "2026-05-03 09:20:01.500" in table


def test_an_unknown_kind_of_flag_is_refused(flagged: Path) -> None:
    result = syms("flags", flagged, "--kind", "rusty")
    assert result.exit_code == 2
    assert "clock_offset" in result.output


def test_repaired_rows_go_to_a_new_file(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    limits = ("--from", "2026-05-03T09:20:00Z", "--to", "2026-05-03T09:20:01Z")
    result = syms("export", filled, "--repaired", out, *limits)
    assert result.exit_code == 0, result.output
    assert out.stat().st_size
    before = out.read_bytes()
    assert syms("export", filled, "--repaired", out, *limits).exit_code == 1
    assert out.read_bytes() == before
