"""kill -9 of receivers and of the balancer under substations and SMDs with one pipe or several: each frame once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port, sources
from console.board import Board
from protocol.messages import Spectrum, Table

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(150)]

PATIENCE = 40.0
VICTIMS = ("receivers.1", "front", "receivers.2")
SECOND = 1_000_000_000


@dataclass
class Story:
    """What was seen."""

    sent: Counter[str] = field(default_factory=Counter)
    """Simulator -> rows"""
    counts: dict[str, int] = field(default_factory=dict)
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Station -> times"""
    tables: dict[str, Table] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    components: dict[str, list[float]] = field(default_factory=dict)


def port(at: str = "127.0.0.1") -> str:
    return f"{at}:{free_port()}"


def wiring(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    management, data, alone, older = port(), port(), port(), port("127.0.2.1")
    common = {"kind": "simulator", "phasors": 3}
    dials = {"to": "front", "protocol": "smd", "phasors": 3, "kind": "simulator"}
    nodes = {
        "both": common | {"protocol": "gbt26865", "mode": "listens", "listen": management, "data_listen": data,
                          "first": 11, "devices": 1},
        "whole": common | {"protocol": "gbt26865", "to": "front", "first": 13, "devices": 2, "names": "gbk"},
        "alone": common | {"protocol": "gbt26865", "mode": "listens", "listen": alone, "first": 15, "devices": 1,
                           "to": "front"},
        "older": common | {"protocol": "qgdw131", "mode": "listens", "listen": older, "step": "address", "first": 21,
                           "devices": 2, "to": "front"},
        "loads": dials | {"smd": "L", "first": 31, "devices": 2, "channels": 4},
        "plants": dials | {"smd": "R", "first": 41, "devices": 2},
        "fast": dials | {"smd": "C", "first": 51, "devices": 1},
        "front": {"kind": "balancer", "listen": port(), "listen_gbt26865": port()},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(folder / "data")},
    }  # fmt: skip

    def device(name: str, number: int, **more: Any) -> dict[str, Any]:
        return {"name": name, "number": number, "identity": f"SIM{number:05}", "protocol": "gbt26865"} | more

    place = older.rpartition(":")[2]
    devices = [
        device("both", 11, link={"tcp": management, "data": data}, download={"channels": ["V*"], "period": 100}),
        device("whole 1", 13), device("whole 2", 14),
        device("alone", 15, link={"tcp": alone, "data": "dials_in"}),
        *(device(f"older {k}", 20 + k, protocol="qgdw131", link={"tcp": f"127.0.2.{k}:{place}", "data": "dials_in"})
          for k in (1, 2)),
        *(device(f"load {k}", 30 + k, protocol="smd", kind="L") for k in (1, 2)),
        *(device(f"plant {k}", 40 + k, protocol="smd", kind="R") for k in (1, 2)),
        device("fast", 51, protocol="smd", kind="C"),
    ]  # fmt: skip
    return nodes, {"station": "test", "unknown": "refuse", "devices": devices}


def spectral(board: Board) -> int:
    """Rows archived of harmonics and inter-harmonics."""
    health = board.voices["archive"].last
    column = health.columns.index("archived")
    return int(sum(row[column] for device, row in zip(health.devices, health.counts, strict=True) if device & 0xC000))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told, folder = Story(), tmp_path_factory.mktemp("substations")
    nodes, site = wiring(folder)
    with PrivateStation(nodes, site) as station:
        assert station.wait(lambda board: len(_heard(board)) == 17 and spectral(board) >= 12, PATIENCE)
        for victim in VICTIMS:
            held, before = connections(station.board), frames(station.board)["archived"]
            killed = station.board.voices[victim].last.pid
            os.kill(killed, signal.SIGKILL)
            assert station.wait(
                lambda board, who=victim, since=before, of=held: (
                    board.restarts.get(who) == 1
                    and frames(board)["archived"] > since + 600
                    and connections(board) == of
                ),
                PATIENCE,
            )
        station.stop("simulator")
        assert station.wait(accounted_for, PATIENCE)
        station.stop()
        told.counts, told.restarts = frames(station.board), dict(station.board.restarts)
        for name in sources(nodes):
            told.sent[name] = int(station.board.voices[name].last.counters["sent_rows"])
    with open_archive(folder / "data") as found:
        for held in found.configurations.values():
            for each in held:
                told.tables[each.name], told.links[each.name] = Table(*each.table), each.link
                told.components[each.name] = each.components
        for name in told.tables:
            told.rows[name] = found.get(name, "frequency")[0]
    return told


def connections(board: Board) -> int:
    """Those that the balancer knows of. One that is known to nobody but the receiver does not outlive it: the
    balancer's death and the receiver's, before the two have met again, are a double fault."""
    counters = board.voices["front"].last.counters
    return int(sum(value for name, value in counters.items() if name.startswith("connections.")))


def _heard(board: Board) -> set[int]:
    voice = board.voices.get("archive")
    return set(voice.last.devices.tolist()) if voice else set()


def accounted_for(board: Board) -> bool:
    counts = frames(board)
    return accounted(counts) and counts["archived"] >= counts["sent"]


def test_every_row_is_archived_once(story: Story) -> None:
    assert story.restarts == dict.fromkeys(VICTIMS, 1)
    assert story.counts["archived"] == story.counts["sent"] == sum(map(len, story.rows.values()))
    assert story.sent["both"] == sum(len(story.rows[name]) for name, link in story.links.items() if link == "both")


@pytest.mark.parametrize(("prefix", "step"), [("both", 20), ("whole", 20), ("alone", 20), ("older", 20), ("fast", 10)])
def test_no_instant_is_missing(story: Story, prefix: str, step: int) -> None:
    stations = [name for name, link in story.links.items() if link.startswith(prefix)]
    assert stations
    for name in stations:
        assert set(np.diff(story.rows[name]).tolist()) == {step * 1_000_000}


def test_spectra_stand_on_a_grid_of_their_own(story: Story) -> None:
    spectra = {name: table for name, table in story.tables.items() if table.spectrum}
    kinds = Counter((story.links[name].split()[0], table.spectrum) for name, table in spectra.items())
    assert kinds == {
        ("load", Spectrum.HARMONICS): 2, ("load", Spectrum.INTERHARMONICS): 2, ("plant", Spectrum.INTERHARMONICS): 2,
    }  # fmt: skip
    for name, table in spectra.items():
        assert table.rate == 1
        assert set(np.diff(story.rows[name]).tolist()) == {SECOND}
        assert len(story.components[name]) == table.components
    harmonics = next(name for name, table in spectra.items() if table.orders)
    assert story.components[harmonics] == [float(order) for order in range(2, 51)]


def test_a_substation_streams_by_what_was_downloaded(story: Story) -> None:
    (name,) = [name for name, link in story.links.items() if link == "both"]
    assert story.tables[name].phasors == 3
    (other,) = [name for name, link in story.links.items() if link == "whole 1"]
    assert other.startswith("站") or not other.isascii()
