"""A station of one's own: up, heard, stopped, gone, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands._orphans import alive
from commands._station import PrivateStation, free_port
from nodes._faults import Faulty

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
SITE = {"station": "test", "unknown": "admit"}

HANGING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs these tests in the background ignores it
from commands._station import PrivateStation, free_port
nodes = {"front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
         "receivers": {"kind": "receiver", "from": "front", "copies": 2}}
with PrivateStation(nodes, {"station": "test", "unknown": "admit"}) as station:
    station.wait(lambda board: not board.silent(time.monotonic()), 30)
    print(station.folder, *[info["pid"] for info in station.supervisor.states().values() if info["pid"]], flush=True)
    station.listen(100)
"""


def wiring() -> dict[str, object]:
    return {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
    }


def test_starts_is_heard_and_stops_in_order() -> None:
    with PrivateStation(wiring(), SITE) as station:
        folder = station.folder
        assert station.wait(lambda board: not board.silent(time.monotonic()), 10)
        assert station.troubles() == []
        station.stop("balancer")
        states = {name: info["statename"] for name, info in station.supervisor.states().items()}
        assert (states["front"], states["receivers.1"]) == ("STOPPED", "RUNNING")
        station.stop()
        states = {name: info["statename"] for name, info in station.supervisor.states().items()}
        assert (states["receivers.1"], states["receivers.2"]) == ("STOPPED", "STOPPED")
        assert station.log("front").read_text().count("stopped") == 1
    assert not folder.exists()


def test_a_fault_in_the_wiring_leaves_nothing() -> None:
    with pytest.raises(Faulty, match="nobody feeds this receiver"), PrivateStation({"r": {"kind": "receiver"}}, SITE):
        pytest.fail("it started")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM], ids=lambda number: number.name
)
def test_an_end_by_signal_leaves_nothing(number: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", HANGING], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    folder, *pids = program.stdout.readline().split()
    assert len(pids) == 4  # those of the pipeline, and supervisord's pulse
    os.kill(program.pid, number)
    program.communicate(timeout=60)
    assert [pid for pid in pids if alive(int(pid))] == []
    assert not Path(folder).exists()
