"""STAT and time quality in words."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.c37118 import describe_quality, describe_status, usable


def test_status_of_an_unsynchronised_device() -> None:
    assert describe_status(0x21F0) == {
        "data": "good measurement data",
        "synchronised": False,
        "sorting": "by time stamp",
        "trigger": False,
        "configuration_change": False,
        "unlocked": "unlocked 1000 s or longer",
        "trigger_reason": "manual",
        "modified": False,
        "time_quality": "error above 10 ms or unknown",
    }


@pytest.mark.parametrize(
    ("status", "edition", "key", "word"),
    [
        (0x8000, 2005, "data", "data invalid"),
        (0x8000, 2011, "data", "PMU in test mode or absent data tags inserted, do not use"),
        (0x4000, 2005, "data", "PMU error"),
        (0x4000, 2011, "data", "PMU error, no information about data"),
        (0xC000, 2011, "data", "PMU error, do not use"),
        (0x1000, 2011, "sorting", "by arrival"),
        (0x0801, 2011, "trigger", True),
        (0x0801, 2011, "trigger_reason", "magnitude low"),
        (0x000F, 2011, "trigger_reason", "user 15"),
        (0x0400, 2011, "configuration_change", True),
        (0x0200, 2011, "modified", True),
        (0x0040, 2011, "time_quality", "error below 100 ns"),
    ],
)
def test_status_bits(status: int, edition: int, key: str, word: object) -> None:
    assert describe_status(status, edition)[key] == word


def test_2005_has_no_time_quality_in_stat() -> None:
    assert not {"modified", "time_quality"} & describe_status(0x03C0, 2005).keys()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "locked to UTC traceable source"),
        (1, "unlocked, time within 10^-9 s"),
        (0xA, "unlocked, time within 10^0 s"),
        (0xB, "unlocked, time within 10^1 s"),
        (0xC, "reserved"),
        (0xF, "clock failure, time not reliable"),
    ],
)
def test_time_quality(code: int, words: str) -> None:
    assert describe_quality(code)["time"] == words


def test_leap_seconds() -> None:
    assert describe_quality(0x70) == {
        "leap_second_direction": "delete",
        "leap_second_occurred": True,
        "leap_second_pending": True,
        "time": "locked to UTC traceable source",
    }


def test_usable() -> None:
    status = np.array([0, 0x2000, 0x3FFF, 0x4000, 0x8000, 0xC000], np.uint16)
    assert usable(status).tolist() == [True, True, True, False, False, False]
