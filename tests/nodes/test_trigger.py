from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import Letter, News, Place
from nodes._windowbook import channel
from nodes.trigger import Settings, Trigger
from protocol import clock
from protocol.clock import SECOND, Now
from protocol.messages import (
    Announce,
    Configuration,
    Dismissed,
    Fetch,
    Shift,
    Snapshots,
    Table,
    Verdict,
    Window,
    Worker,
)

TABLE = Table(50, 1, 1, 0)
START = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
FIRST = clock.slot_of(START.utc, 50)


def later(seconds: float) -> Now:
    return Now(START.monotonic + int(seconds * SECOND), START.utc + int(seconds * SECOND))


LATE = 9 << 16
"""A device whose rows come late."""


class Bench:
    """A trigger with windows of 2 s each second, the concentrator that feeds it, and what it said."""

    def __init__(self, run: Path, workers: int = 2, journal: Path | None = None, **settings: Any) -> None:
        names = [f"prejudge.{n + 1}" for n in range(workers)]
        place = Place(
            "windows", "windows", 1, {"detector": names}, {"concentrator": ["align"]}, str(run), {}, "p.yaml", journal
        )
        chosen = {
            "window": "2 s",
            "every": "1 s",
            "stagger": False,
            "gap": "100 ms",
            "dead_letters": str(run),
        } | settings
        self.node = Trigger(Settings.model_validate(chosen), place)
        list(self.node.start(START))
        list(self.node.receive(Announce("align", 1, 0, 0), START))
        self.number = 0
        self.slot = FIRST
        self.verdicts: list[Verdict] = []
        self.sent_to: dict[int, str] = {}
        """Lease -> the detector that has it."""
        self.split(self.node.receive(Announce("align", 1, 0, 0), START))

    def split(self, actions: Any) -> list[Window]:
        """Windows sent; the verdicts said are kept."""
        actions = list(actions)
        news = [action.message for action in actions if isinstance(action, News)]
        self.verdicts += [word for word in news if isinstance(word, Verdict)]
        letters = [each for each in actions if isinstance(each, Letter) and isinstance(each.message, Window)]
        self.sent_to |= {letter.message.lease: letter.to for letter in letters}
        return [letter.message for letter in letters]

    def feed(self, seconds: float, devices: int = 1, missing: slice = slice(0, 0), now: Now = START) -> list[Window]:
        """Slots of all devices in chunks of ten; frequency is 50 + k/1000 of the k-th slot."""
        windows = []
        count = int(seconds * 50)
        values = np.zeros((count, devices, TABLE.channels), dtype=np.float32)
        values[:, :, 0] = 50 + np.arange(count)[:, None] / 1000
        values[missing] = np.nan
        for at in range(0, count, 10):
            windows += self.split(self.node.receive(self.snapshots(values[at : at + 10]), now))
        return windows

    def snapshots(self, values: np.ndarray) -> Snapshots:
        k, m = values.shape[:2]
        zeros = np.zeros((k, m))
        word = Snapshots(
            table=TABLE,
            slot=np.arange(self.slot, self.slot + k),
            device=np.arange(1, m + 1, dtype=np.uint32) << 16,
            present=(~np.isnan(values[:, :, 0])).astype(np.uint8),
            quality=zeros.astype(np.uint8),
            status=zeros.astype(np.uint16),
            values=values,
            digital=np.zeros((k, m, 0), dtype=np.uint16),
            latency=np.zeros(k, dtype=np.int64),
            node="align",
            epoch=1,
            number=self.number,
        )
        self.number += 1
        self.slot += k
        return word

    def answer(self, window: Window, worker: str = "prejudge.1", now: Now = START, **more: Any) -> list[Window]:
        fields = {"outcome": "ok", "suspicious": False, "score": 0.5, "onset": 0, "error": ""} | more
        verdict = Verdict(
            trigger=window.trigger,
            lease=window.lease,
            attempt=window.attempt,
            worker=worker,
            algorithm="emd",
            version=1,
            device=window.device,
            start=window.start,
            stop=window.start + 2 * SECOND,
            detail={},
            completeness=window.completeness,
            **fields,
        )
        return self.split(self.node.receive(verdict, now))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_window_is_sent_when_its_last_slot_came(bench: Bench):
    assert bench.feed(1.8) == []
    [window] = bench.feed(0.2)
    assert (window.trigger, window.attempt, window.rate) == ("windows", 1, 50)
    assert window.start == START.utc
    assert window.quantities == ["frequency"]
    assert window.values.shape == (1, 1, 100)
    assert window.filled.sum() == 0
    assert window.completeness == 1.0
    assert bench.node.health(START)["queues"]["in_flight"] == 1


def test_every_verdict_is_said_once_and_numbered(bench: Bench):
    windows = bench.feed(4)
    for window in windows:
        bench.answer(window, suspicious=True, score=3.0)
        bench.answer(window)
    assert [verdict.start for verdict in bench.verdicts] == [START.utc + k * SECOND for k in range(3)]
    assert [(v.node, v.number) for v in bench.verdicts] == [("windows", k) for k in range(3)]
    assert bench.node.counters["twins"] == 3
    assert bench.node.counters["suspicious"] == 3


def test_short_gaps_are_filled_and_marked(bench: Bench):
    [window] = bench.feed(2, missing=slice(20, 25))
    assert np.flatnonzero(window.filled[0]).tolist() == [20, 21, 22, 23, 24]
    assert np.isfinite(window.values).all()
    assert window.completeness == 0.95


@pytest.mark.parametrize("missing", [slice(20, 26), slice(0, 100, 5)])
def test_what_is_too_incomplete_has_its_verdict_without_work(bench: Bench, missing: slice):
    bench.feed(0.2)
    windows = bench.feed(2.8, missing=missing)
    assert len(windows) + len(bench.verdicts) == 2
    assert {verdict.outcome for verdict in bench.verdicts} == {"incomplete"}
    assert "90% and gaps up to 0.1 s are wanted" in bench.verdicts[0].error


def test_a_silent_detector_loses_the_window_to_another(bench: Bench):
    [window] = bench.feed(2)
    assert bench.node.wake_at() is not None
    [again] = bench.split(bench.node.wake(later(30)))
    assert (again.lease, again.attempt) == (window.lease, 2)
    bench.answer(again, worker="prejudge.2")
    assert bench.answer(window) == []
    assert len(bench.verdicts) == 1


def test_a_window_nobody_can_judge_becomes_a_dead_letter(bench: Bench, tmp_path: Path):
    [window] = bench.feed(2)
    for attempt in (1, 2):
        [window] = bench.answer(window, worker=f"prejudge.{attempt}", outcome="failed", error="ValueError: no")
    assert bench.answer(window, outcome="failed", error="ValueError: never") == []
    [verdict] = bench.verdicts
    assert (verdict.outcome, verdict.error, verdict.attempt) == ("failed", "ValueError: never", 3)
    [letter] = map(json.loads, (tmp_path / "windows.jsonl").read_text().splitlines())
    assert letter["start"] == START.utc
    assert np.array(letter["values"]).shape == (1, 1, 100)
    [alarm] = bench.node.health(START)["alarms"]
    assert "1 windows were never judged" in alarm


def test_no_more_than_two_windows_at_each_detector(bench: Bench):
    windows = bench.feed(2, devices=9)
    assert len(windows) == 4
    health = bench.node.health(START)
    assert (health["queues"]["waiting"], health["queues"]["in_flight"]) == (5, 4)
    assert len(bench.answer(windows[0])) == 1


def test_a_full_queue_gives_the_newest_up(tmp_path: Path):
    bench = Bench(tmp_path, workers=0, waiting=3)
    bench.feed(2, devices=5)
    assert [verdict.outcome for verdict in bench.verdicts] == ["failed"] * 2
    assert "no detector reads this trigger" in bench.node.health(START)["alarms"][0]


def test_verdicts_of_others_are_none_of_ours(bench: Bench):
    [window] = bench.feed(2)
    bench.answer(Window(**{**window.__dict__, "trigger": "elsewhere"}))
    assert bench.verdicts == []


def test_verdicts_may_be_fetched(bench: Bench):
    bench.answer(bench.feed(2)[0])
    [letter] = bench.node.receive(Fetch("archive", START.utc, 0, 9), START)
    assert (letter.to, letter.message.number) == ("archive", 0)
    announces = [a.message for a in bench.node.stop(START)]
    assert isinstance(announces[0], Announce)
    assert announces[0].next == 1


def test_other_quantities_and_tables_without_them(tmp_path: Path):
    bench = Bench(tmp_path, of="angle 1")
    [window] = bench.feed(2)
    assert window.values.max() == 0
    bench = Bench(tmp_path, of="analog 2")
    assert bench.feed(2) == []
    assert "no windows of analog 2 can be cut of rate50_ph1_an1_dg0" in bench.node.health(START)["alarms"]


@pytest.mark.parametrize(
    ("quantity", "where"),
    [
        ("frequency", 0),
        ("rocof", 1),
        ("magnitude 1", 2),
        ("angle 2", 5),
        ("analog 1", 6),
        ("analog 4", None),
        ("angle 3", None),
        ("nonsense", None),
    ],
)
def test_where_a_quantity_stands(quantity: str, where: int | None):
    assert channel(quantity, Table(50, 2, 3, 0)) == where


def test_an_unknown_quantity_is_a_fault():
    with pytest.raises(ValidationError, match="unknown quantity 'voltage'; write frequency"):
        Settings(of="voltage")


def test_names_of_devices_come_from_their_configurations(bench: Bench):
    word = Configuration(
        1 << 16, 1, "l", 1, 1, "Blue PMU", "c37118", TABLE, 1, 50, 1, ["V"], ["V"], ["a"], ["rms"], [], [], [],
        node="align", epoch=1, number=0,
    )  # fmt: skip
    list(bench.node.receive(word, START))
    bench.number = 1
    bench.answer(bench.feed(2)[0], suspicious=True, score=2.5)
    health = bench.node.health(START)
    assert health["labels"] == ["Blue PMU"]
    assert health["counts"].tolist() == [[1, 1, 2.5]]


def test_a_dead_letter_that_cannot_be_kept_is_an_alarm_and_the_verdict_still_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path, attempts=1, dead_letters=str(tmp_path / "file"))
    [window] = bench.feed(2)
    bench.answer(window, outcome="failed", error="boom")
    assert [verdict.outcome for verdict in bench.verdicts] == ["failed"]
    assert any("dead letters are not kept" in alarm for alarm in bench.node.health(START)["alarms"])


def test_one_detector_that_is_slow_holds_up_its_own_windows_only(bench: Bench):
    windows = bench.feed(4, devices=5)
    slow = [window for window in windows if bench.sent_to[window.lease] == "prejudge.1"]
    while windows := [window for window in windows if bench.sent_to[window.lease] != "prejudge.1"]:
        windows = windows[1:] + bench.answer(windows[0], bench.sent_to[windows[0].lease])
    assert (len(slow), len(bench.verdicts)) == (2, 13)
    assert bench.node.health(START)["queues"] == {"waiting": 0, "in_flight": 2, "early": 0, "behind": 0}


def test_a_late_answer_to_an_earlier_life_counts_once(tmp_path: Path):
    bench = Bench(tmp_path, journal=tmp_path / "journal")
    [window] = bench.feed(2)
    assert bench.node.writer.keeper
    bench.node.writer.keeper.close()
    again = Trigger(bench.node.settings, bench.node.place)
    bench.node = again
    bench.split(again.start(later(1)))
    [same] = bench.split(again.wake(later(1)))
    assert (same.start, same.values.tolist(), same.lease == window.lease) == (
        window.start,
        window.values.tolist(),
        False,
    )
    bench.answer(window, now=later(2))
    bench.answer(same, now=later(3))
    bench.answer(window, now=later(3))
    assert [(verdict.start, verdict.lease) for verdict in bench.verdicts] == [(window.start, window.lease)]
    assert again.counters["twins"] == 2
    assert again.health(later(3))["counters"]["reopened"] == 1
    list(again.stop(later(3)))


def test_a_journal_too_short_for_a_window_is_a_fault():
    with pytest.raises(ValidationError, match="`age` of the journal is below"):
        Settings.model_validate({"window": "3 h", "age": "2 h"})


def test_a_device_whose_rows_are_all_late_is_judged_once_all_the_same(bench: Bench):
    bench.feed(6)
    late = replace(bench.snapshots(np.full((300, 1, TABLE.channels), 50, np.float32)), late=True,
                   slot=np.arange(FIRST, FIRST + 300), device=np.array([LATE], np.uint32))  # fmt: skip

    def judged() -> list[int]:
        sent = [lease for lease, task in bench.node.leases.pending() if task.window.device[0] == LATE]
        return [*sent, *(int(verdict.start) for verdict in bench.verdicts if verdict.device[0] == LATE)]

    bench.split(bench.node.receive(late, START))
    assert len(judged()) == 2
    before = judged()
    bench.split(bench.node.receive(replace(late, number=bench.number), START))
    assert judged() == before


def test_detectors_come_and_go(bench: Bench):
    """One that joins is given windows; one that leaves is let go, and its answers still count; one that is gone not."""
    sent = bench.feed(7, devices=1)
    assert set(bench.sent_to.values()) == {"prejudge.1", "prejudge.2"}
    list(bench.node.receive(Worker("prejudge.3", "windows", Shift.JOINS), START))
    sent += bench.split(bench.node.receive(Worker("prejudge.3", "elsewhere", Shift.LEAVES), START))
    assert [who for who in bench.sent_to.values() if who == "prejudge.3"] == ["prejudge.3"] * min(2, len(sent) - 4)
    [letter, *others] = [
        each for each in bench.node.receive(Worker("prejudge.1", "windows", Shift.LEAVES), START)
        if not isinstance(each.message, Window)
    ]  # fmt: skip
    assert (letter.to, letter.message, others) == ("prejudge.1", Dismissed("windows", "prejudge.1"), [])
    theirs = [lease for lease, who in bench.sent_to.items() if who == "prejudge.1"]
    mine = next(each for each in sent if each.lease == theirs[0])
    bench.answer(mine, worker="prejudge.1")
    assert len(bench.verdicts) == 1
    again = bench.split(bench.node.receive(Worker("prejudge.1", "windows", Shift.GONE), START))
    again += bench.feed(0.2)
    assert "prejudge.1" not in [bench.sent_to[each.lease] for each in again]
    assert bench.node.leases.workers == ["prejudge.2", "prejudge.3"]


def test_those_who_joined_are_let_go_at_the_end(bench: Bench):
    list(bench.node.receive(Worker("prejudge.3", "windows", Shift.JOINS), START))
    letters = [each for each in bench.node.stop(START) if isinstance(each, Letter)]
    assert [(each.to, each.message) for each in letters] == [("prejudge.3", Dismissed("windows", "prejudge.3"))]
