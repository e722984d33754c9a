"""syms completeness."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from archive.finish import finish_all
from archive.layout import SPAN, hour_of
from archive.writer import Archive
from commands.app import make_app
from protocol.clock import SECOND
from protocol.messages import Table
from tests.archives import NONE, T0, configuration, measurements

APP = make_app(["completeness"])
RARE = Table(-60, 1, 0, 0)
HOUR = hour_of(T0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices with a row a minute over 26 hours; of the second one half an hour is missing."""
    found = tmp_path_factory.mktemp("archive")
    archive = Archive(found)
    for link, name in ((1, "whole"), (2, "[half]")):
        archive.take(configuration(link, RARE, name=name))
        minutes = [at for at in range(26 * 60) if link == 1 or not 90 <= at < 120]
        archive.take(measurements([link] * len(minutes), [HOUR + at * 60 * SECOND for at in minutes], RARE))
    archive.commit(NONE)
    archive.close()
    finish_all(found)
    return found


def syms(*arguments: object) -> Any:
    return CliRunner().invoke(APP, ["completeness", *map(str, arguments)])


def test_people_see_a_table_and_a_map(root: Path) -> None:
    done = syms(root)
    assert done.exit_code == 0, done.output
    assert "2026-05-03 09:00 to 2026-05-04 11:00 UTC: 99.03 % of what was expected" in done.stdout
    lines = done.stdout.splitlines()
    [half] = [line for line in lines if "[half]" in line and "98.07 %" in line]
    cells = [cell.strip() for cell in half.split("│")[1:-1]]
    assert (cells[:4], cells[6:]) == (["[half]", "98.07 %", "1560", "30"], ["0", ""])
    [marks] = [line for line in lines if line.startswith("[half]")]
    assert marks.removeprefix("[half]").strip() == "█░" + "█" * 24
    assert len([line for line in lines if line.startswith("whole")]) == 1


def test_by_day_as_json(root: Path) -> None:
    told = json.loads(syms(root, "--by", "day", "--json").stdout)
    assert told["share"] == pytest.approx(1 - 30 / 3120)
    assert told["start"][1] == told["stop"][0] == HOUR + 15 * SPAN
    half = told["devices"][1]
    assert (half["name"], half["expected"], half["archived"]) == ("[half]", [900, 660], [870, 660])
    assert half["late"] == [None, None]
    assert half["shares"] == [pytest.approx(870 / 900), 1.0]


def test_a_line_for_each_cell(root: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(syms(root, "--csv", "--device", "[half]").stdout)))
    assert len(rows) == 26
    assert (rows[1]["expected"], rows[1]["archived"], rows[1]["share"], rows[1]["late"]) == ("60", "30", "0.5", "")


def test_the_end_counts_as_far_as_it_has_come(root: Path) -> None:
    """Of a time when nothing came any more all is missing."""
    told = json.loads(syms(root, "--from", "2026-05-04T10:00Z", "--to", "2026-05-04T13:00Z", "--json").stdout)
    assert [each["archived"] for each in told["devices"]] == [[60, 0, 0]] * 2
    assert [each["expected"] for each in told["devices"]] == [[60, 60, 60]] * 2


def test_faults_have_a_remedy(root: Path, tmp_path: Path) -> None:
    done = syms(root, "--device", "hole")
    assert done.exit_code == 1
    assert "no station 'hole' in that time; there are: whole" in done.stderr
    assert syms(tmp_path).exit_code == 2
    assert "no device is expected" in syms(root, "--from", "2020-01-01", "--to", "2020-01-02").stdout
