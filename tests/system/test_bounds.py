"""Somebody stands still: the others go on as before in the same memory, and it gets everything afterwards, or what the
bounds of the journals let it have; the rest is counted device by device."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, drained, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Measurements

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE = 60.0
DEVICES = 20
EVERY = 2
"""Seconds from a window to the next."""
STOPPED = float(os.environ.get("SYMS_STOPPED", "3"))
"""Seconds that each consumer stands still."""
MIB = 1 << 20
SITE = {"station": "test", "unknown": "admit"}


def wiring(folder: Path, **receivers: Any) -> dict[str, Any]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}",
                  "registry": str(folder / "registry.json")},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2, **receivers},
        "archive": {"kind": "archiver", "from": ["receivers", "windows"], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms"},
        "windows": {"kind": "trigger", "from": "align", "window": "5 s", "every": f"{EVERY} s", "timeout": "60 s",
                    "dead_letters": str(folder / "dead-letters")},
        "judge": {"kind": "detector", "from": "windows", "settings": {"smooth": "100 ms", "block": "200 ms"}},
    }  # fmt: skip


@contextmanager
def standing_still(board: Board, process: str) -> Iterator[None]:
    pid = board.voices[process].last.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def counters(board: Board, process: str) -> dict[str, float]:
    return board.voices[process].last.counters if process in board.voices else {}


def per_device(board: Board) -> dict[int, dict[str, float]]:
    health = board.voices["archive"].last
    rows = zip(health.devices.tolist(), health.counts.tolist(), strict=True)
    return {device: dict(zip(health.columns, row, strict=True)) for device, row in rows}


class Ear:
    """How long rows took from their device to the receivers' readers [ns]; memory of all processes."""

    def __init__(self) -> None:
        self.took: list[int] = []

    def __call__(self, word: Any) -> None:
        self.took.append(time.time_ns() - int(word.arrival[0]))

    def median(self) -> float:
        """ms, of what came since the last time."""
        found, self.took = self.took, []
        return float(np.median(found)) / MILLISECOND


@pytest.mark.slow
def test_who_stands_still_holds_up_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Archiver, concentrator, trigger and detector in turn."""
    ear = Ear()
    told = []
    tags = (Measurements.TAG,)  # type: ignore[attr-defined]
    with PrivateStation(wiring(tmp_path), SITE, tags, ear) as station:
        board = station.board
        assert station.wait(lambda board: counters(board, "archive").get("verdicts", 0) >= DEVICES, PATIENCE)
        ear.median()
        station.listen(STOPPED)
        usual = ear.median()
        for consumer in ("archive", "align", "windows", "judge"):
            before = {name: voice.last.memory for name, voice in board.voices.items()}
            with standing_still(board, consumer):
                station.listen(STOPPED)
            took = ear.median()
            grown = {name: voice.last.memory - before[name] for name, voice in board.voices.items()}
            told.append(f"{consumer}: {took:.1f} ms (usually {usual:.1f}), {max(grown.values()) / MIB:.1f} MiB")
            assert took < usual + 100, told
            assert all(grown[name] < 16 * MIB for name in grown if name != consumer), grown
            station.listen(2.0)
        station.stop("simulator")
        assert station.wait(drained, PATIENCE), frames(board)
        total = frames(board)
        nothing = dict.fromkeys(("duplicate", "aside", "corrupt", "refused", "lost", "pending"), 0)
        assert total == total | nothing | {"archived": total["sent"], "received": total["sent"]}
        station.stop()
        judged = counters(board, "windows")
    with capsys.disabled():
        print(*told, sep="\n")
    with open_archive(tmp_path / "data") as found:
        verdicts = found.verdicts()
    assert len(verdicts["start"]) == judged["windows"]
    for device in np.unique(verdicts["device"]):
        starts = np.sort(verdicts["start"][verdicts["device"] == device])
        assert set(np.diff(starts).tolist()) == {EVERY * SECOND}


def test_what_a_full_journal_drops_is_counted_by_device(tmp_path: Path) -> None:
    """The archiver is away for longer than the journals hold."""
    keep = 256_000
    held: list[float] = []
    with PrivateStation(wiring(tmp_path, keep="256 kB", memory="32 kB"), SITE) as station:
        board = station.board
        assert station.wait(lambda board: frames(board)["archived"] >= 50 * DEVICES, PATIENCE)

        def full(board: Board) -> bool:
            said = [counters(board, f"receivers.{copy}") for copy in (1, 2)]
            held.extend(each.get("journal_bytes", 0) for each in said)
            return all(each.get("journal_dropped_rows", 0) > 20 * DEVICES for each in said)

        station.supervisor.stop("archive")
        assert station.wait(full, PATIENCE)
        for copy in (1, 2):
            alarms = board.voices[f"receivers.{copy}"].last.alarms
            [alarm] = [each for each in alarms if "rows were deleted" in each]
            assert "before archive had them; start the readers, or let it keep more" in alarm
        station.supervisor.start("archive")
        station.stop("simulator")
        assert station.wait(drained, PATIENCE), frames(board)
        station.stop()
        books = per_device(board)
        total = frames(board)
    assert max(held) < 1.3 * keep
    assert total["received"] == total["sent"]
    assert accounted(total)
    assert len(books) == DEVICES
    lost = {device: each["lost"] for device, each in books.items()}
    assert min(lost.values()) > 0, lost
    assert all(each["received"] == each["archived"] + each["lost"] for each in books.values()), books
    with open_archive(tmp_path / "data") as found:
        times: dict[int, int] = {}
        for rows in found.rows():
            times[rows.configuration.device] = times.get(rows.configuration.device, 0) + len(np.unique(rows.time))
    assert times == {device: each["archived"] for device, each in books.items()}
