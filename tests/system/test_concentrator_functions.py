"""A concentrator with its functions on, in a station of real processes: it outlives a stream, and its own death."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.polar import phasors
from algorithms.sequences import power, symmetrical
from archive.folder import ArchiveError
from archive.ledgers import Columns
from archive.reading import open_archive
from archive.statistics import STATISTICS
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.messages import Snapshots, Table, device_number

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]

MAIN, SPARE, FARM = (device_number(link, 0) for link in (1, 2, 3))
SITE = {
    "station": "test",
    "devices": [
        {"name": name, "number": link, "stream": link}
        for link, name in enumerate(("hub main", "hub spare", "farm"), start=1)
    ],
}
MODIFIED = 0x0200


def wiring(folder: Path) -> dict[str, Any]:
    device = {"kind": "simulator", "to": "front", "devices": 1, "rate": "50/s", "phasors": 6}
    return {
        "main": {**device, "first": 1},
        "spare": {**device, "first": 2},
        "farm": {**device, "first": 3},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": ["receivers", "align"], "path": str(folder / "north")},
        "align": {
            "kind": "concentrator",
            "from": "receivers",
            "wait": "300 ms",
            "redundant": {"Hub": ["hub main", "hub spare"]},
            "correct": {"farm": {"I*": {"angle": 180}}},
            "validate": {"format": True, "frequency": [45, 55]},
            "derive": ["sequences", "power", "unbalance"],
            "latency": True,
            "statistics": True,
        },
    }


class Heard:
    """What the concentrator said."""

    def __init__(self) -> None:
        self.words: list[Snapshots] = []

    def hear(self, word: Snapshots) -> None:
        """As the station's listener does."""
        self.words.append(word)

    def slots(self, device: int) -> list[int]:
        """Those of which a row of the device was told, in order."""
        return [
            int(word.slot[k])
            for word in self.words
            if device in word.device.tolist()
            for k in np.flatnonzero(word.present[:, word.device.tolist().index(device)])
        ]

    def more(self, count: int) -> Callable[[Board], bool]:
        """Whether so many more slots of both devices were told from now on."""
        have = {device: len(self.slots(device)) for device in (MAIN, FARM)}
        return lambda board: all(len(self.slots(device)) >= have[device] + count for device in have)


def minutes(path: Path) -> Columns:
    try:
        with open_archive(path) as found:
            return found.statistics()
    except ArchiveError:
        return STATISTICS.empty()


def test_it_carries_on_through_the_end_of_a_stream_and_its_own(tmp_path: Path) -> None:
    heard = Heard()
    tags = (Snapshots.TAG,)  # type: ignore[attr-defined]
    with PrivateStation(wiring(tmp_path), SITE, tags, heard.hear) as station:
        assert station.wait(heard.more(100), 60), station.log("align").read_text()
        check_values(heard.words[-1])

        station.supervisor.stop("main")
        assert station.wait(heard.more(200), 60)
        slots = sorted(set(heard.slots(MAIN)))
        assert slots == list(range(slots[0], slots[-1] + 1)), "the other stream carries on without a gap"

        os.kill(station.supervisor.states()["align"]["pid"], signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get("align", 0) > 0, 60)
        assert station.wait(heard.more(100), 60)
        slots = sorted(set(heard.slots(MAIN)))
        assert slots == list(range(slots[0], slots[-1] + 1)), "what came while it was away is told too"

        assert all(SPARE not in word.device.tolist() for word in heard.words)
        last = station.board.voices["align"].last
        assert last.counters["redundant"] == 0, "since the restart there is but one stream"
        assert 0 <= last.counters["latency_min_ms"] <= last.counters["latency_p99_ms"] < 60_000
        assert station.wait(lambda board: len(minutes(tmp_path / "north")["start"]) > 0, 90)
        assert station.board.voices["archive"].last.counters["messages_lost"] == 0
        station.stop()
    told = minutes(tmp_path / "north")
    keys = list(zip(told["device"].tolist(), told["start"].tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    farms = told["device"] == FARM
    assert (told["received"][farms] > 0).all()
    assert (told["modified"][farms] > 0).all()
    assert (told["covered"] <= 60).all()
    assert told["frequency_mean"][farms].tolist() == pytest.approx([50.0] * int(farms.sum()), abs=0.5)


def check_values(word: Snapshots) -> None:
    """Derived channels follow from those they stand beside; only the farm's currents are turned."""
    assert Table(*word.table) == Table(50, 12, 3, 1)
    assert word.device.tolist() == [MAIN, FARM]
    values = word.values.astype(float)
    own = phasors(values[..., 2:26:2], values[..., 3:26:2])
    volts, amperes = own[..., :3], own[..., 3:6]
    for phases, told in ((volts, own[..., 6:9]), (amperes, own[..., 9:12])):
        np.testing.assert_allclose(symmetrical(phases), told, rtol=1e-4, atol=1e-4 * np.nanmax(np.abs(phases)))
    both = power(volts, amperes)
    np.testing.assert_allclose(values[..., 26], both.real, rtol=1e-4, atol=1e-4 * np.nanmax(np.abs(both)))
    at = {device: word.device.tolist().index(device) for device in (MAIN, FARM)}
    assert (word.status[:, at[MAIN]] & MODIFIED == 0).all()
    assert (word.status[:, at[FARM]] & MODIFIED != 0).all()
    assert (values[:, at[MAIN], 26] > 0).all()
    assert (values[:, at[FARM], 26] < 0).all()
