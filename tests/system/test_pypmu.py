"""pyPMU, an implementation of others, as the device of our station and as the client of our simulator."""

from __future__ import annotations

import importlib.util
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from protocol.c37118 import ConfigurationFrame, compile_codec, parse
from protocol.clock import SECOND
from tests import pypmu

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(120),
    pytest.mark.skipif(importlib.util.find_spec("synchrophasor") is None, reason="pyPMU (synchrophasor) not installed"),
]

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


@contextmanager
def process(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A Python module as a process, ended in any case."""
    command = [sys.executable, "-m", *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                started.kill()


@pytest.mark.slow
def test_as_a_device_that_dies_on_cfg3_it_is_dialled_again_and_archived_value_for_value(tmp_path: Path) -> None:
    port, archive = free_port(), tmp_path / "data"
    nodes = {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
    }
    link = {"tcp": f"127.0.0.1:{port}"}
    site = {"station": "test", "devices": [{"name": "Peer", "number": 1, "stream": pypmu.STREAM, "link": link}]}
    with process("tests.pypmu", "device", port), PrivateStation(nodes, site) as station:
        station.wait(lambda board: _all_told(frames(board)), PATIENCE)
        counts, balancer = frames(station.board), station.board.voices["front"].last
        station.stop()
        assert station.troubles() == []
    assert counts["received"] == counts["archived"] == pypmu.FRAMES
    assert accounted(counts)
    assert balancer.counters["ended"] == 1, "its child dies when asked for CFG-3"
    assert balancer.counters["handed_over"] == 2

    said = [pypmu.values(number) for number in range(pypmu.FRAMES)]
    times = pypmu.FIRST * SECOND + np.arange(pypmu.FRAMES, dtype=np.int64) * (SECOND // pypmu.RATE)
    with open_archive(archive) as found:
        assert found.devices == ["pyPMU station"]

        def check(expected: list[float], quantity: str, name: str | None = None) -> None:
            at, values = found.get("pyPMU station", quantity, name)
            assert at.tolist() == times.tolist()
            np.testing.assert_array_equal(values, np.array(expected).astype(values.dtype))

        check([0] * pypmu.FRAMES, "status")
        check([50 + each["freq"] / 1000 for each in said], "frequency")
        check([each["dfreq"] / 100 for each in said], "rocof")
        for number, name in enumerate(("VA", "I1")):
            vectors = [complex(*each["phasors"][number]) for each in said]
            check([abs(vector) for vector in vectors], "magnitude", name)
            check([float(np.degrees(np.angle(vector))) for vector in vectors], "angle", name)
        check([each["analog"][0] for each in said], "analog", "POWER")
        check([each["digital"][0] for each in said], "digital", "word 1")


def test_as_a_client_it_reads_our_simulator() -> None:
    port, count = free_port(), 15
    options = {"listen": f"127.0.0.1:{port}", "first": 60, "rate": 10, "phasors": 4, "analogs": 2, "format": 7}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with process("commands", "simulate", *words) as simulator:
        assert wait_for_port(port, simulator)
        with process("tests.pypmu", "client", port, count) as client:
            out, _ = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0
    said = json.loads(out)

    assert "simulated device 60" in said["header"]
    cfg = parse(bytes.fromhex(said["configuration"]))
    assert isinstance(cfg, ConfigurationFrame)
    assert (said["station"].strip(), said["rate"]) == ("SIM 00060", 10)
    names = [name.strip() for name in said["channels"]]
    assert names == ["VA", "VB", "VC", "IA", "AN1", "AN2", *(f"status {bit}" for bit in range(16))]

    assert len(said["data"]) == count
    ours = compile_codec(cfg).decode([bytes.fromhex(each["bytes"]) for each in said["data"]])
    rows = ours.stations[0]
    for k, theirs in enumerate(said["data"]):
        [seen] = theirs["measurements"]
        assert round(theirs["time"] * 10) * (SECOND // 10) == ours.time[k]
        assert (theirs["pmu_id"], seen["stat"]) == (60, "ok")
        assert seen["frequency"] == pytest.approx(float(rows.values[k, 0]), abs=1e-5)
        assert seen["rocof"] / 100 == pytest.approx(float(rows.values[k, 1]), abs=1e-6)
        polar = np.array(seen["phasors"]) * [1, 180 / np.pi]
        np.testing.assert_allclose(polar.ravel(), rows.values[k, 2:10], rtol=1e-6)
        np.testing.assert_array_equal(np.array(seen["analog"], np.float32), rows.values[k, 10:12])
        assert seen["digital"] == rows.digital[k].tolist()
    assert 120_000 < rows.values[:, 2].min() <= rows.values[:, 2].max() < 135_000
    assert abs(rows.values[:, 0] - 50).max() < 0.2


def _all_told(counts: dict[str, int]) -> bool:
    """Archived, and told by all who count: the receiver's Health may come a second later than the archiver's."""
    return counts["received"] == counts["archived"] == pypmu.FRAMES


def wait_for_port(port: int, owner: subprocess.Popen[str]) -> bool:
    """Whether somebody listens there before our patience ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and owner.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        select.select([], [], [], 0.05)  # leave the core to the other process
    return False
