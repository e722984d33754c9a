"""Metrics and the word for load balancers, of a board fed by hand; the examples ask for nothing that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from archive import books
from console.api.metrics import exposition
from console.api.wellbeing import STALE, wellbeing
from console.board import Board
from console.model import Station
from nodes._alignhealth import COLUMNS as ALIGNED
from nodes._flagging import COLUMNS
from nodes._leasing import COUNTS
from nodes._node import Place
from nodes._rows import COLUMNS as READ
from nodes.concentrator import Concentrator, Settings
from protocol.clock import SECOND, Now
from tests.archives import T0, event
from tests.commands.test_board import health
from tests.console.test_api import slots

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bsyms_[a-z0-9_]+")


@pytest.fixture
def station() -> Station:
    """The kinds of the default station with the counters and columns that they have there; one is silent. Of device
    `a` all is well, `b"\\` is away and was flagged by both who look for bad data.
    """
    station = Station("North", Board(["front", "receivers.1", "align", "archive", "suspects", "windows"]), 10 * SECOND,
                      1 << 20)  # fmt: skip
    align = Concentrator(Settings(), Place("align", "align", 1, {}, {}, "/run", {}, "p.yaml")).health(at(T0))
    kept = np.array([[10.0, 9, 0, 0, 0, 0, 1, 0], [20, 20, 0, 0, 0, 0, 0, 0]])
    late = np.array([[9.0, 1, 0, 2, 0, 12.5, -3, 0, 0], [20, 0, 0, 0, 0, np.nan, np.nan, 1, 3]])
    for said in (
        health("front", "balancer", **rows(["connected"], [[1], [0]])),
        health("receivers.1", "receiver", counters={"connections.front": 2.0}, queues={"to": 3},
               **rows([*READ, "connected"], [[10, 0, 0, 0, 1], [20, 0, 0, 0, 0]])),
        health("archive", "archiver", alarms=["it is full"], **rows(books.COLUMNS, kept)),
        health("align", "concentrator", counters=align["counters"], **rows([*ALIGNED, *COLUMNS], late)),
        health("suspects", "trigger", **rows(["suspicions", *COLUMNS], [[0, 0, 0], [1, 2, 2]])),
    ):  # fmt: skip
        station.take(said, 99.0)
    return station


def rows(columns: Sequence[str], counts: Any) -> dict[str, Any]:
    """What a process says of both devices."""
    devices = np.array([65536, 131072], np.uint32)
    return {"columns": list(columns), "devices": devices, "labels": ["a", 'b"\\'], "counts": np.array(counts, float)}


def at(utc: int) -> Now:
    """A second after the processes spoke."""
    return Now(100 * SECOND, utc)


def told(station: Station) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Sample name -> (labels, value) each."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(exposition(station, lambda: at(T0)).decode()):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_processes(station: Station) -> None:
    found = told(station)
    up = {labels["node"]: value for labels, value in found["syms_node_up"]}
    assert up == {"front": 1, "receivers.1": 1, "align": 1, "archive": 1, "suspects": 1, "windows": 0}
    assert ({"node": "archive", "kind": "archiver"}, 1) in found["syms_node_alarms"]
    assert found["syms_node_queue"] == [({"node": "receivers.1", "kind": "receiver", "queue": "to"}, 3)]
    assert found["syms_receiver_connections"] == [({"node": "receivers.1", "of": "front"}, 2)]


def test_devices_have_what_became_of_their_rows(station: Station) -> None:
    found = told(station)
    fates = {(each["name"], each["fate"]): value for each, value in found["syms_device_rows_total"]}
    assert fates["a", "archived"] == 9
    assert fates["a", "lost"] == 1
    assert fates["a", "received"] == 10
    assert fates['b"\\', "archived"] == 20
    assert (fates["a", "late"], fates["a", "missing"]) == (1, 2)
    assert len(fates) == len(found["syms_device_rows_total"])
    for measure, both in {
        "connected": [1, 0],
        "latency_ms": [12.5, np.nan],
        "clock_offset_ms": [-3, np.nan],
        "bad_now": [0, 2],
    }.items():
        np.testing.assert_array_equal([value for _, value in found[f"syms_device_{measure}"]], both)


def test_a_station_is_well_when_all_speak_and_data_are_fresh(station: Station) -> None:
    assert wellbeing(station, at(0)) == (503, {"status": "fail", "faults": ["1 processes are silent", "no data yet"]})
    station.take(health("windows", "trigger"), 99.0)
    station.take(slots([1, 2]), 99.0)
    assert wellbeing(station, at(station.newest() + STALE)) == (200, {"status": "pass", "faults": []})
    status, said = wellbeing(station, at(station.newest() + STALE + SECOND))
    assert (status, said["faults"]) == (503, ["the newest data are 6 s old"])


@pytest.mark.parametrize("file", ["alerts.yaml", "grafana.json"])
def test_the_examples_ask_for_metrics_that_there_are(station: Station, file: str) -> None:
    station.take(health("windows", "trigger", counters=dict.fromkeys(COUNTS, 0)), 99.0)
    station.take(slots([1, 2]), 99.0)
    station.take(event(T0), 99.0)
    text = (MONITORING / file).read_text()
    asked = set(NAME.findall(json.dumps(json.loads(text) if file.endswith("json") else yaml.safe_load(text))))
    assert asked
    assert asked <= told(station).keys()
