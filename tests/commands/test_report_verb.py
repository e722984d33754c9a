"""syms report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands import _polite, report
from commands.app import make_app
from nodes._faults import Faulty
from tests import reporting

APP = make_app(["report"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reporting.fill(tmp_path_factory.mktemp("archive"), devices=2, hours=1)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests keeps its priority and its signals."""
    monkeypatch.setattr(_polite, "give_way", lambda: None)
    monkeypatch.setattr(_polite, "leave_cleanly", lambda: None)
    monkeypatch.setattr(report.time, "time_ns", lambda: reporting.END + 30 * 3600 * 10**9)


def syms(*arguments: object) -> Any:
    return CliRunner().invoke(APP, ["report", *map(str, arguments)])


def test_both_files_appear_and_are_replaced_by_the_same(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "some" / "reports"
    done = syms(root, "--day", "2026-05-03", "--out", out)
    assert done.exit_code == 0, done.output
    names = ["report_2026-05-03.html", "report_2026-05-03.xlsx"]
    assert [Path(line).name for line in done.stdout.splitlines()] == names
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == names
    told = json.loads(syms(root, "--day", "2026-05-03", "--out", out, "--json").stdout)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert (told["day"], told["events"], told["unfinished"]) == ("2026-05-03", 1, False)
    assert 0 < told["complete"] < 0.1
    assert b"North Hub" in before[names[0]]


def test_yesterday_in_chinese_with_another_site_file(root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("station: 东站\ndevices: []\n")
    done = syms(root, "--out", tmp_path, "--language", "zh", "--zone", "Asia/Shanghai", "--site", site)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "report_2026-05-04.html").read_text()  # yesterday, at 30 hours after the third's end
    assert "东站" in text
    assert "日报" in text


def test_a_report_that_fails_leaves_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("console.reports.workbook.write_workbook", full)
    done = syms(root, "--day", "2026-05-03", "--out", tmp_path)
    assert done.exit_code == 1
    assert "No space left" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [(["--day", "May"], "is no day"), (["--zone", "Moon/Sea"], "no time zone"), (["--language", "de"], "none of")],
)
def test_what_is_asked_wrongly_is_told(root: Path, tmp_path: Path, wrong: list[str], text: str) -> None:
    done = syms(root, "--out", tmp_path, *wrong)
    assert done.exit_code == 2
    assert text in done.stderr.replace("\n", " ")


def test_a_day_to_come_and_no_archive(root: Path, tmp_path: Path) -> None:
    done = syms(root, "--out", tmp_path / "out", "--day", "2030-01-01")
    assert (done.exit_code, "still to come" in done.stderr) == (1, True)
    assert syms(tmp_path, "--out", tmp_path / "out").exit_code == 2
    site = tmp_path / "site.yaml"
    site.write_text("stations: x\n")
    assert isinstance(syms(root, "--out", tmp_path, "--site", site).exception, Faulty)
