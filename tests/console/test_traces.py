"""What comes and what was: from memory, from the archive, and where one ends and the other begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archive.finish import finish_all
from archive.retention import DAY, Rules, plan, remove
from archive.writer import Archive
from console.board import Board
from console.model import Station
from console.quantities import Wanted
from console.traces import COMPUTED_UP_TO, Feed, TooLong, at_times, past, seconds_only
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Measurements
from tests.archives import NONE
from tests.console.browser.feeding import RATE, configuration, fundamentals

START = 1_800_000_000 * SECOND
KNOWN = [
    configuration(1 << 16, "North 01", "north", (47.0, 119.0)),
    configuration(2 << 16, "South 02", "south", (45.0, 119.0)),
]
HERTZ, ANGLE = Wanted(KNOWN[0].device, "frequency"), Wanted(KNOWN[0].device, "angle", "VA")
APART = Wanted(KNOWN[1].device, "difference", "VA")
POWER = Wanted(KNOWN[0].device, "active", "I")


@pytest.fixture
def station() -> Station:
    """Of which seconds 100 to 110 are held."""
    held = Station("North Hub", Board([]), 60 * SECOND, 1 << 24)
    for each in KNOWN:
        held.take(each, 0.0)
    for second in range(100, 110):
        held.take(fundamentals(KNOWN, START + second * SECOND, RATE), 0.0)
    return held


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of seconds 0 to 105, in which second 50 is missing."""
    writer = Archive(tmp_path)
    for each in KNOWN:
        writer.take(each)
    for second in (each for each in range(105) if each != 50):
        writer.take(rows(second))
    writer.commit(NONE)
    writer.close()
    return tmp_path


def rows(second: int) -> Measurements:
    """The same as slots, as a receiver tells them."""
    told = fundamentals(KNOWN, START + second * SECOND, RATE)
    count = told.slot.size * told.device.size
    time = np.repeat(clock.slot_time(told.slot, RATE), told.device.size)
    nothing = np.zeros(count, np.int32)
    return Measurements(
        table=told.table, device=np.tile(told.device, told.slot.size), time=time, arrival=time, snapped=nothing,
        quality=nothing.astype(np.uint8), status=nothing.astype(np.uint16), aside=nothing.astype(np.uint8),
        values=told.values.reshape(count, -1), digital=told.digital.reshape(count, -1),
    )  # fmt: skip


def truth(second: int) -> np.ndarray:
    """Frequency of the first device."""
    return fundamentals(KNOWN, START + second * SECOND, RATE).values[:, 0, 0]


def test_each_value_comes_once(station: Station) -> None:
    feed = Feed(station, [HERTZ, ANGLE], None, START + 109 * SECOND)
    blocks = {id_: (first, step, values) for id_, first, step, values in feed.news()}
    assert blocks[HERTZ.id][:2] == (START + 109 * SECOND, 20_000_000)
    assert blocks[HERTZ.id][2].tolist() == truth(109).tolist()
    assert feed.news() == []
    station.take(fundamentals(KNOWN, START + 110 * SECOND, 5), 0.0)
    assert [values.size for *_, values in feed.news()] == [5, 5]


def test_a_difference_is_to_the_reference(station: Station) -> None:
    [(_, _, _, values)] = Feed(station, [APART], ANGLE, START + 109 * SECOND).news()
    told = fundamentals(KNOWN, START + 109 * SECOND, RATE).values
    assert values == pytest.approx((told[:, 1, 3] - told[:, 0, 3] + 180) % 360 - 180, abs=1e-3)


def test_what_is_not_there_is_passed_over(station: Station) -> None:
    wanted = [Wanted(7, "frequency"), Wanted(KNOWN[0].device, "magnitude", "VX")]
    assert Feed(station, wanted, None, START).news() == []
    assert past(station, None, wanted, None, START, START + SECOND, 100) == {}


def test_memory_alone(station: Station) -> None:
    found = past(station, None, [HERTZ], None, START + 90 * SECOND, START + 110 * SECOND, 1000)[HERTZ.id]
    assert found.time[0] == START + 100 * SECOND
    assert found.value.size == 10 * RATE


def test_the_archive_goes_before(station: Station, folder: Path) -> None:
    found = past(station, folder, [HERTZ], None, START, START + 110 * SECOND, 4000)[HERTZ.id]
    assert np.diff(found.time).max() <= 51 * 20_000_000
    assert np.isnan(found.value).sum() == 1  # second 50
    second = (found.time >= START + 30 * SECOND) & (found.time < START + 31 * SECOND)
    assert found.value[second].tolist() == truth(30).tolist()


def test_few_columns_have_bands(station: Station, folder: Path) -> None:
    found = past(station, folder, [HERTZ], None, START, START + 110 * SECOND, 100)[HERTZ.id]
    assert found.low is not None
    assert found.high is not None
    assert found.time.size <= 112
    told = np.concatenate([truth(second) for second in range(110) if second != 50])
    assert (np.nanmin(found.low), np.nanmax(found.high)) == (told.min(), told.max())


def test_what_follows_from_several_channels(station: Station, folder: Path) -> None:
    wanted = [APART, POWER]
    found = past(station, folder, wanted, ANGLE, START, START + 110 * SECOND, 4000)
    for id_, least, most in ((APART.id, 8, 16), (POWER.id, 138, 146)):
        valid = ~np.isnan(found[id_].value)
        assert valid.sum() == 109 * RATE
        assert least < found[id_].value[valid].min() <= found[id_].value[valid].max() < most


def test_long_stretches_come_as_seconds_or_not_at_all(station: Station, folder: Path) -> None:
    since = START - 2 * COMPUTED_UP_TO
    found = past(station, folder, [HERTZ], None, since, START + 110 * SECOND, 2000)[HERTZ.id]
    assert np.nanmin(found.low if found.low is not None else found.value) == pytest.approx(49.98, abs=0.01)
    with pytest.raises(TooLong):
        past(station, folder, [POWER], None, since, START + 110 * SECOND, 2000)


def test_the_archive_does_not_know_the_device(station: Station, folder: Path) -> None:
    station.take(replace(KNOWN[0], device=9 << 16, name="New"), 0.0)
    found = past(station, folder, [Wanted(9 << 16, "frequency")], None, START, START + 110 * SECOND, 100)
    assert found["589824.frequency"].time.size == 0


def test_values_at_other_times() -> None:
    time, values = np.array([0, 100, 200]), np.float32([1, 2, 3])
    assert at_times(time, values, np.array([9, 100, 151]), 20).tolist()[:2] == [1, 2]
    assert np.isnan(at_times(time, values, np.array([151]), 20)).all()


def test_of_hours_whose_rows_are_gone_seconds_are_shown(station: Station, folder: Path) -> None:
    since, stop = START + 20 * SECOND, START + 40 * SECOND
    assert not seconds_only(folder, since, stop)
    finish_all(folder)
    now = START + 90 * DAY
    remove(folder, plan(folder, Rules(age=DAY, overviews=365 * DAY), now), now)
    assert seconds_only(folder, since, stop)
    assert not seconds_only(None, since, stop)
    found = past(station, folder, [HERTZ, ANGLE], None, since, stop, 1000)
    assert found[HERTZ.id].time.tolist() == list(range(since, stop, SECOND))
    assert found[HERTZ.id].high is not None
    assert found[HERTZ.id].high[0] == truth(20).max()
    assert found[ANGLE.id].time.size == 0
