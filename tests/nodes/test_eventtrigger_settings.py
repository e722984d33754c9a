"""Settings of an event trigger, and what they come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._case import Case, Due
from nodes._eventwords import make, said
from nodes.trigger import Settings
from protocol import wire
from protocol.clock import SECOND, Now
from protocol.messages import Cause
from tests.eventtriggers import judge
from tests.suspicions import FIRST, RATE, START, moment, number


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"answers": ["3 s"]}, "`answers` is not of `on: schedule`; leave it out, or write on: suspicion"),
        (
            {"on": "suspicion", "every": "10 s"},
            "`every` is not of `on: suspicion`; leave it out, or write on: schedule",
        ),
        ({"on": "suspicion", "window": "180 s"}, "`window` does not fit `on: suspicion`; write two offsets"),
        ({"window": ["-1 s", "1 s"]}, "`window` does not fit `on: schedule`; write a length"),
        ({"on": "suspicion", "window": ["1 s", "30 s"]}, "does not lie around the onset"),
        ({"on": "suspicion", "window": ["-1 s"]}, "is not two offsets"),
        ({"on": "suspicion", "answers": ["3 s", "3 s"]}, "`answers` do not ascend"),
        ({"on": "suspicion", "answers": ["3 s", "31 s"]}, "the last of `answers` is after the end of `window`"),
        ({"on": "suspicion", "age": "2 min"}, "`age` of the journal is below `window` \\+ `late`"),
        ({"on": "suspicion", "neighbours": "near"}, "says no neighbours; write region, all, or a distance as 300 km"),
        ({"on": "suspicion", "neighbours": "300 s"}, "unknown unit 's'"),
        ({"on": "suspicion", "neighbours": "-300 km"}, "is no distance; write one above 0, as 300 km"),
        ({"window": "10 ms"}, "is too short"),
        ({"on": "suspicion", "sweep": "20 ms"}, "`sweep` is below 1 s; write 60 s, or 0 s for none"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], fault: str):
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate(given)


def test_settings_that_fit():
    chosen = Settings.model_validate({"on": "suspicion", "neighbours": "300 km", "window": ["-150 s", "+30 s"]})
    assert chosen.event_shape.neighbours == 300.0
    assert chosen.event_shape.held == (150 + 120 + 2) * SECOND
    assert chosen.model_dump(mode="json")["window"] == ["-150 s", "30 s"]
    assert chosen.model_dump(mode="json")["neighbours"] == "300 km"
    assert Settings(on="suspicion").event_shape.neighbours == "region"
    assert Now(0, START).utc == START


def test_words_of_hundreds_of_devices_are_messages():
    m, n = 300, 500
    devices = tuple(number(link) for link in range(1, m + 1))
    values = np.zeros((m, 7, n), np.float32)
    due = Due("x_suspects", 1, True, Cause.SUSPICION, RATE, devices, FIRST, 0, values, 0, n)
    window = wire.unpack(wire.pack(make(due, "suspects", {}).window))
    assert window.values.shape == (m, 7, n)
    flags = [{"device": k, "kind": "spikes", "start": 1, "stop": 9, "score": 1.0, "detail": {}} for k in range(m)] * 10
    report = {"bad": flags, "arrival": [1.5] * m, "amplitude": [1.0] * m, "nearest": list(range(m))}
    verdict = wire.unpack(wire.pack(judge(window, detail=report)))
    event = wire.unpack(wire.pack(said(due, Case("x_suspects", 0, 0, 0), verdict)))
    assert (len(event.bad), event.bad[-1]["device"], event.nearest[-1]) == (10 * m, devices[-1], devices[-1])
    assert event.arrival.tolist() == [moment(1.5)] * m
