"""The judge is judged: it sees each kind of harm done to a small archive, and no harm where there is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.chaos import oracle
from tests.chaos.truth import DAMAGED, FLOAT, GOOD, LOG, PERIOD, REPEATED, Device, expected

DEVICE = Device(3, phasors=1)
FIRST = 1_700_000_000 * 50
FRAMES = 500
ROWS = FRAMES + 100
"""Slots of the part: some stay empty."""
TABLE = "rate50_ph1_an0_dg1"


def sent() -> np.ndarray[Any, np.dtype[Any]]:
    k = np.arange(FIRST, FIRST + FRAMES)
    log = np.zeros(FRAMES, LOG)
    log["device"], log["form"], log["kind"], log["k"], log["time"] = DEVICE.number, FLOAT, GOOD, k, k * PERIOD
    return log


class Made:
    """A run's folder as a perfect station would leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sent = folder, sent()
        self.part = folder / "data" / "live" / "20231114T22Z" / f"{TABLE}.part.h5"
        self.part.parent.mkdir(parents=True)
        (folder / "devices.json").write_text(json.dumps([asdict(DEVICE)]))
        (folder / "setup.json").write_text(json.dumps({"window": 2, "every": 1, "golden": 0.6180339887498949}))
        with h5py.File(self.part, "w") as file:
            file.attrs["table"], file.attrs["first_slot"] = TABLE, FIRST
            text = json.dumps({"device": DEVICE.key}).encode()
            file["configuration"] = np.array([text, b""], "S64")
            file["present"] = np.zeros((ROWS, 2), "u1")
            file["offset"] = np.zeros((ROWS, 2), "i4")
            file["values"] = np.zeros((ROWS, 2, 4), "f4")
            file["present"][:FRAMES, 0] = 1
            file["values"][:FRAMES, 0] = expected(DEVICE, FLOAT, self.sent["k"])
        due = oracle.windows_due(DEVICE, self.sent["time"], FIRST + FRAMES - 1, 100, 50, 0.6180339887498949)
        self.verdicts(due.tolist())
        self.books()

    def verdicts(self, starts: list[int]) -> None:
        path = self.part.with_name("verdicts.part.h5")
        path.unlink(missing_ok=True)
        with h5py.File(path, "w") as file:
            count = len(starts)
            file["present"] = np.ones(count, "u1")
            file["trigger"] = np.full(count, b"windows", "S64")
            file["outcome"] = np.full(count, b"ok", "S16")
            file["device"] = np.full(count, DEVICE.key, "u4")
            file["start"] = np.array(starts, "i8")
            file["stop"] = np.array(starts, "i8") + 2_000_000_000

    def books(self, **more: int) -> None:
        counts = {"archiver_received": FRAMES, "archived": FRAMES} | more
        status = {"devices": [{"device": DEVICE.key, "counts": counts}]}
        (self.folder / "status.json").write_text(json.dumps(status))

    def judged(self) -> oracle.Report:
        (self.folder / "sent.log").write_bytes(self.sent.tobytes())
        return oracle.judge(self.folder)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_no_harm(made: Made) -> None:
    report = made.judged()
    assert str(report) == f"sent {FRAMES} archived {FRAMES} lost 0 duplicated 0 unreadable 0 windows 8 missed 0 twice 0"
    assert (report.good, report.faults) == (True, [])


def test_a_row_that_is_not_there_is_lost(made: Made) -> None:
    with h5py.File(made.part, "r+") as file:
        file["present"][7:9, 0] = 0
    report = made.judged()
    assert (report.lost, report.archived, report.good) == (2, FRAMES - 2, False)
    assert any("2 lost" in note for note in report.notes)


def test_what_a_power_cut_may_take_is_excused(made: Made) -> None:
    with h5py.File(made.part, "r+") as file:
        file["present"][7:9, 0] = 0
    when = int(made.sent["time"][7])
    made.judged()
    report = oracle.judge(made.folder, [(when, when + 1)])
    assert (report.lost, report.excused, report.sent) == (1, 1, FRAMES - 1)


def test_a_row_in_two_columns_is_doubled(made: Made) -> None:
    with h5py.File(made.part, "r+") as file:
        file["configuration"][1] = file["configuration"][0]
        file["present"][5, 1] = 1
        file["values"][5, 1] = file["values"][5, 0]
    report = made.judged()
    assert (report.duplicated, report.lost, report.good) == (1, 0, False)


def test_another_value_is_seen(made: Made) -> None:
    with h5py.File(made.part, "r+") as file:
        file["values"][9, 0, 2] = np.nextafter(file["values"][9, 0, 2], np.float32(np.inf)) + np.float32(0.01)
    report = made.judged()
    assert not report.good
    assert any("other values" in fault for fault in report.faults)


def test_a_row_that_nobody_sent_is_seen(made: Made) -> None:
    with h5py.File(made.part, "r+") as file:
        file["present"][FRAMES + 3, 0] = 1
    report = made.judged()
    assert any("never sent" in fault for fault in report.faults)


def test_a_damaged_frame_must_not_be_kept(made: Made) -> None:
    made.sent["kind"][4] = DAMAGED
    report = made.judged()
    assert any("never sent" in fault for fault in report.faults)


def test_a_cut_file_is_unreadable(made: Made) -> None:
    made.part.write_bytes(made.part.read_bytes()[:100])
    report = made.judged()
    assert (report.unreadable, report.lost, report.good) == (1, FRAMES, False)


def test_windows_without_a_verdict_and_with_two(made: Made) -> None:
    due = oracle.windows_due(DEVICE, made.sent["time"], FIRST + FRAMES - 1, 100, 50, 0.6180339887498949).tolist()
    made.verdicts([*due[1:], due[3]])
    report = made.judged()
    assert (report.missed, report.twice, report.good) == (1, 1, False)
    made.verdicts([*due, due[-1] + 1_000_000_000])
    assert any("not due" in fault for fault in made.judged().faults)


def test_books_that_say_something_else(made: Made) -> None:
    made.books(archived=FRAMES - 1, pending=1)
    assert any("instead of" in fault for fault in made.judged().faults)
    made.books(archived=FRAMES - 1)
    assert any("do not balance" in fault for fault in made.judged().faults)


def test_a_frame_sent_twice_is_one_row_and_one_duplicate(made: Made) -> None:
    again = made.sent[10:11].copy()
    again["kind"] = REPEATED
    made.sent = np.concatenate([made.sent, again])
    made.books(archiver_received=FRAMES + 1, archiver_duplicate=1)
    report = made.judged()
    assert (report.good, report.faults) == (True, [])


def test_a_second_told_twice_is_wanted_twice(made: Made) -> None:
    made.sent["time"][100:150] -= 50 * PERIOD
    report = made.judged()
    assert report.lost == 50
    assert any("never sent" in fault for fault in report.faults)


@pytest.mark.parametrize(("killed", "started", "wrong"), [(5, False, False), (5, True, True), (None, False, True)])
def test_a_connection_breaks_in_the_door_of_a_dying_balancer(
    made: Made, killed: int | None, started: bool, wrong: bool
) -> None:
    link = {"device": DEVICE.number}
    links = [link | {"utc": 10**9, "what": "connected"}, link | {"utc": 10**9 + 9, "what": "broken", "why": "reset"}]
    if started:
        links.insert(1, link | {"utc": 10**9 + 1, "what": "started"})
    faults = [{"utc": 10**9 + killed, "what": "kill", "victims": ["front"]}] if killed else []
    for name, lines in (("links", links), ("faults", faults)):
        (made.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert bool(made.judged().faults) == wrong
