"""What the Health messages say together."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from commands.status import _ended, called, device_tables, number, picture, span
from console.board import Board
from nodes._pipeline import load
from protocol.messages import Health, device_number

SECOND = 10**9


def health(node: str, kind: str, at: int = 0, **more: Any) -> Health:
    own: dict[str, Any] = {
        "pid": 1,
        "uptime": 1.0,
        "cpu": 0.0,
        "memory": 1 << 20,
        "counters": {},
        "queues": {},
        "columns": [],
        "devices": np.zeros(0, np.uint32),
        "labels": [],
        "counts": np.zeros((0, 0)),
        "alarms": [],
    }
    return Health(node=node, kind=kind, time=at * SECOND, **(own | more))


def rows(columns: list[str], *lines: tuple[int, str, list[float]]) -> dict[str, Any]:
    return {
        "columns": columns,
        "devices": np.array([device for device, _, _ in lines], np.uint32),
        "labels": [label for _, label, _ in lines],
        "counts": np.array([counts for _, _, counts in lines], np.float64),
    }


def test_rates_come_from_two_words_of_one_life() -> None:
    board = Board(["a"])
    board.hear(health("a", "receiver", 10, counters={"rows": 100.0}, cpu=1.0), 0.0)
    assert board.voices["a"].rates == {}
    board.hear(health("a", "receiver", 12, counters={"rows": 300.0, "new": 1.0}, cpu=1.5), 2.0)
    assert board.voices["a"].rates == {"rows": 100.0}
    assert board.voices["a"].cpu == 0.25
    board.hear(health("a", "receiver", 13, counters={"rows": 5.0}, pid=2), 3.0)
    assert board.voices["a"].rates == {}
    assert board.restarts == {"a": 1}


def test_who_stays_silent_is_an_alarm() -> None:
    board = Board(["a", "b"])
    board.hear(health("a", "receiver", alarms=["disk is full"]), 0.0)
    assert board.silent(1.0) == ["b"]
    assert board.alarms(1.0) == ["b: silent", "a: disk is full"]
    assert board.silent(10.0) == ["a", "b"]
    assert board.nodes(1.0)["b"] == {"speaks": False}


def test_counts_of_a_device_add_up_over_the_copies_of_a_kind() -> None:
    device = device_number(3, 1)
    board = Board([])
    columns = ["received", "connected", "latency_ms"]
    board.hear(health("r.1", "receiver", **rows(columns, (device, "", [10, 0, math.nan]))), 0.0)
    board.hear(health("r.2", "receiver", **rows(columns, (device, "Lake", [5, 1, 7.5]))), 0.0)
    board.hear(health("align", "concentrator", **rows(["received", "late"], (device, "Lake", [14, 1]))), 0.0)
    [row] = board.devices()
    assert (row["device"], row["link"], row["station"], row["name"]) == (device, 3, 1, "Lake")
    assert row["counts"] == {
        "receiver_received": 15,
        "connected": 1,
        "latency_ms": 7.5,
        "concentrator_received": 14,
        "late": 1,
    }


def test_a_device_has_the_name_of_the_site_and_its_own_and_simulators_are_no_witnesses() -> None:
    device = device_number(3, 0)
    board = Board([])
    board.hear(health("sim", "simulator", **rows(["connected"], (device, "SIM 3", [1]))), 0.0)
    board.hear(health("align", "concentrator", **rows(["late"], (device, "LAKE STN", [2]))), 0.0)
    board.hear(health("front", "balancer", **rows(["connected"], (device, "Lake", [0]))), 0.0)
    [row] = board.devices()
    assert row["counts"] == {"late": 2, "connected": 0}
    assert called(row) == "Lake: LAKE STN"
    assert called({"site_name": "Lake", "name": "Lake"}) == "Lake"
    assert called({"site_name": "", "name": "", "link": 3, "station": 1}) == "3.1"


def test_the_books_of_the_archiver_are_shown_and_nought_is_left_out() -> None:
    device = device_number(1, 0)
    board = Board([])
    board.hear(health("r", "receiver", **rows(["received", "lost", "connected"], (device, "Lake", [19, 0, 1]))), 0.0)
    books = rows(["received", "archived", "lost", "pending"], (device, "Lake", [15, 12, 0, 3]))
    board.hear(health("a", "archiver", **books), 0.0)
    out = io.StringIO()
    Console(file=out, width=80).print(*device_tables(board, 80))
    heading, *_, line = [each.split() for each in out.getvalue().splitlines()[2:] if each.strip()]
    assert heading == ["device", "connected", "received", "archived", "pending"]
    assert line == ["Lake", "1", "15", "12", "3"]


def test_columns_without_room_go_to_a_further_table() -> None:
    board = Board([])
    columns = ["received", "archived", "corrupt", "suspicious", "score"]
    board.hear(health("r", "receiver", **rows(columns, (device_number(1, 0), "Lake", [100_000] * 5))), 0.0)
    out = io.StringIO()
    for table in device_tables(board, 50):
        Console(file=out, width=50).print(table)
    assert out.getvalue().count("devices: 1") == 2
    assert out.getvalue().split().count("100,000") == 5
    assert "…" not in out.getvalue()


def test_totals_are_of_one_kind() -> None:
    board = Board([])
    board.hear(health("r.1", "receiver", counters={"rows": 3.0}), 0.0)
    board.hear(health("r.2", "receiver", counters={"rows": 4.0}), 0.0)
    board.hear(health("a", "archiver", counters={"rows": 100.0}), 0.0)
    assert board.total("receiver", "rows") == 7.0
    assert board.total("receiver", "nothing") == 0.0


def test_the_picture_shows_nodes_devices_and_alarms() -> None:
    board = Board(["r.1", "gone"])
    said = health(
        "r.1",
        "receiver",
        counters={"rows": 1234.0},
        queues={"behind": 2, "none": 0},
        alarms=["[bold] is no markup"],
        **rows(["received"], (device_number(1, 0), "Lake", [7])),
    )
    board.hear(said, 0.0)
    out = io.StringIO()
    Console(file=out, width=160).print(picture(board, 0.5))
    text = out.getvalue()
    for words in ("rows 1,234", "behind 2", "Lake", "r.1: [bold] is no markup", "gone: silent"):
        assert words in text
    assert "none 0" not in text


def test_who_had_an_end_and_came_to_it_is_not_silent() -> None:
    board = Board(["devices", "front", "r.1"])
    board.hear(health("devices", "simulator"), 0.0)
    later = 100.0
    assert board.silent(later) == ["devices", "front", "r.1"]
    board.ended = frozenset({"devices", "front"})
    assert (board.silent(later), board.alarms(later)) == (["r.1"], ["r.1: silent"])
    nodes = board.nodes(later)
    assert [(node["speaks"], node.get("ended")) for node in nodes.values()] == [
        (False, True),
        (False, True),
        (False, None),
    ]
    out = io.StringIO()
    Console(file=out, width=160).print(picture(board, later))
    assert (out.getvalue().count("ended"), out.getvalue().count("silent")) == (2, 2)  # the alarm, the table


def test_only_what_plays_devices_comes_to_an_end_of_its_own() -> None:
    station = load(Path(__file__).parents[2] / "pipelines" / "demo.yaml")
    players = {name for name, spec in station.processes.items() if spec.kind in ("simulator", "replayer")}
    assert players
    assert players < station.processes.keys()

    def infos(state: str, status: int) -> dict[str, dict[str, object]]:
        return {name: {"statename": state, "exitstatus": status} for name in station.processes}

    assert _ended(station, infos("EXITED", 0)) == players
    assert not _ended(station, infos("EXITED", 1))
    assert not _ended(station, infos("STOPPED", 0))
    assert not _ended(station, {})


def test_numbers_and_spans_as_people_read_them() -> None:
    assert [number(value) for value in (12345.0, 0.25, 1234.5, math.nan)] == ["12,345", "0.2", "1,234", ""]
    assert [span(value) for value in (5.9, 65, 3725)] == ["5 s", "1 min 05", "1 h 02"]


def test_the_site_file_in_force_is_shown_and_those_who_have_another() -> None:
    board = Board(["front", "archive", "align"])
    board.hear(health("archive", "archiver", site="0123abcd", site_since=86400 * SECOND), 0.0)
    board.hear(health("front", "balancer", site="0123abcd", site_since=86401 * SECOND), 0.0)
    board.hear(health("align", "concentrator"), 0.0)
    assert shown(board).count("site file") == 1
    assert "site file 0123abcd in force since 1970-01-02 00:00:01 UTC" in shown(board)
    assert board.nodes(0.0)["front"]["site"] == "0123abcd"
    assert "site" not in board.nodes(0.0)["align"]
    board.hear(health("archive", "archiver", site="ffffffff", site_since=86400 * SECOND), 0.0)
    assert "site file ffffffff in force since 1970-01-02 00:00:00 UTC (archive)" in shown(board)


def shown(board: Board) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(picture(board, 0.0))
    return out.getvalue()
