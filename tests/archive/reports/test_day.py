"""What a report tells of a day, against direct computations from the rows."""

from __future__ import annotations

import shutil
from datetime import UTC, date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from archive import layout
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.layout import SPAN
from archive.reading import open_archive
from archive.reports.day import Day, day, span_of
from archive.retention import DAY, Rules, plan, remove
from archive.watermark import committed
from archive.writer import Archive
from protocol.clock import SECOND
from tests import archives as makers
from tests import reporting
from tests.reporting import START


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reporting.fill(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def told(root: Path) -> Day:
    return reporting.gathered(root)


def test_frequencies_are_medians_of_the_devices(root: Path, told: Day) -> None:
    assert list(told.frequencies) == ["", "north", "south"]
    values = np.full((4, 3 * 3600), np.nan)
    with open_archive(root) as found:
        for row, name in enumerate(reporting.NAMES[:4]):
            time, hertz = found.get(name, "frequency")
            values[row, (time - START) // SECOND] = hertz
    known = np.isfinite(values).any(axis=0)
    assert known.all()
    np.testing.assert_allclose(told.frequencies[""].mean, np.nanmedian(values, axis=0), atol=1e-5)
    np.testing.assert_allclose(told.frequencies["south"].mean, np.nanmedian(values[[0, 2]], axis=0), atol=1e-5)
    assert told.frequencies["north"].devices == 2
    whole = told.qualities[""]
    assert whole.lowest == pytest.approx(np.nanmin(np.nanmedian(values, axis=0)), abs=1e-5)
    assert (whole.known, whole.worst(1)) == (10_800, [1])


def test_voltages_have_range_unbalance_and_distortion(told: Day) -> None:
    first, *others = told.voltages.values()
    with_one_percent_more_in_a = 100 * 0.01 / 3 / (1 + 0.01 / 3)
    np.testing.assert_allclose(first.unbalance.means, [with_one_percent_more_in_a] * 18, rtol=1e-4)
    assert first.unbalance.seconds == 10_800
    assert first.distortion in first.distortions.values()
    np.testing.assert_allclose(first.distortion.means, [100 * np.hypot(1000, 500) / 63_500] * 3, rtol=1e-5)
    assert first.distortion.seconds == 180  # a minute of each hour is there
    assert not any(each.distortions for each in others)
    assert others[0].unbalance.seconds == 10_760  # without its silence
    seconds = np.arange(3 * 3600)
    volts = 63_500 * 1.01 * (1 + 0.01 * np.sin(seconds / 7000))
    np.testing.assert_allclose([first.lowest, first.mean, first.highest], [volts.min(), volts.mean(), volts.max()],
                               rtol=1e-6)  # fmt: skip
    assert (first.channel, first.seconds) == ("VA", 10_800)


def test_at_a_glance_a_minute_of_each_hour_counts(root: Path, told: Day) -> None:
    found = reporting.gathered(root, whole=False)
    for number, each in found.voltages.items():
        assert each.highest == told.voltages[number].highest
        assert each.unbalance.seconds in (120, 180)  # the last one was silent all of the last hour
        assert each.unbalance.mean == pytest.approx(told.voltages[number].unbalance.mean, rel=1e-4)


def test_devices_are_silent_where_rows_are_missing(told: Day) -> None:
    """The third one came later: it was not silent before. The fourth one goes on being silent over two hours."""
    by_name = dict(zip(told.completeness.devices, told.health, strict=True))

    def spans(name: str) -> list[tuple[float, float]]:
        return [((low - START) / SECOND, (high - START) / SECOND) for low, high in by_name[name].silent]

    assert spans("Lakeside") == []
    assert spans("Wind Farm North") == [(4600, 4640)]
    assert spans(reporting.ODD) == []
    assert spans("Solar Park East") == [(5400, 10_800)]


def test_flags_minutes_and_books_are_summed_up(told: Day) -> None:
    by_name = dict(zip(told.completeness.devices, told.health, strict=True))
    assert by_name["Wind Farm North"].flags == {"frozen": (2, 40.0)}
    assert by_name["Lakeside"].flags == {"clock_offset": (1, 600.0)}
    counts = by_name["Lakeside"].counts
    assert (counts["late"], counts["rejected"], counts["duplicate"]) == (6, 12, 0)
    assert (by_name["Lakeside"].latency_mean, by_name["Lakeside"].latency_p99) == (20.0, 60.0)
    assert by_name["Lakeside"].lost == {"corrupt": 0, "refused": 0, "lost": 0}
    lakeside = told.completeness.devices.index("Lakeside")
    assert told.completeness.aside[lakeside].sum() == 5
    assert told.completeness.late[lakeside].sum() == 6


def test_events_and_the_station(root: Path, told: Day) -> None:
    assert [(event.kind, event.id[:15]) for event in told.events] == [("gen_trip", "20260503T012320")]
    assert told.rejected == 1
    assert told.title == "North Hub"
    assert told.station.restarts == [(START + SPAN, "align")]
    before = layout.finished_path(root, START - SPAN).stat().st_blocks * 512
    assert told.station.day_bytes == told.station.archive_bytes - before > 0
    assert told.completeness.unheard == ["L99"]


def test_alarms_are_counted_from_their_changes(told: Day) -> None:
    found = told.alarms
    assert found is not None
    assert found.raised == 13  # without that of the day before, and what was shelved
    by_subject = {each.subject: each for each in found.limits}
    assert [each.subject for each in found.limits] == ["Wind Farm North", reporting.ODD, "Lakeside", "Harbour"]
    assert (by_subject["Wind Farm North"].raised, by_subject["Wind Farm North"].seconds) == (12, 60.0)
    assert (by_subject[reporting.ODD].severity, by_subject[reporting.ODD].seconds) == ("critical", 290.0)
    assert (by_subject["Harbour"].raised, by_subject["Harbour"].silent, by_subject["Harbour"].seconds) == (0, 1, 10.0)
    assert (by_subject["Lakeside"].raised, by_subject["Lakeside"].seconds) == (0, 10_800.0)
    longest, second, *_ = found.standing
    assert (longest.subject, longest.stop, longest.seconds, longest.user) == ("Lakeside", None, 14_400.0, "li")
    assert (longest.state, second.subject) == ("acknowledged", reporting.ODD)
    assert [(each.subject, each.state) for each in found.unacknowledged] == [
        (reporting.ODD, "returned"), ("Wind Farm North", "returned"),
    ]  # fmt: skip
    [flood] = found.floods
    assert (flood.start, flood.stop) == (START + 4000 * SECOND, START + 4220 * SECOND)
    assert (flood.raised, flood.most, flood.worst) == (12, 12, "Wind Farm North: Frequency")


def test_an_alarm_that_came_too_long_ago_to_be_found_may_go(tmp_path: Path) -> None:
    """Only its going is within the month that is looked at."""
    archive = Archive(tmp_path)
    came = START - 40 * DAY
    gone = {"raised": came, "cleared": START + 60 * SECOND}
    archive.take(reporting.alarm("0001", "cleared", "returned", 60, 0, **gone))
    archive.take(reporting.alarm("0001", "acknowledged", "normal", 90, 1, user="li", **gone))
    archive.take(reporting.alarm("0002", "raised", "unacknowledged", 120, 2, subject="Harbour"))
    archive.commit(makers.NONE)
    archive.close()
    found = reporting.gathered(tmp_path).alarms
    assert found is not None
    assert [each.subject for each in found.standing] == ["Harbour"]
    assert (found.raised, [each.subject for each in found.limits]) == (1, ["Harbour"])


def test_live_and_finished_tell_the_same(tmp_path: Path) -> None:
    def hour(path: Path) -> Path:
        archive = Archive(path)
        archive.take(makers.configuration(1, reporting.TABLE, name="A", phasors=["VA", "VB", "VC"]))
        archive.take(reporting.rows(1, START, (np.arange(3600) < 900) | (np.arange(3600) > 950)))
        archive.commit(makers.NONE)
        archive.close()
        return path

    live, done = hour(tmp_path / "live"), hour(tmp_path / "done")
    finish_all(done)
    both = [reporting.gathered(path, 1) for path in (live, done)]
    assert both[0].health == both[1].health
    assert both[0].health[0].silent == [(START + 900 * SECOND, START + 951 * SECOND)]
    [live_volts], [done_volts] = (list(each.voltages.values()) for each in both)
    assert (live_volts.mean, live_volts.unbalance.mean) == (done_volts.mean, done_volts.unbalance.mean)
    assert live_volts.unbalance.seconds == 3549
    np.testing.assert_array_equal(both[0].frequencies[""].mean, both[1].frequencies[""].mean)


def test_a_day_without_anything(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.close()
    found = reporting.gathered(tmp_path, 24)
    assert (found.completeness.devices, found.events, found.voltages) == ([], [], {})
    assert found.qualities[""].known == 0
    assert found.alarms is None
    assert committed(tmp_path / "nowhere") == {}
    with pytest.raises(ArchiveError, match="still to come"):
        day(tmp_path, (START, START + SPAN), now=START, zone=UTC)


def test_of_hours_whose_rows_are_gone_there_is_what_is_left(root: Path, told: Day, tmp_path: Path) -> None:
    left = tmp_path / "left"
    shutil.copytree(root, left)
    now = START + 100 * DAY
    remove(left, plan(left, Rules(age=DAY, overviews=365 * DAY), now), now)
    found = reporting.gathered(left)
    assert found.alarms == told.alarms
    for number, each in found.voltages.items():
        before = told.voltages[number]
        assert (each.lowest, each.highest, each.seconds) == (before.lowest, before.highest, before.seconds)
        assert each.unbalance.seconds == 0
    np.testing.assert_allclose(found.frequencies[""].mean, told.frequencies[""].mean)
    assert len(found.completeness.removed) == 3
    assert not any(each.silent for each in found.health)


def test_a_day_is_that_of_its_zone() -> None:
    start, end = span_of(date(2026, 5, 3), ZoneInfo("Asia/Shanghai"))
    assert (start - START, end - start) == (-8 * SPAN, 24 * SPAN)
    start, end = span_of(date(2026, 3, 29), ZoneInfo("Europe/Berlin"))
    assert end - start == 23 * SPAN
