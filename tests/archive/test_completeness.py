"""Completeness against a direct count of the rows: finished, live, with gaps, silence, newcomers and leavers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import presence
from archive.completeness import completeness
from archive.finish import finish_all
from archive.layout import SPAN, hour_of
from archive.reading import open_archive
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Aside, Measurements, Table
from tests.archives import NONE, T0, configuration, grid, measurements, minute, seconds

SLOW = Table(1, 1, 1, 1)
"""One row a second: an hour of it is cheap."""
RARE = Table(-60, 1, 1, 1)
"""One a minute: so are days."""
HOUR = hour_of(T0)
SITE = "station: Hub\ndevices:\n"


def site(*links: int) -> str:
    return SITE + "".join(f"  - {{name: L{link}, number: {link}}}\n" for link in links)


def rows(link: int, first: int, count: int, status: int = 0) -> Measurements:
    """Of a device with one row a second, from so many seconds after the hour of T0 on."""
    told = measurements([link] * count, seconds(first, count, HOUR), SLOW)
    return replace(told, status=np.full(count, status, np.uint16))


def rare(link: int, first: int, count: int) -> Measurements:
    """Of one with a row a minute, from so many minutes on."""
    return measurements([link] * count, HOUR + 60 * SECOND * np.arange(first, first + count), RARE)


def write(root: Path, *words: object, text: str = "") -> Path:
    archive = Archive(root)
    if text:
        archive.keep_site(text)
    for word in words:
        archive.take(word)  # type: ignore[arg-type]
    archive.commit(NONE)
    archive.close()
    return root


def test_shares_are_those_of_a_direct_count(tmp_path: Path) -> None:
    words = [rows(1, 600, 3000), rows(1, 3600, 1800), rows(2, 900, 100), rows(2, 1200, 2400), rows(2, 3600, 900)]
    write(tmp_path, configuration(1, SLOW), configuration(2, SLOW, name="B"), *words)
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        found = completeness(tmp_path)
        assert found.devices == ["站 1", "B"]
        assert found.start.tolist() == [HOUR + 600 * SECOND, HOUR + SPAN]
        assert found.stop.tolist() == [HOUR + SPAN, HOUR + SPAN + 1800 * SECOND]
        assert found.expected.tolist() == [[3000, 1800], [2700, 1800]]  # the second one is known from 900 s on
        assert found.archived.tolist() == [[3000, 1800], [2500, 900]]
        np.testing.assert_allclose(found.share, [[1, 1], [2500 / 2700, 0.5]])
        np.testing.assert_allclose(found.of_devices(), [1, 3400 / 4500])
        assert found.whole() == pytest.approx(8200 / 9300)
        with open_archive(tmp_path) as held:
            counted = sum(len(each.time) for each in held.rows())
        assert found.archived.sum() == counted


def test_a_silent_device_is_expected_and_one_that_left_the_site_is_not(tmp_path: Path) -> None:
    both = write(tmp_path / "both", configuration(1, SLOW), configuration(2, SLOW), rows(1, 0, 3 * 3600),
                 rows(2, 0, 1800), text=site(1, 2, 9))  # fmt: skip
    found = completeness(both)
    assert found.expected[1].tolist() == [3600] * 3
    assert found.archived[1].tolist() == [1800, 0, 0]
    assert found.unheard == ["L9"]
    gone = write(tmp_path / "gone", configuration(1, SLOW), configuration(2, SLOW), rows(1, 0, 3600), rows(2, 0, 3600),
                 text=site(1, 2))  # fmt: skip
    finish_all(gone)
    write(gone, rows(1, 3600, 7200), rows(2, 3600, 600), text=site(1))
    assert completeness(gone).expected[1].tolist() == [3600, 600, 0]


def test_one_that_no_site_names_is_forgotten_after_a_week(tmp_path: Path) -> None:
    write(tmp_path, configuration(1, RARE), rare(1, 0, 60), rare(1, 9 * 24 * 60, 10))
    finish_all(tmp_path)
    expected = completeness(tmp_path).expected[0]
    assert expected[: 7 * 24].tolist() == [60] * 7 * 24
    assert not expected[7 * 24 : -1].any()
    assert expected[-1] == 10


def test_one_that_fell_silent_before_the_interval_is_expected_in_it(tmp_path: Path) -> None:
    words = [configuration(1, RARE), configuration(2, RARE), rare(2, 0, 10)]
    write(tmp_path, *words, *(rare(1, 24 * 60 * day, 60) for day in range(4)), rare(1, 90 * 60, 120), text=site(1, 2))
    finish_all(tmp_path)
    found = completeness(tmp_path, HOUR + 90 * SPAN, HOUR + 92 * SPAN)
    assert found.expected.tolist() == [[60, 60]] * 2
    assert found.archived.tolist() == [[60, 60], [0, 0]]


def test_a_station_that_stood_still_is_incomplete_until_now(tmp_path: Path) -> None:
    write(tmp_path, configuration(1, SLOW), rows(1, 0, 3600))
    found = completeness(tmp_path, HOUR, HOUR + 24 * SPAN, now=HOUR + 3 * SPAN)
    assert found.expected.tolist() == [[3600] * 3]
    assert found.whole() == pytest.approx(1 / 3)
    assert completeness(tmp_path, HOUR, HOUR + 24 * SPAN).expected.tolist() == [[3600]]
    later = completeness(tmp_path, HOUR + 5 * SPAN, HOUR + 6 * SPAN, now=HOUR + 9 * SPAN)
    assert (later.expected.tolist(), later.archived.tolist()) == ([[3600]], [[0]])


def test_a_change_of_rate_is_counted_by_both(tmp_path: Path) -> None:
    fast = Table(10, 1, 1, 1)
    begun = measurements([1] * 6000, grid(0, 6000, 10, HOUR), fast)
    write(tmp_path, configuration(1, fast), begun, configuration(1, SLOW, version=2), rows(1, 600, 3000))
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        found = completeness(tmp_path)
        assert (found.expected.tolist(), found.archived.tolist()) == ([[9000]], [[9000]])


def test_bad_late_and_aside_rows_are_told(tmp_path: Path) -> None:
    strange = replace(rows(1, 50, 7), aside=np.full(7, Aside.IMPLAUSIBLE_TIME, np.uint8))
    words = [configuration(1, SLOW), rows(1, 0, 50, 0x8000), rows(1, 50, 30, 0x2000), rows(1, 80, 20, 0x6010), strange]
    told = minute(0, 1)
    write(tmp_path, *words, replace(told, late=np.array([5]), start=HOUR))
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        found = completeness(tmp_path)
        figures = [getattr(found, name).tolist() for name in ("archived", "invalid", "unsynchronised", "aside", "late")]
        assert figures == [[[100]], [[70]], [[50]], [[7]], [[5.0]]]
    shutil.rmtree(tmp_path / "live", ignore_errors=True)


def test_days_are_those_of_a_time_zone(tmp_path: Path) -> None:
    write(tmp_path, configuration(1, SLOW), rows(1, 0, 20 * 3600))  # from 9 h UTC on
    found = completeness(tmp_path)
    here = found.by_day(timezone(timedelta(hours=8)))
    assert here.expected.tolist() == [[7 * 3600, 13 * 3600]]
    assert here.stop[0] == here.start[1] == HOUR + 7 * SPAN
    assert found.by_day().archived.tolist() == [[15 * 3600, 5 * 3600]]
    assert np.isnan(here.late).all()
    assert here.only(np.array([False])).devices == []


def test_nothing_is_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    found = completeness(tmp_path)
    assert (found.devices, found.start.tolist(), found.by_day().devices) == ([], [], [])
    assert np.isnan(found.whole())


@settings(max_examples=6, deadline=None)
@given(
    start=st.integers(0, 3700), long=st.integers(1, 3700),
    gaps=st.lists(st.tuples(st.integers(0, 7000), st.integers(1, 2000)), max_size=3),
)  # fmt: skip
def test_any_interval_counts_the_rows_in_it(tmp_path_factory: pytest.TempPathFactory, start: int, long: int,
                                            gaps: list[tuple[int, int]]) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("archive")
    there = np.ones(7200, bool)
    for at, count in gaps:
        there[at : at + count] = False
    there[0] = True
    status = np.where(np.arange(7200) % 3 == 0, 0x4000, 0).astype(np.uint16)
    times = seconds(0, 7200, HOUR)[there]
    some = replace(measurements([1] * len(times), times, SLOW), status=status[there])
    write(root, configuration(1, SLOW), some)
    inside = slice(start, start + long)
    for finish in (lambda: [], lambda: finish_all(root)):
        finish()
        found = completeness(root, HOUR + start * SECOND, HOUR + (start + long) * SECOND, now=HOUR + 2 * SPAN)
        assert found.archived.sum() == there[inside].sum()
        assert found.invalid.sum() == (there & (status > 0))[inside].sum()
        assert found.expected.sum() == len(there[inside])


def test_a_file_of_another_form_is_counted_by_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, configuration(1, SLOW), rows(1, 0, 50, 0x8000))
    finish_all(tmp_path)
    wanted = completeness(tmp_path)
    monkeypatch.setattr(presence, "_ours", lambda data: False)
    found = completeness(tmp_path)
    assert found.archived.tolist() == wanted.archived.tolist() == [[50]]
    assert found.invalid.tolist() == wanted.invalid.tolist() == [[50]]
