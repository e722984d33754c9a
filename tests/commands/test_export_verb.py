"""syms export --out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from commands import _polite
from commands.app import make_app
from tests import archives as makers
from tests import exporting

APP = make_app(["export"])
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests keeps its priority and its signals."""
    monkeypatch.setattr(_polite, "give_way", lambda: None)
    monkeypatch.setattr(_polite, "leave_cleanly", lambda: None)


def syms(*arguments: object) -> Any:
    return CliRunner().invoke(APP, ["export", *map(str, arguments)])


def test_a_name_tells_the_format(root: Path, tmp_path: Path) -> None:
    done = syms(root, "--out", tmp_path / "out.xlsx", "--device", "站 1", "--quantity", "frequency,magnitude:UA")
    assert done.exit_code == 0, done.output
    assert "240 rows of 1 station, 1 file, " in done.stdout
    [heading, *_] = openpyxl.load_workbook(tmp_path / "out.xlsx")["站 1"].iter_rows(values_only=True)
    assert heading == ("time (UTC)", "seconds", "frequency [Hz]", "UA magnitude [V]")


def test_as_json(root: Path, tmp_path: Path) -> None:
    done = syms(root, "--out", tmp_path / "out", "--format", "comtrade", "--comtrade", "cff", "--json", "--event",
                "20260503T092001")  # fmt: skip
    told = json.loads(done.stdout)
    assert [Path(name).name for name in told["files"]] == ["站 1 harmonics.cff", "站 1.cff"]
    assert (told["rows"], told["stations"], told["aside"], told["silent"]) == (102, 1, 0, [])


def test_programs_are_told_how_far_it_is(root: Path, tmp_path: Path) -> None:
    done = syms(root, "--out", tmp_path / "out.h5", "--device", "站 1", "--json", "--progress")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [each["rows"] for each in lines] == sorted(each["rows"] for each in lines)
    assert lines[-1]["rows"] == lines[-1]["of"] == json.loads(done.stdout)["rows"]


def test_an_event_by_its_shortened_id(tmp_path: Path) -> None:
    root = exporting.fill(tmp_path / "archive")
    exporting.judged(root)
    done = syms(root, "--out", tmp_path / "event.xlsx", "--event", "20260503T092000", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["stations"], told["silent"]) == (2, [])
    assert "charts" in openpyxl.load_workbook(tmp_path / "event.xlsx").sheetnames
    done = syms(root, "--out", tmp_path / "none.h5", "--event", "20270503")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no event '20270503'; there are: 20260503T092000.100Z_suspects, " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--out", "x"], 2, "x tells no format: say --format"),
        (["--format", "xlsx"], 2, "say where to"),
        (["--event", "2026"], 2, "say where to"),
        (["--rate-limit", "9"], 2, "say where to"),
        (["--out", "x.h5", "--verdicts"], 2, "leave --out away"),
        (["--out", "x.h5", "--events"], 2, "leave --out away"),
        (["--out", "x.h5", "--repaired", "y.h5"], 2, "leave --out away"),
        (["--events", "--repaired", "y.h5"], 2, "--events and --repaired are two tables"),
        (["--out", "x.h5", "--device", "站 9"], 1, "no station '站 9' in that time; there are: 站 1, "),
        (["--out", "x.h5", "--from", "yesterday"], 1, "'yesterday' is no time"),
        (["--out", "archive.json", "--format", "csv"], 1, "archive.json exists already"),
    ],
)
def test_what_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    done = syms(root, *arguments)
    assert done.exit_code == code
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert sorted(root.rglob("*")) == before


def test_remarks(tmp_path: Path) -> None:
    from archive.writer import Archive

    archive = Archive(tmp_path / "archive")
    for link in (1, 2):
        archive.take(makers.configuration(link))
    archive.take(makers.measurements([1] * 5, makers.grid(0, 5)))
    archive.take(makers.measurements([2] * 2, makers.grid(0, 2), aside=1))
    archive.commit(makers.NONE)
    archive.close()
    done = syms(tmp_path / "archive", "--out", tmp_path / "out.csv")
    assert done.exit_code == 0
    assert "no rows in that time: 站 2" in done.stderr
    assert "2 rows were set aside and are not in it" in done.stderr


def test_a_limit_spreads_the_work() -> None:
    now, slept = 100.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(seconds)

    limit = _polite.Limit(1000, lambda: now, sleep)
    for _ in range(4):
        limit.done(500)
    assert sum(slept) == pytest.approx(2.0)
    now += 10  # who was slow need not wait
    limit.done(500)
    assert sum(slept) == pytest.approx(2.0)
    free = _polite.Limit(None, lambda: now, sleep)
    free.done(10**9)
    assert len(slept) == 4


@pytest.mark.system
def test_it_goes_last_and_ends_cleanly(root: Path, tmp_path: Path) -> None:
    """A real process is niced, and leaves nothing when it is told to end."""
    out = tmp_path / "out"
    asked = [
        sys.executable,
        "-m",
        "commands",
        "export",
        str(root),
        "--format",
        "csv",
        "--out",
        str(out),
        "--rate-limit",
        "1",
    ]
    with subprocess.Popen(
        asked, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 60
            while not list(tmp_path.glob(f".out.{process.pid}.partial/*.csv")):
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.02)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
            assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []
