"""Overviews that outlive the rows of their hours: what they keep, who reads them, and what becomes of late rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from archive import checksums, layout
from archive.alarms import changes
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.remains import leave, stays
from archive.retention import DAY, NO_OVERVIEW, Rules, plan, protect, remove
from archive.verifying import verify
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests import thorough
from tests.archives import NONE, T0, Dying, Killed, alarm, configuration, grid, measurements, spectra, spectrum, verdict

HOUR = layout.hour_of(T0)
SLOW = Table(-5, 0, 1, 0)
ALL = (0, 1 << 62)
ASKED = [("站 1", "frequency"), ("站 1", "magnitude"), ("站 2", "rocof"), ("站 3", "analog")]
NOW = HOUR + 100 * DAY
RULES = Rules(age=50 * DAY, overviews=200 * DAY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished hours of three stations, one of them slow; harmonics; a verdict, a change of an alarm."""
    path = tmp_path_factory.mktemp("made")
    with_more = [configuration(1), configuration(2), configuration(3, SLOW)]
    harmonics = spectrum(with_more[0], Table(1, 1, 0, 0, orders=2), [1, 5])
    archive = Archive(path, "station: s\n")
    for each in [*with_more, harmonics]:
        archive.take(each)
    for at in (0, -3600):
        start = T0 + at * SECOND
        archive.take(measurements([1] * 330, grid(20, 330, start=start)))
        archive.take(measurements([2] * 120, grid(55, 120, start=start)))
        archive.take(measurements([3] * 3, [start + 5 * SECOND * k for k in range(3)], SLOW))
        archive.take(spectra(harmonics, [start + SECOND]))
    archive.take(verdict(1, T0 + 2 * SECOND))
    archive.take(alarm("raised", 1))
    archive.commit(NONE)
    archive.close()
    finish_all(path)
    return path


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of that."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def told(root: Path, start: int = HOUR - layout.SPAN, end: int = HOUR + layout.SPAN) -> list[list[np.ndarray]]:
    """Seconds of all that is asked."""
    with open_archive(root, start, end) as found:
        each = [found.overview(*asked) for asked in ASKED]
    return [[one.time, one.minimum, one.mean, one.maximum, one.count] for one in each]


def same(one: list[list[np.ndarray]], other: list[list[np.ndarray]]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def late(root: Path, count: int = 30) -> None:
    """Rows of the later hour that come when it is over, in a file of its own if there is none."""
    archive = Archive(root)
    archive.take(measurements([1] * count, grid(350, count)))
    archive.commit(NONE)
    archive.close()
    finish_all(root)


def test_seconds_stay_when_rows_go(root: Path) -> None:
    before = told(root)
    assert [len(each[0]) for each in before] == [14, 14, 6, 6]
    rules = Rules(age=50 * DAY, overviews=200 * DAY)
    planned = plan(root, rules, NOW)
    assert [each.hour for each in planned.removals] == [HOUR - layout.SPAN, HOUR]
    assert all(0 < each.left < each.bytes for each in planned.removals)
    remove(root, planned, NOW)
    assert layout.finished_hours(root) == {}
    assert list(layout.overview_hours(root)) == [HOUR - layout.SPAN, HOUR]
    same(told(root), before)
    assert plan(root, rules, NOW).removals == []
    assert (verify(root, *ALL).findings, verify(root, *ALL).removed) == ([], 2)


def test_readers_say_what_is_left(root: Path) -> None:
    remove(root, plan(root, RULES, NOW), NOW)
    with open_archive(root, HOUR, HOUR + layout.SPAN) as found:
        assert sorted(found.devices) == ["站 1", "站 2", "站 3"]
        assert (found.hours, found.overview_hours) == ([], [HOUR])
        assert len(found.get("站 1", "frequency")[0]) == 0
        text = checksums.told(found.removed)
        assert text == ("1 file of that time removed by retention, last on 2026-08-11: older than 50 d; "
                        "of 1 hour an overview by seconds is left")  # fmt: skip
        assert len(found.verdicts()["start"]) == 1
        assert found.alarms()["change"].tolist() == ["raised"]
        pieces = list(found.overviews(600 * SECOND, "站 1", "frequency"))
    assert sum(len(each.time) for each in pieces) == 7
    with open_archive(root) as found, pytest.raises(ArchiveError, match="no station 'nobody'"):
        found.overview("nobody", "frequency")


def test_plain_readers_open_it(root: Path) -> None:
    remove(root, plan(root, RULES, NOW), NOW)
    path = layout.overview_path(root, HOUR)
    with xarray.open_dataset(path, engine="h5netcdf", group="rate50_ph1_an1_dg1/overview") as data:
        assert data["values"].sel(device="站 1", channel="frequency", statistic="mean").shape == (7,)
    with h5py.File(path) as file:
        names = {name for name in file if layout.table_of(name)}
        assert names == {"rate50_ph1_an1_dg1", SLOW.name}  # none of spectra
        assert "values" not in file["rate50_ph1_an1_dg1"]
        assert "station: s" in str(file["site"].asstr()[()])
        assert (np.diff(file[f"{SLOW.name}/overview/time"][:]) == 5 * SECOND).all()


def test_an_overview_goes_by_its_own_age(root: Path) -> None:
    remove(root, plan(root, RULES, NOW), NOW)
    later = HOUR + 300 * DAY
    assert [each.why for each in plan(root, RULES, later).removals] == ["overview older than 200 d"] * 2
    assert plan(root, replace(RULES, overviews=None), later).removals == []  # nobody said that they go
    kept = protect(root, HOUR + SECOND, HOUR + 2 * SECOND, "inquiry", NOW)
    assert len(plan(root, RULES, later).removals) == kept.number
    remove(root, plan(root, RULES, later), later)
    assert list(layout.overview_hours(root)) == [HOUR]
    with open_archive(root) as found:
        assert "of 1 hour an overview" in checksums.told(found.removed)


def test_without_the_rule_nothing_is_left(root: Path) -> None:
    remove(root, plan(root, Rules(age=50 * DAY), NOW), NOW)
    assert layout.overview_hours(root) == {}
    old = HOUR + 300 * DAY
    late(root)
    assert [each.left for each in plan(root, RULES, old).removals] == [0]  # older than an overview may be


def test_for_room_rows_go_before_overviews(root: Path) -> None:
    files = checksums.files(root)
    sizes = {name: path.stat().st_blocks * 512 for name, path in files.items()}
    rules = Rules(size=sum(sizes.values()) - 1, overviews=200 * DAY)
    planned = plan(root, rules, NOW)
    assert [each.hour for each in planned.removals] == [HOUR - layout.SPAN]
    remove(root, planned, NOW)
    planned = plan(root, Rules(size=0, overviews=200 * DAY), NOW)
    names = [Path(each.file).name.split("_")[0] for each in planned.removals]
    assert sorted(names) == ["overview", "syms"]
    assert [each.left for each in planned.removals] == [0, 0]  # not even they have room
    assert planned.short == 0


def test_late_rows_and_what_was_left_are_told_together(root: Path) -> None:
    whole = root.with_name("whole")
    shutil.copytree(root, whole)
    late(whole)
    expected = told(whole)
    remove(root, plan(root, RULES, NOW), NOW)
    late(root)
    assert list(layout.finished_hours(root)) == [HOUR]
    near(told(root), expected)
    remove(root, plan(root, RULES, NOW), NOW)
    assert layout.finished_hours(root) == {}
    near(told(root), expected)
    assert len(changes(root, HOUR, HOUR + layout.SPAN)["id"]) == 1
    late(root)  # once more, as from a device that sends all again
    assert told(root)[0][4][-1] == 2 * expected[0][4][-1]  # nobody can tell such rows from others any more


def near(ours: list[list[np.ndarray]], theirs: list[list[np.ndarray]]) -> None:
    """A mean of two means is near that of the rows; all else is the same."""
    for one, other in zip(ours, theirs, strict=True):
        for at in (0, 1, 3, 4):
            np.testing.assert_array_equal(one[at], other[at])
        assert (np.abs(one[2] - other[2]) <= (other[3] - other[1]) / 128 + 1e-6 * np.abs(other[2])).all()


def test_an_hour_of_which_none_can_be_made_stays_and_others_go(root: Path) -> None:
    """A damaged file stops nothing, and is not lost before somebody has looked at it."""
    first = layout.finished_path(root, HOUR - layout.SPAN)
    first.write_bytes(first.read_bytes()[:300])
    for rules in (RULES, Rules(size=0, overviews=200 * DAY)):
        planned = plan(root, rules, NOW)
        assert [each.file for each in planned.removals] == [
            layout.finished_path(root, HOUR).relative_to(root).as_posix()
        ]
        assert planned.kept == {NO_OVERVIEW: 1}
        [trouble] = planned.troubles
        assert trouble.startswith(first.relative_to(root).as_posix())
    remove(root, plan(root, RULES, NOW), NOW)
    assert first.exists()
    assert (list(layout.finished_hours(root)), list(layout.overview_hours(root))) == ([HOUR - layout.SPAN], [HOUR])


def test_a_disk_that_takes_no_overview_keeps_the_hour(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(root, RULES, NOW)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("archive.remains.put_index", full)
        done = remove(root, planned, NOW)
    assert (done.removals, done.kept, len(done.troubles)) == ([], {NO_OVERVIEW: 2}, 2)
    assert len(layout.finished_hours(root)) == 2
    assert not list(root.rglob("*.tmp"))
    remove(root, planned, NOW)
    assert len(remove(root, planned, NOW).removals) == 2  # somebody was faster
    with open_archive(root) as found:
        assert "of 2 hours an overview" in checksums.told(found.removed)


@pytest.mark.parametrize("at", range(1, 15, thorough.of(3, 1)))
def test_killed_at_any_step_each_second_is_told_once(root: Path, at: int) -> None:
    before = told(root)
    with pytest.raises(Killed):
        remove(root, plan(root, RULES, NOW), NOW, Dying(at))
    same(told(root), before)
    assert verify(root, *ALL).findings == []
    remove(root, plan(root, RULES, NOW), NOW)
    same(told(root), before)
    assert layout.finished_hours(root) == {}


def test_files_of_releases_without_overviews_leave_one(root: Path, tmp_path: Path) -> None:
    before = told(root)
    for path in layout.finished_hours(root).values():
        with h5py.File(path, "r+") as file:
            del file["tables"], file["rate50_ph1_an1_dg1/overview"]
            file.attrs["format"] = 2
    for hour in layout.finished_hours(root):
        leave(root, hour, Dying(99))
        layout.finished_path(root, hour).unlink()
    same(told(root), before)


def test_what_is_left_takes_about_what_is_said(root: Path) -> None:
    [said, _] = [stays(path) for path in layout.finished_hours(root).values()]
    left = leave(root, HOUR, Dying(99)).stat().st_size
    assert said / 4 < left < said * 4
