"""What an export from a page will hold."""

from __future__ import annotations

import pytest

from console.takehome import BYTES, estimate, instant, written
from tests.console.browser.feeding import configurations


def test_values_are_counted_by_channel_and_rate() -> None:
    known = configurations()[:2]  # 50 a second, 6 phasors, 1 analog, 1 digital word
    assert estimate(known, ["frequency"], 10, "hdf5") == (1000, int(1000 * BYTES["hdf5"]))
    assert estimate(known, ["magnitude", "analog"], 1, "csv")[0] == 2 * 50 * 7
    assert estimate(known, [], 1, "mat")[0] == 2 * 50 * (4 + 12 + 1 + 1)
    assert estimate(configurations()[-1:], ["frequency"], 10, "csv") == (0, 0)


@pytest.mark.parametrize("text", ["2026-05-06 07:00", "2026-05-06T07:00:00Z", " 2026-05-06 09:00+02:00"])
def test_a_time_is_read_as_utc(text: str) -> None:
    told = instant(text)
    assert told is not None
    assert written(told) == "2026-05-06T07:00:00Z"


def test_what_is_no_time_is_none() -> None:
    assert instant("yesterday") is None
