"""From devices to events: a disturbance is one event with three answers, a device that lies is bad data; also after
kill -9 of the event trigger and its detector in the middle of it.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.messages import Event

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

DEVICES, AT = 6, 45
PATIENCE = 160.0
ANSWERS = [3, 10, 25]
FAULT = {"kind": "step", "every": f"{AT} s", "length": "8 s", "size": 0.3}
"""A frequency that no angle knows of."""


def wiring(folder: Path, scenario: str, liar: bool = False) -> dict[str, Any]:
    lying = {"kind": "simulator", "to": "front", "devices": 1, "first": 50, "seed": 9, "at": f"{AT} s"}
    quiet = {"kind": "simulator", "to": "front", "devices": DEVICES, "at": f"{AT} s", "scenario": scenario}
    return {
        "devices": quiet,
        **({"liar": lying | {"faults": [FAULT]}} if liar else {}),
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": ["receivers", "windows", "suspects"], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},  # a busy machine makes no row late
        "windows": {"kind": "trigger", "from": "align", "window": "12 s", "every": "3 s"},
        "prejudge": {"kind": "detector", "from": "windows"},
        "suspects": {
            "kind": "trigger", "from": ["align", "windows"], "on": "suspicion", "window": ["-60 s", "+25 s"],
            "answers": [f"{each} s" for each in ANSWERS], "timeout": "20 s", "attempts": 10,
        },
        "identify": {"kind": "detector", "from": "suspects", "algorithm": "disturbance"},
    }  # fmt: skip


class Story:
    """The events that a station said, by id."""

    def __init__(self) -> None:
        self.events: dict[str, dict[int, Event]] = defaultdict(dict)
        self.twice = 0

    def hear(self, word: Any) -> None:
        if isinstance(word, Event):
            self.twice += word.answer in self.events[word.id]
            self.events[word.id][word.answer] = word

    @property
    def final(self) -> bool:
        return any(event.final for answers in self.events.values() for event in answers.values())

    def only(self) -> list[Event]:
        """The answers of the only event."""
        [answers] = self.events.values()
        return [answers[number] for number in sorted(answers)]


def told(folder: Path, scenario: str, liar: bool = False) -> Story:
    story = Story()
    with PrivateStation(
        wiring(folder, scenario, liar),
        {"station": "x", "unknown": "admit"},
        (Event.TAG,),  # type: ignore[attr-defined]
        story.hear,
    ) as station:
        assert station.wait(lambda _: story.final, PATIENCE), "no final answer"
        assert station.troubles() == []
    return story


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("generation_trip", {"gen_trip"}),
        ("fault", {"fault_3ph", "fault_2ph", "fault_ground"}),
        ("oscillation", {"osc_inter_area", "osc_forced"}),
    ],
)
def test_a_disturbance_is_one_event(tmp_path: Path, scenario: str, kinds: set[str]) -> None:
    story = told(tmp_path, scenario)
    answers = story.only()
    assert [event.answer for event in answers] == list(range(1, len(answers) + 1))
    assert [event.final for event in answers] == [False] * (len(answers) - 1) + [True]
    last = answers[-1]
    assert (last.outcome, last.disturbance, len(last.device)) == ("ok", True, DEVICES)
    assert last.kind in kinds
    assert all(suspicion["trigger"] == "windows" for suspicion in last.suspicions)
    assert story.twice == 0


def test_a_device_that_lies_is_bad_data(tmp_path: Path) -> None:
    last = told(tmp_path, "none", liar=True).only()[-1]
    assert (last.outcome, last.disturbance, last.kind) == ("ok", False, "none")
    [liar] = {suspicion["device"] for suspicion in last.suspicions}
    assert liar in {flag["device"] for flag in last.bad}


def test_a_kill_in_the_middle_of_an_event_loses_and_doubles_no_answer(tmp_path: Path) -> None:
    story, killed = Story(), set[int]()
    with PrivateStation(
        wiring(tmp_path, "generation_trip"),
        {"station": "x", "unknown": "admit"},
        (Event.TAG,),  # type: ignore[attr-defined]
        story.hear,
    ) as station:

        def opened(board: Board) -> bool:
            suspects = board.voices.get("suspects")
            return suspects is not None and suspects.last.counters.get("opened", 0) > 0

        assert station.wait(opened, PATIENCE)
        for victim, at in (("suspects", 0), ("identify", 0), ("suspects", 1)):
            station.wait(lambda _, at=at: len(story.events) > 0 or at == 0, PATIENCE)
            assert station.wait(lambda board, victim=victim: board.voices[victim].last.pid not in killed, PATIENCE)
            pid = station.board.voices[victim].last.pid
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        assert station.wait(lambda _: story.final, PATIENCE), "no final answer"
        station.settle()
    answers = story.only()
    assert [event.answer for event in answers] == list(range(1, len(answers) + 1))
    assert answers[-1].final
    assert {event.outcome for event in answers} == {"ok"}
    assert story.twice == 0
