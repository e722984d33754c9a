"""`syms devices list, add, import, remove`: what is shown, written and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands import _devicelist
from commands.app import make_app
from console.board import Board
from nodes._faults import Faulty
from nodes._site import load
from tests.commands.test_board import health, rows

SITE = "station: T\nunknown: refuse  # all\ndevices:\n  - {name: A,  number: 1, stream: 7}\n"


def syms(*words: str) -> Result:
    return CliRunner().invoke(make_app(["devices"]), ["devices", *words])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


def test_one_is_added_with_the_next_number_and_shown(site: Path) -> None:
    done = syms(
        "add", "B", "--tcp", "10.0.0.2:4712", "--region", "north", "--set", "elevation=610", "--site", str(site)
    )
    assert done.exit_code == 0, done.output
    new = "  - {name: B, number: 2, link: {tcp: '10.0.0.2:4712'}, region: north, elevation: 610}\n"
    assert site.read_text() == SITE + new
    assert f"+{new}" in done.stdout
    listed = json.loads(syms("list", str(site), "--json").stdout)
    assert listed["site"] == load(site).version
    assert [(each["number"], each["name"], each["reached"]) for each in listed["devices"]] == [
        (1, "A", "dials in"),
        (2, "B", "tcp 10.0.0.2:4712"),
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("B", "--tcp", "10.0.0.2"), "column tcp: B: link.tcp: '10.0.0.2' is not HOST:PORT"),
        (("A", "--stream", "8"), "name 'A' is given already in "),
        (("B", "--stream", "8", "--number", "1"), "site.yaml:4; give each device its own number"),
        (("B",), "nothing to recognise it by"),
        (("B", "--set", "elevatio=1"), "did you mean 'elevation'?"),
        (("B", "--set", "elevation"), "is not SETTING=VALUE"),
    ],
)
def test_a_faulty_one_is_refused_and_nothing_written(site: Path, words: tuple[str, ...], why: str) -> None:
    done = syms("add", *words, "--site", str(site))
    assert done.exit_code == 2
    assert why in done.output
    assert "syms devices add:2" not in done.output
    assert site.read_text() == SITE


def test_a_dry_run_writes_nothing(site: Path) -> None:
    done = syms("add", "B", "--stream", "8", "--site", str(site), "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert (told["written"], told["added"]) == (False, [{"name": "B", "number": 2, "stream": 8}])
    assert "+  - {name: B, number: 2, stream: 8}" in told["diff"]
    assert site.read_text() == SITE


def test_a_table_is_imported_or_refused_as_a_whole(site: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("name,stream,region\nB,8,north\nA,9,south\n")
    refused = syms("import", str(table), "--site", str(site))
    assert isinstance(refused.exception, Faulty)
    assert str(refused.exception) == f"{table}:3: name 'A' is given already in {site}:4; give each device its own name"
    table.write_text("name,stream,region\nB,8,north\nB,9,south\n")
    refused = syms("import", str(table), "--site", str(site))
    assert str(refused.exception) == f"{table}:3: name 'B' is given already in {table}:2; give each device its own name"
    table.write_text("name,stream,region\nB,8,north\nA,9,south\n")
    assert site.read_text() == SITE
    table.write_text("name,stream,region\nB,8,north\nC,9,south\n")
    assert syms("import", str(table), "--site", str(site)).exit_code == 0
    assert [(each.name, each.number, each.region) for each in load(site).devices[1:]] == [
        ("B", 2, "north"),
        ("C", 3, "south"),
    ]


def test_the_table_in_the_docs_is_right(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("station: T\n")
    docs = Path(__file__).parents[2] / "docs" / "devices.csv"
    assert syms("import", str(docs), "--site", str(path)).exit_code == 0
    assert {each.link.how for each in load(path).devices} == {"dials_in", "tcp", "tcp_udp", "udp", "spontaneous"}


def test_one_is_removed(site: Path) -> None:
    done = syms("remove", "B", "--site", str(site))
    assert done.exit_code == 2
    assert "has no device 'B'" in done.output
    assert syms("remove", "A", "--site", str(site)).exit_code == 0
    assert site.read_text() == "station: T\nunknown: refuse  # all\ndevices: []\n"


def test_a_pipeline_that_is_not_up_shows_its_site(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMS_RUN", str(tmp_path / "run"))
    pipeline = tmp_path / "p.yaml"
    pipeline.write_text(
        "site: site.yaml\nnodes:\n  front: {kind: balancer, listen: 0.0.0.0:4712}\n"
        "  receivers: {kind: receiver, from: front}\n"
    )
    listed = json.loads(syms("list", str(pipeline), "--json").stdout)
    assert listed["up"] is False
    assert "received" not in listed["devices"][0]
    assert "dials in" in syms("list", str(pipeline)).stdout


def test_counters_of_all_stations_of_a_device_are_one(site: Path) -> None:
    board = Board(["r", "archive", "align"])
    first, second = 65536, 65537
    received = rows(["received", "connected"], (first, "A", [10, 1]), (second, "A", [20, 1]))
    board.hear(health("r", "receiver", **received), 0.0)
    archived = rows(["received"], (first, "A1", [9]), (second, "A2", [19]))
    board.hear(health("archive", "archiver", **archived), 0.0)
    aligned = rows(["late", "latency_ms"], (first, "A1", [1, 5.0]), (second, "A2", [2, 7.5]))
    board.hear(health("align", "concentrator", **aligned), 0.0)
    listed = _devicelist.Listed(load(site), True, _devicelist.counts(board))
    [row] = listed.rows()
    assert (row["connected"], row["received"], row["late"], row["latency_ms"]) == (1, 28, 3, 7.5)
