"""A node that raises alarms by hand: words of others go in, what it says is gathered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nodes._node import Action, Letter, News, Place
from nodes.alarms import Alarms, Settings
from protocol.messages import (
    Alarm,
    AlarmAction,
    AlarmAnswer,
    Announce,
    Configuration,
    Event,
    Flags,
    Gone,
    Health,
    Numbered,
    Snapshots,
)
from tests.suspicions import later, moment, number, snapshots

LIMITS = [
    {"name": "Frequency", "quantity": "frequency", "low": "49.8 Hz", "high": "50.2 Hz", "high_high": "51 Hz",
     "deadband": "50 mHz", "delay": "100 ms", "hold": "100 ms"},
    {"name": "Voltage", "quantity": "voltage", "nominal": "100 V", "low": "0.9 pu", "delay": "0 s", "hold": "0 s"},
]  # fmt: skip


def place(run: Path, journal: Path | None = None, limits: Any = LIMITS, watched: tuple[str, ...] = ()) -> Place:
    sources = {"concentrator": ["align"], "trigger": ["suspects"]}
    site = {"station": "test", "limits": limits}
    return Place("alarms", "alarms", 1, {"archiver": ["archive"]}, sources, str(run), site, "p.yaml", journal,
                 watched=watched)  # fmt: skip


def hertz(first: int, stop: int, at: int, values: dict[int, float], **more: Any) -> Snapshots:
    """Slots with a frequency of each link, all else as `snapshots` has it."""
    word = snapshots(first, stop, list(values), at, **more)
    told = word.values.copy()
    told[..., 0] = list(values.values())
    return replace(word, values=told)


def event(answer: int = 1, at: int = 0, **more: Any) -> Event:
    """What `suspects` says of one."""
    devices = np.array([number(1), number(2)], np.uint32)
    return Event(
        **{
            "id": "20231114T221320.000Z_suspects", "answer": answer, "final": answer == 3, "trigger": "suspects",
            "worker": "identify", "algorithm": "disturbance", "version": 1, "outcome": "ok", "error": "",
            "device": devices, "start": moment(-40), "stop": moment(20),
            "suspicions": [{"device": number(1), "trigger": "windows", "start": 0, "onset": moment(0), "score": 2.0}],
            "disturbance": True, "kind": "gen_trip", "confidence": 0.9, "onset": moment(0), "score": 3.0,
            "size_mhz": -80.0, "size_mw": -500.0, "latitude": 31.5, "longitude": 120.5, "ellipse": [70.0, 50.0, 10.0],
            "nearest": [number(2), number(1)], "arrival": np.zeros(2, np.int64), "amplitude": np.zeros(2),
            "bad": [], "detail": {}, "completeness": 1.0, "took": 0, "node": "suspects", "epoch": 1, "number": at,
        }
        | more
    )  # fmt: skip


def flags(kind: str, link: int, start: float, stop: float, going: int, at: int = 0, node: str = "suspects",
          epoch: int = 1) -> Flags:  # fmt: skip
    return Flags(
        np.array([number(link)], np.uint32), [kind], np.array([moment(start)]), np.array([moment(stop)]),
        np.array([going], np.uint8), np.array([2.0]), [{}], node=node, epoch=epoch, number=at,
    )  # fmt: skip


def health(node: str, *alarms: str, seconds: float = 0) -> Health:
    return Health(node, node, 1, moment(seconds), 1.0, 1.0, 1, {}, {}, [], np.zeros(0, np.uint32), [],
                  np.zeros((0, 0)), list(alarms))  # fmt: skip


def action(what: str, id_: str = "", request: str = "r1", **more: Any) -> AlarmAction:
    return AlarmAction(**{"reader": "", "request": request, "action": what, "id": id_, "user": "li",
                          "time": 0} | more)  # fmt: skip


class Bench:
    """See the module."""

    def __init__(self, where: Place, **settings: Any) -> None:
        self.node = Alarms(Settings.model_validate(settings), where)
        self.words: list[Alarm] = []
        self.answers: list[AlarmAnswer] = []
        self.letters: list[Letter] = []
        self.start: list[Action] = []

    def begin(self, seconds: float, meanings: Iterable[Configuration] = ()) -> Bench:
        """Start; every writer announces itself, and answers what it is asked for: what its rows mean."""
        self.start = list(self.node.start(later(seconds)))
        for writer in ("align", "suspects", "align/minutes"):
            epoch, number_ = self.node._standing.get(writer, (1, 0))
            self.hear(Announce(writer, epoch, number_, 0), seconds=seconds)
            if number_ and "/" not in writer:
                again = [replace(each, again=True) for each in meanings if each.node == writer]
                self.hear(*again, Gone(writer, epoch, number_, number_), seconds=seconds)
        self.letters.clear()
        return self

    def do(self, actions: Iterable[Action]) -> list[tuple[str, str, str]]:
        """(kind, change, state) of what was said."""
        new: list[Alarm] = []
        for each in actions:
            if isinstance(each, Letter):
                self.letters.append(each)
            elif isinstance(each, News) and isinstance(each.message, Alarm):
                new.append(each.message)
            elif isinstance(each, News) and isinstance(each.message, AlarmAnswer):
                self.answers.append(each.message)
        self.words += new
        return [(word.kind, word.change, word.state) for word in new]

    def hear(self, *messages: Any, seconds: float) -> list[tuple[str, str, str]]:
        """Messages at a time; the streams of others are told in order by themselves."""
        return [each for message in messages for each in self.do(self.node.receive(message, later(seconds)))]

    def wake(self, seconds: float) -> list[tuple[str, str, str]]:
        return self.do(self.node.wake(later(seconds)))

    def die(self) -> None:
        """As if killed: what is in the journal is there, nothing else happens."""
        keeper = self.node.writer.keeper
        if keeper is not None:
            keeper.close()


def in_order(words: Iterable[Numbered]) -> list[Any]:
    """The words of each writer, numbered as they come."""
    counts: dict[str, int] = {}
    numbered = []
    for word in words:
        numbered.append(replace(word, number=counts.setdefault(word.node, 0)))
        counts[word.node] += 1
    return numbered
