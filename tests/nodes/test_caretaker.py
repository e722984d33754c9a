"""Jobs at their times, over restarts and clocks that are put back; and the caretaker that has them done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nodes import caretaker
from nodes._caresettings import Settings, jobs_of
from nodes._node import Place
from nodes._schedule import DAY, RETRY, Job, Schedule
from protocol.clock import SECOND, Now

T0 = 20_000 * DAY
"""Midnight."""
HOUR = 3600 * SECOND
NIGHT = Job("backup", "backup", ("x",), DAY, 2 * HOUR)
HOURLY = Job("retention", "retention", (), HOUR)


def test_times_follow_from_the_clock() -> None:
    assert NIGHT.after(T0) == T0 + 2 * HOUR
    assert NIGHT.after(T0 + 2 * HOUR) == T0 + DAY + 2 * HOUR
    assert NIGHT.after(T0 + 2 * HOUR - 1) == T0 + 2 * HOUR
    assert HOURLY.after(T0 + 5) == T0 + HOUR


def run(path: Path, since: int, until: int, step: int, jobs: list[Job], kill: int = 0) -> list[tuple[str, int]]:
    """(job, when it was begun) of one life; killed while it does the `kill`-th."""
    schedule, done = Schedule(jobs, path, since), []
    schedule.save()
    for now in range(since, until, step):
        while (job := schedule.due(now)) is not None:
            schedule.begin(job, now)
            done.append((job.name, now))
            if len(done) == kill:
                return done
            schedule.end(job, now, "")
    return done


def test_a_restart_neither_leaves_out_nor_doubles(tmp_path: Path) -> None:
    whole = run(tmp_path / "one", T0, T0 + 3 * DAY, HOUR // 2, [NIGHT, HOURLY])
    assert [each for each in whole if each[0] == "backup"] == [
        ("backup", T0 + day * DAY + 2 * HOUR) for day in range(3)
    ]
    assert len(whole) == 3 + 3 * 24 - 1
    parts: list[tuple[str, int]] = []
    for begin in range(T0, T0 + 3 * DAY, 5 * HOUR):
        parts += run(tmp_path / "two", begin, min(begin + 5 * HOUR, T0 + 3 * DAY), HOUR // 2, [NIGHT, HOURLY])
    assert parts == whole


def test_what_was_missed_is_done_once(tmp_path: Path) -> None:
    run(tmp_path / "s", T0, T0 + HOUR, HOUR, [NIGHT])
    assert run(tmp_path / "s", T0 + 5 * DAY, T0 + 5 * DAY + HOUR, HOUR, [NIGHT]) == [("backup", T0 + 5 * DAY)]
    assert run(tmp_path / "s", T0 + 5 * DAY + HOUR, T0 + 6 * DAY, HOUR, [NIGHT]) == [
        ("backup", T0 + 5 * DAY + 2 * HOUR)
    ]


def test_what_a_kill_broke_off_is_done_again(tmp_path: Path) -> None:
    begun = run(tmp_path / "s", T0, T0 + DAY, HOUR, [NIGHT], kill=1)
    assert begun == [("backup", T0 + 2 * HOUR)]
    again = run(tmp_path / "s", T0 + 3 * HOUR, T0 + DAY, HOUR, [NIGHT])
    assert again == [("backup", T0 + 3 * HOUR)]


def test_one_that_failed_is_tried_again_and_told(tmp_path: Path) -> None:
    schedule = Schedule([NIGHT], tmp_path / "s", T0)
    schedule.begin(NIGHT, T0 + 2 * HOUR)
    schedule.end(NIGHT, T0 + 2 * HOUR, "no room")
    assert schedule.next() == T0 + 2 * HOUR + RETRY
    assert schedule.alarms(T0 + 2 * HOUR) == ["backup failed: no room"]
    schedule.end(NIGHT, T0 + 3 * HOUR, "", ["a file is damaged"])
    assert schedule.next() == T0 + DAY + 2 * HOUR
    assert schedule.alarms(T0 + 4 * HOUR) == ["backup: a file is damaged"]
    assert "backup is overdue: it last ended well 3.0 days ago" in schedule.alarms(T0 + 3 * HOUR + 3 * DAY)
    assert Schedule([NIGHT], tmp_path / "s", T0).alarms(T0 + 4 * HOUR) == ["backup: a file is damaged"]


def test_a_clock_that_was_put_back_and_a_file_that_says_nothing(tmp_path: Path) -> None:
    run(tmp_path / "s", T0, T0 + DAY, HOUR, [NIGHT])
    assert Schedule([NIGHT], tmp_path / "s", T0 - 30 * DAY).next() == T0 - 30 * DAY + 2 * HOUR
    (tmp_path / "s").write_text('{"backup": {"due": 1, "what": 2}}')
    assert Schedule([NIGHT], tmp_path / "s", T0).next() == T0 + 2 * HOUR


# the node


def place(tmp_path: Path) -> Place:
    file = tmp_path / "pipelines" / "p.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("nodes:\n  a: {kind: archiver, path: ../data/north}\n")
    return Place("care", "care", 1, {}, {}, str(tmp_path), {}, str(file), tmp_path / "journal" / "care")


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings.model_validate(more, context={"base": tmp_path / "pipelines"})


def test_what_is_done_follows_from_the_settings(tmp_path: Path) -> None:
    wanted = settings(
        tmp_path, backup={"to": "../backup", "at": "02:30", "keep": 7, "rate": 20},
        retention={"age": "400 d", "size": "2 TiB", "free": "10 %", "after_backup": True, "overviews": "1500 d"},
        verify={"fast": True},
        others=[{"verb": "report", "arguments": ["--day", "yesterday"], "at": "0:15"}],
    )  # fmt: skip
    root = str(tmp_path / "data" / "north")
    backup, retention, verify, report = jobs_of(wanted, place(tmp_path))
    assert backup.arguments[0] == str(tmp_path / "pipelines" / ".." / "backup")
    assert backup.arguments[1:] == (f"--pipeline={tmp_path}/pipelines/p.yaml", "--keep=7", "--monthly=12", "--rate=20")
    assert (backup.every, backup.at) == (DAY, 2 * HOUR + HOUR // 2)
    assert retention == Job("retention", "retention", (root, "--age=400 d", "--size=2 TiB", "--free=10 %",
                                                       "--overviews=1500 d", "--after-backup",
                                                       "--yes"), HOUR)  # fmt: skip
    assert verify == Job("verify", "verify", (root, "--fast"), 7 * DAY)
    assert report == Job("report (1)", "report", ("--day", "yesterday"), DAY, HOUR // 4)
    assert jobs_of(settings(tmp_path, backup={"to": "ops@far:/srv"}), place(tmp_path))[0].arguments[0] == "ops@far:/srv"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"backup": {"to": "x", "at": "25:00"}}, 'write it as "02:30"'),
        ({"backup": {"to": "x", "at": "02:30", "every": "1 d"}}, "write one of them"),
        ({"backup": {"to": ""}}, "is no place for a backup"),
        ({"retention": {"age": "1 d", "after_backup": True}}, "there are none"),
        ({"retention": {"age": "30 d", "overviews": "30 d"}}, "would go before their rows"),
        ({"retention": {"free": "150 %"}}, "less than or equal to 1"),
        ({"verify": {"every": "0 s"}}, "greater than 0"),
        ({"others": [{"verb": "demo"}]}, "'report'"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(tmp_path, **wrong)


class Hand:
    """A caretaker whose children are told here what they do."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int) -> None:
        self.begun: list[Job] = []
        self.code = "pass"
        wanted = settings(tmp_path, backup={"to": "../backup", "at": "02:00"})
        self.node = caretaker.Caretaker(wanted, place(tmp_path))
        monkeypatch.setattr(self.node, "_spawn", self._spawn)
        list(self.node.start(Now(now, now)))

    def _spawn(self, job: Job, out: Any, errors: Any) -> subprocess.Popen[bytes]:
        self.begun.append(job)
        return subprocess.Popen([sys.executable, "-c", self.code], stdout=out, stderr=errors)

    def at(self, now: int) -> list[str]:
        """Wake it until its child, if any, has ended; its alarms."""
        list(self.node.wake(Now(now, now)))
        if self.node.child is not None:
            self.node.child[1].wait(30)
            list(self.node.wake(Now(now + 1, now + 1)))
        return list(self.node.health(Now(now + 1, now + 1))["alarms"])


@pytest.fixture
def hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    made = Hand(tmp_path, monkeypatch, T0)
    yield made
    list(made.node.stop(Now(0, 0)))


def test_it_has_jobs_done_and_says_what_they_say(hand: Hand) -> None:
    assert hand.at(T0 + HOUR) == []
    assert hand.begun == []
    hand.code = 'print(\'{"alarms": ["a file is damaged"]}\'); raise SystemExit(1)'
    assert hand.at(T0 + 2 * HOUR) == ["backup: a file is damaged"]
    assert hand.at(T0 + 3 * HOUR) == ["backup: a file is damaged"]
    assert len(hand.begun) == 1
    hand.code = "print('{}')"
    assert hand.at(T0 + 26 * HOUR) == []
    assert hand.node.counters == {"done": 2, "failed": 0}
    hand.code = "import sys; print('syms: no room', file=sys.stderr); sys.exit(1)"
    [alarm] = hand.at(T0 + 50 * HOUR)
    assert alarm.startswith("backup failed: syms: no room (more in ")
    assert hand.at(T0 + 50 * HOUR + RETRY // 2)
    assert len(hand.begun) == 3
    hand.code = "print('{}')"
    assert hand.at(T0 + 50 * HOUR + 2 * RETRY) == []


def test_its_end_is_that_of_its_child(hand: Hand) -> None:
    hand.code = "import time; time.sleep(60)"
    list(hand.node.wake(Now(0, T0 + 2 * HOUR)))
    assert hand.node.child is not None
    assert hand.node.health(Now(1, T0 + 2 * HOUR))["counters"]["running"] == 1
    child = hand.node.child[1]
    list(hand.node.stop(Now(1, T0 + 2 * HOUR)))
    assert child.poll() is not None
