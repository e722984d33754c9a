"""kill -9 of receivers, again and again, under devices of every kind: none notices, and each frame is archived once."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from console.board import Board

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE = 40.0
KILLS = int(os.environ.get("SYMS_KILLS", "8"))
SEED = 20_250_101
RECEIVERS = ("receivers.1", "receivers.2")
STREAMS = {"dial": (11, 12, 13, 14), "damaged": (21,), "listens": (31,), "split": (41,), "renamed": (51,)}


@dataclass
class Story:
    """What was seen."""

    sent: dict[int, int] = field(default_factory=dict)
    damaged: int = 0
    connects: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    rows: Counter[int] = field(default_factory=Counter)
    times: dict[int, set[int]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    away: list[float] = field(default_factory=list)
    """Seconds from a kill until the receiver's rows were heard of again."""


def free_datagram_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


def wiring(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    tcp, split = free_port(), free_port()
    udp = free_datagram_port()

    def simulator(name: str, **settings: Any) -> dict[str, Any]:
        streams = STREAMS[name]
        reached = {} if "listen" in settings else {"to": "front"}
        return {"kind": "simulator", "first": streams[0], "devices": len(streams), "phasors": 1} | reached | settings

    nodes = {
        "dial": simulator("dial"),
        "damaged": simulator("damaged", faults=[{"kind": "bad_crc", "every": "300 ms"}]),
        "listens": simulator("listens", mode="listens", listen=f"127.0.0.1:{tcp}"),
        "split": simulator("split", mode="tcp_udp", listen=f"127.0.0.1:{split}", data_port=udp),
        "renamed": simulator("renamed", faults=[{"kind": "reconfigure", "every": "2500 ms"}]),
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(folder / "data")},
    }
    links: dict[int, Any] = {stream: "dials_in" for name in ("dial", "damaged", "renamed") for stream in STREAMS[name]}
    links[31] = {"tcp": f"127.0.0.1:{tcp}"}
    links[41] = {"tcp": f"127.0.0.1:{split}", "udp": udp}
    devices = [
        {"name": f"Device {stream}", "number": number, "stream": stream, "link": link}
        for number, (stream, link) in enumerate(links.items(), 1)
    ]
    return nodes, {"station": "test", "unknown": "refuse", "devices": devices}


def said(board: Board, receiver: str) -> float:
    voice = board.voices.get(receiver)
    return float(voice.last.counters.get("received", 0)) if voice else 0.0


def kill(station: PrivateStation, receiver: str, story: Story) -> None:
    """And wait until rows come of it again."""
    board = station.board
    pid, before = board.voices[receiver].last.pid, board.restarts.get(receiver, 0)
    os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    assert station.wait(
        lambda board: (
            board.restarts.get(receiver, 0) == before + 1
            and board.voices[receiver].last.pid != pid
            and said(board, receiver) > 0
        ),
        PATIENCE,
    ), board.alarms(0.0)
    story.away.append(time.monotonic() - begin)


def own(board: Board, name: str) -> tuple[dict[int, int], int]:
    health = board.voices[name].last
    column = health.columns.index("sent")
    sent = {int(device) >> 16: int(row[column]) for device, row in zip(health.devices, health.counts, strict=True)}
    return sent, int(health.counters.get("damaged", 0))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told, folder, chosen = Story(), tmp_path_factory.mktemp("killed"), random.Random(SEED)
    nodes, site = wiring(folder)
    everything = sum(map(len, STREAMS.values()))
    with PrivateStation(nodes, site) as station:
        board = station.board
        assert station.wait(lambda board: frames(board)["archived"] >= 50 * everything, PATIENCE), board.alarms(0.0)
        for _ in range(KILLS):
            station.listen(chosen.uniform(0.0, 0.7))
            kill(station, chosen.choice(RECEIVERS), told)
        station.listen(1.0)
        station.stop("simulator")
        for name in STREAMS:
            sent, damaged = own(board, name)
            told.sent |= sent
            told.damaged += damaged
            told.connects[name] = int(board.voices[name].last.counters["connects"])
        station.wait(lambda board: frames(board)["pending"] == 0, 5.0)
        station.listen(2.0)
        station.stop()
        told.counts, told.restarts = frames(board), dict(board.restarts)
        told.logs = {process: station.log(process).read_text() for process in board.processes}
    with open_archive(folder / "data") as found:
        for rows in found.rows():
            stream = rows.configuration.stream
            told.rows[stream] += len(rows.time)
            told.times.setdefault(stream, set()).update(np.asarray(rows.time).tolist())
    return told


def test_every_frame_that_was_sent_is_archived_once(story: Story) -> None:
    assert min(story.sent.values()) > 500
    distinct = {stream: len(times) for stream, times in story.times.items()}
    assert dict(story.rows) == distinct
    damaged = story.sent[21] - distinct[21]
    assert damaged == story.damaged > 0
    assert {**distinct, 21: 0} == {**story.sent, 21: 0}


def test_no_device_saw_a_disconnect(story: Story) -> None:
    assert story.connects == {name: len(streams) for name, streams in STREAMS.items()}


def test_the_books_balance(story: Story) -> None:
    assert accounted(story.counts), story.counts
    assert story.counts["received"] == sum(story.sent.values())
    assert story.counts["archived"] == sum(story.rows.values())
    assert story.counts["corrupt"] == story.damaged
    nothing = ("aside", "duplicate", "refused", "lost", "pending")
    assert [story.counts[name] for name in nothing] == [0] * len(nothing)


def test_only_those_that_were_killed_were_started_anew_and_none_had_a_fault(story: Story) -> None:
    assert sum(story.restarts.values()) == KILLS
    assert set(story.restarts) <= set(RECEIVERS)
    assert [name for name, text in story.logs.items() if "Traceback" in text or "[error" in text] == []
