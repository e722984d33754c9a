"""One device's own frames to several clients, and a stream of half its rate over UDP; tshark and pyPMU read them."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.decimation import reach, taps
from commands._station import PrivateStation, free_port
from protocol.c37118 import Batch, ConfigurationFrame, FrameType, Splitter, compile_codec, frame_type, parse, sound
from protocol.clock import MILLISECOND
from tests import tshark
from tests.scenes import command

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(importlib.util.find_spec("synchrophasor") is None, reason="pyPMU (synchrophasor) not installed"),
]

PATIENCE = 60.0
DEVICE, HALF = 1, 700
RAW = 150
"""Frames of the device that are compared."""


class Client:
    """Over TCP or UDP: frames as they came."""

    def __init__(self, port: int, kind: socket.SocketKind) -> None:
        self.end = socket.socket(socket.AF_INET, kind)
        self.end.connect(("127.0.0.1", port))
        self.splitter, self.frames = Splitter(), list[bytes]()

    def ask(self, stream: int, *codes: int) -> None:
        for code in codes:
            self.end.sendall(command(stream, code))

    @property
    def data(self) -> list[bytes]:
        return [frame for frame in self.frames if frame_type(frame) == FrameType.DATA]

    def read(self) -> None:
        self.frames += self.splitter.feed(self.end.recv(65536))

    def batch(self) -> Batch:
        cfg = next(each for frame in self.frames if isinstance(each := parse(frame), ConfigurationFrame))
        return compile_codec(cfg).decode(self.data)


@dataclass
class Story:
    """What came of it."""

    raw: list[Client] = field(default_factory=list)
    half: list[Client] = field(default_factory=list)
    pypmu: dict[str, Any] = field(default_factory=dict)
    after: int = 0
    """Frames that the first client had when the receiver had been killed and was back."""
    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def hear(clients: list[Client], enough: Callable[[], bool]) -> None:
    """Take what comes until it is enough."""
    until = time.monotonic() + PATIENCE
    while not enough():
        left = until - time.monotonic()
        assert left > 0, [len(client.data) for client in clients]
        for end in select.select([client.end for client in clients], [], [], left)[0]:
            next(client for client in clients if client.end is end).read()


@pytest.fixture(scope="module")
def story() -> Story:
    told = Story()
    tcp, udp, half, half_udp = (free_port() for _ in range(4))
    stream = {
        "kind": "publisher",
        "from": "align",
        "idcode": HALF,
        "rate": "25/s",
        "convert": "filter",
        "gather": "1 s",
    }
    nodes = {
        "device": {"kind": "simulator", "devices": 1, "phasors": 3, "analogs": 1, "format": 6, "version": 1,
                   "to": "front"},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}", "gather": "1 s"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},
        "half": stream | {"listen": f"127.0.0.1:{half}", "listen_udp": f"127.0.0.1:{half_udp}", "wait": "2 s"},
        "hub": {"kind": "publisher", "from": "receivers", "raw": "Hub A", "listen": f"127.0.0.1:{tcp}",
                "listen_udp": f"127.0.0.1:{udp}"},
    }  # fmt: skip
    site = {"station": "test", "devices": [{"name": "Hub A", "number": 1, "stream": DEVICE, "address": "127.0.0.0/8"}]}
    with PrivateStation(nodes, site) as station:

        def tells(board: Any) -> bool:
            voices = [board.voices.get(name) for name in ("hub", "half")]
            return all(each and each.last.counters["stations"] for each in voices)

        assert station.wait(tells, PATIENCE), station.board.alarms(0.0)
        told.raw = [Client(tcp, socket.SOCK_STREAM), Client(tcp, socket.SOCK_STREAM), Client(udp, socket.SOCK_DGRAM)]
        told.half = [Client(half, socket.SOCK_STREAM), Client(half_udp, socket.SOCK_DGRAM)]
        everybody = told.raw + told.half
        for client in everybody:
            client.ask(DEVICE if client in told.raw else HALF, 5, 2)
        hear(everybody, lambda: all(len(client.data) >= RAW for client in told.raw)
             and all(len(client.data) >= RAW // 2 for client in told.half))  # fmt: skip
        words = [sys.executable, "-m", "tests.pypmu", "client", str(tcp), "15"]
        told.pypmu = json.loads(subprocess.run(words, capture_output=True, timeout=PATIENCE, check=True).stdout)
        station.settle()
        told.counters = {name: dict(station.board.voices[name].last.counters) for name in ("hub", "half")}
        carrier = max(("receivers.1", "receivers.2"), key=lambda name: _links(station.board.voices[name].last))
        os.kill(station.board.voices[carrier].last.pid, signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get(carrier) == 1, PATIENCE)
        told.after = len(told.raw[0].data)
        hear(told.raw[:1], lambda: _newest(told.raw[0]) > time.time_ns() - 500 * MILLISECOND)
        hear(told.raw[:1], lambda: len(told.raw[0].data) >= told.after + 50)
        station.stop()
        told.troubles = [each for each in station.troubles() if not each.startswith(carrier)]
    for client in everybody:
        client.end.close()
    return told


def _links(health: Any) -> float:
    return float(health.counters["links"])


def _newest(client: Client) -> int:
    return int(client.batch().time[-1])


def test_all_clients_get_the_same_frames(story: Story) -> None:
    first, *others = story.raw
    for other in others:
        common = [frame for frame in other.data if frame in set(first.data)]
        assert len(common) >= RAW - 10
        at = first.data.index(common[0])
        assert first.data[at : at + len(common)] == common
    assert all(sound(frame) for client in story.raw for frame in client.frames)


def test_the_frames_are_those_of_the_device(story: Story) -> None:
    """Its own IDCODE, rate and FORMAT, none missing until the receiver was killed."""
    cfg = next(each for frame in story.raw[0].frames if isinstance(each := parse(frame), ConfigurationFrame))
    assert (cfg.stream, cfg.rate, cfg.version, cfg.stations[0].format) == (DEVICE, 50, 1, 6)
    times = story.raw[0].batch().time[:RAW]
    assert set(np.diff(times).tolist()) == {20 * MILLISECOND}


def test_it_goes_on_when_the_receiver_that_carries_the_device_was_killed(story: Story) -> None:
    times = story.raw[0].batch().time
    assert len(times) >= story.after + 50
    assert (np.diff(times) > 0).all(), "and nothing twice"


@pytest.mark.parametrize("way", [0, 1], ids=["tcp", "udp"])
def test_half_the_rate_is_what_the_filter_makes_of_the_frames(story: Story, way: int) -> None:
    raw, half = story.raw[0].batch(), story.half[way].batch()
    (rows,), (told,) = raw.stations, half.stations
    whole = np.flatnonzero(np.diff(raw.time) != 20 * MILLISECOND)
    last = int(whole[0]) if len(whole) else len(raw.time)
    middle = np.searchsorted(raw.time[:last], half.time)
    k = reach(2)
    sure = (middle >= k) & (middle < last - k)
    assert sure.sum() > 20
    window = middle[sure][:, None] + np.arange(-k, k + 1)
    np.testing.assert_array_equal(raw.time[middle[sure]], half.time[sure])
    np.testing.assert_allclose(told.values[sure, 0], rows.values[window, 0] @ taps(2), atol=1e-5)
    for at in (2, 4, 6):
        phasors = rows.values[:, at].astype(float) * np.exp(1j * np.radians(rows.values[:, at + 1].astype(float)))
        direct = phasors[window] @ taps(2)
        np.testing.assert_allclose(told.values[sure, at], np.abs(direct), rtol=1e-5)
        apart = told.values[sure, at + 1] - np.degrees(np.angle(direct))
        np.testing.assert_allclose((apart + 180) % 360 - 180, 0, atol=1e-3)
    assert {int(status) & 0x8200 for status in told.status[sure]} == {0x0200}


def test_tshark_reads_them_without_a_complaint(story: Story, tmp_path: Path) -> None:
    for name, client in (("raw", story.raw[2]), ("half", story.half[1])):
        path = tmp_path / f"{name}.pcap"
        tshark.write(path, client.frames)
        text = tshark.run(path)
        assert "Malformed" not in text
        assert tshark.compare(tshark.read(text), client.frames) == len(client.data)


def test_pypmu_reads_the_device_through_us(story: Story) -> None:
    said = story.pypmu
    assert "test: hub, Hub A as it comes" in said["header"]
    assert (said["station"].strip(), said["rate"]) == ("SIM 00001", 50)
    assert len(said["data"]) == 15
    known = {frame.hex() for frame in story.raw[0].data}
    assert {each["bytes"] for each in said["data"]} <= known


def test_nothing_was_lost_on_the_way(story: Story) -> None:
    for name in ("hub", "half"):
        counters = story.counters[name]
        assert (counters["udp_clients"], counters["udp_dropped"], counters["cut"]) == (1, 0, 0)
    assert story.counters["hub"]["misfits"] == story.counters["half"]["late"] == 0
    assert story.troubles == []
