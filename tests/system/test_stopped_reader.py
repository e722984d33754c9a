"""A reader that stands still: whom it reads goes on as before, in the same memory; afterwards it gets everything."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodes._sockets import NEWS_LIMIT, listen
from protocol.messages import Health
from tests import talkers

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PATIENCE = 60.0
ROOT = Path(__file__).parents[2]


@contextmanager
def started(role: str, run: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.talkers", role, str(run)], cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


@pytest.mark.slow
def test_a_reader_that_stands_still_costs_its_writer_nothing(tmp_path: Path) -> None:
    word = talkers.makers.measurements([1] * talkers.ROWS, talkers.makers.grid(0, talkers.ROWS))
    size = sum(getattr(value, "nbytes", 0) for value in vars(word).values())
    counters: dict[str, dict[str, float]] = {"talker": {}, "listener": {}}
    with started("talk", tmp_path) as talker, started("listen", tmp_path) as listener:
        until = time.monotonic() + PATIENCE
        tail: list[int] = []
        stopped = False
        for health in listen(str(tmp_path), ["talker", "listener"], [Health.TAG]):  # type: ignore[attr-defined]
            assert time.monotonic() < until, counters
            if health is None:
                continue
            counters[health.node] = health.counters
            if not stopped and counters["listener"].get("words", 0) > 0:
                stopped = True
                os.kill(listener.pid, signal.SIGSTOP)
                begun = counters["talker"].get("words", 0)
            said = counters["talker"].get("words", 0)
            if stopped and said - begun > NEWS_LIMIT + 20 and said < talkers.WORDS:
                tail.append(resident(talker.pid))
            if said == talkers.WORDS:
                break
        os.kill(listener.pid, signal.SIGCONT)
        for health in listen(str(tmp_path), ["talker", "listener"], [Health.TAG]):  # type: ignore[attr-defined]
            assert time.monotonic() < until, counters
            if health is not None:
                counters[health.node] = health.counters
            if counters["listener"].get("words", 0) == talkers.WORDS:
                break
    assert (counters["listener"]["disorder"], counters["listener"]["lost"]) == (0, 0)
    assert counters["listener"]["fetched"] > 0
    assert len(tail) >= 2
    assert max(tail) - min(tail) < 50 * size, f"grew while it said {len(tail)} s worth of words"
