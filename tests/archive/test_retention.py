"""Retention: what goes, in which order; what stays; what is said of it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive import checksums, layout, remains
from archive.disk import Disk
from archive.finish import finish_all, finish_hour
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.retention import DAY, Removal, Rules, plan, protect, protections, release, remove
from archive.shelves import seal_part
from archive.verifying import verify
from archive.writer import Archive
from protocol.clock import SECOND
from tests.archives import NONE, T0, Dying, Killed, configuration, grid, measurements, verdict

HOURS = 5
ALL = (0, 1 << 62)


def hour(back: int) -> int:
    """Start [ns] of the hour so many before that of T0."""
    return layout.hour_of(T0) - back * layout.SPAN


def name(root: Path, back: int) -> str:
    return layout.finished_path(root, hour(back)).relative_to(root).as_posix()


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of that."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five finished hours, the oldest in the first of two days; an event in each of two."""
    path = tmp_path_factory.mktemp("made")
    archive = Archive(path)
    archive.take(configuration(1))
    for back in range(HOURS):
        archive.take(measurements([1] * 200, grid(0, 200, start=hour(back) + 60 * SECOND)))
    for back in (0, 4):
        archive.take(verdict(1, hour(back) + 62 * SECOND))
    archive.commit(NONE)
    archive.write_events(NONE, 0, SECOND, SECOND, everything=True)
    archive.commit(NONE)
    archive.close()
    finish_all(path)
    return path


def late_rows(root: Path, back: int, merged: bool) -> None:
    """A row more for an hour that was finished."""
    archive = Archive(root)
    archive.take(measurements([1], grid(300, 1, start=hour(back))))
    archive.commit(NONE)
    archive.close()
    if merged:
        finish_all(root)


def files(removals: list[Removal]) -> list[str]:
    return [each.file for each in removals]


def test_by_age_whole_hours_go_and_events_stay(root: Path) -> None:
    now = hour(0) + 100 * DAY
    found = plan(root, Rules(age=now - hour(2)), now)
    assert files(found.removals) == [name(root, 4), name(root, 3)]
    assert found.removals[0].why == "older than 100.083 d"
    assert plan(root, Rules(), now).removals == []
    assert len(plan(root, Rules(events=100 * DAY), now).removals) == 1
    assert plan(root, Rules(events=100 * DAY), now).removals[0].why == "event older than 100 d"


def test_by_size_and_free_disk_the_oldest_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {each: path.stat().st_blocks * 512 for each, path in checksums.files(root).items()}
    total = sum(sizes.values())
    found = plan(root, Rules(size=total - sizes[name(root, 4)] - 1), hour(0))
    assert files(found.removals) == [name(root, 4), name(root, 3)]
    assert found.short == 0
    found = plan(root, Rules(size=0), hour(0))
    assert files(found.removals) == [name(root, back) for back in (4, 3, 2, 1, 0)]
    assert found.short == sum(size for each, size in sizes.items() if each.startswith("events/"))
    monkeypatch.setattr("archive.retention._too_full", lambda root, rules, free: 1)
    assert files(plan(root, Rules(free=0.1), hour(0)).removals) == [name(root, 4)]


def test_what_is_protected_stays(root: Path) -> None:
    made = protect(root, hour(4) + SECOND, hour(4) + 2 * SECOND, "inquiry 7", hour(0))
    assert protections(root) == [made]
    now = hour(0) + DAY
    found = plan(root, Rules(age=SECOND, events=SECOND), now)
    assert name(root, 4) not in files(found.removals)
    assert len(found.removals) == HOURS - 1 + 2
    assert found.kept == {"protected": 1}
    short = plan(root, Rules(size=0), now)
    assert short.short > 0
    release(root, made.number, now)
    assert name(root, 4) in files(plan(root, Rules(age=SECOND), now).removals)
    assert protect(root, 1, 2, "again", now).number == made.number + 1
    with pytest.raises(ArchiveError, match="nothing is protected under number 1; there are 2"):
        release(root, 1, now)
    with pytest.raises(ArchiveError, match="exchange"):
        protect(root, 2, 1, "wrong", now)


def test_what_has_no_copy_stays_if_it_is_to(root: Path) -> None:
    now = hour(0) + DAY
    rules = Rules(age=SECOND, after_backup=True)
    assert plan(root, rules, now).kept == {"not backed up yet": HOURS}
    checksums.append(root / checksums.NAME, [{"file": name(root, 3), "backup": now, "to": "x"}], Dying(99))
    assert files(plan(root, rules, now).removals) == [name(root, 3)]
    assert len(plan(root, replace(rules, after_backup=False), now).removals) == HOURS


def test_an_hour_whose_rows_still_come_stays(root: Path) -> None:
    archive = Archive(root)
    archive.take(measurements([1], grid(300, 1, start=hour(4))))
    archive.commit(NONE)
    archive.close()
    assert name(root, 4) not in files(plan(root, Rules(age=SECOND), hour(0) + DAY).removals)


def test_what_was_removed_is_said_and_not_missed(root: Path) -> None:
    now = hour(0) + 100 * DAY
    planned = plan(root, Rules(age=now - hour(2)), now)
    remove(root, planned, now)
    assert sorted(layout.finished_hours(root)) == [hour(2), hour(1), hour(0)]
    found = verify(root, *ALL)
    assert (found.findings, found.removed) == ([], 2)
    with open_archive(root, hour(4), hour(2)) as held:
        assert [(each.file, each.removed, each.why) for each in held.removed] == [
            (name(root, back), now, "older than 100.083 d") for back in (4, 3)
        ]
        assert "2 files of that time removed by retention, last on 2026-08-11: old" in checksums.told(held.removed)
    with open_archive(root, hour(2)) as held:
        assert held.removed == []
    assert plan(root, Rules(age=now - hour(2)), now).removals == []


def test_what_may_not_go_any_more_when_somebody_said_yes_stays(root: Path) -> None:
    """Between a plan and its deed a person is asked, who may take an hour."""
    now = hour(0) + DAY
    planned = plan(root, Rules(age=SECOND), now)
    protect(root, hour(4), hour(3), "inquiry 7", now)
    late_rows(root, 2, False)
    done = remove(root, planned, now)
    assert files(done.removals) == [name(root, back) for back in (3, 1, 0)]
    assert done.kept == {"protected": 1, "rows of this hour are still coming": 1}
    assert done.free == planned.free - sum(each.freed for each in planned.removals if each not in done.removals)
    assert sorted(layout.finished_hours(root)) == [hour(4), hour(2)]
    assert verify(root, *ALL).findings == []


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (lambda root: protect(root, hour(4), hour(3), "inquiry 7", 1), "protected"),
        (lambda root: late_rows(root, 4, False), "rows of this hour are still coming"),
        (lambda root: late_rows(root, 4, True), "made anew meanwhile"),
    ],
    ids=["protected", "late", "merged"],
)
def test_what_happens_while_an_overview_is_made_counts(
    root: Path, meanwhile: Callable[[Path], None], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave, now = remains.leave, hour(0) + DAY

    def left(*told: Any) -> Path:
        monkeypatch.setattr(remains, "leave", leave)
        made = leave(*told)
        meanwhile(root)
        return made

    monkeypatch.setattr(remains, "leave", left)
    done = remove(root, plan(root, Rules(age=SECOND, overviews=1000 * DAY), now), now)
    assert (files(done.removals), done.kept) == ([name(root, back) for back in (3, 2, 1, 0)], {why: 1})
    if why == "made anew meanwhile":
        with open_archive(root, hour(4), hour(3)) as held:
            assert sum(len(rows.time) for rows in held.rows()) == 201
    assert verify(root, *ALL).findings == []


class Watched(Disk):
    """Tells of each step whether others who decide about files would have to wait."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.alone: list[tuple[str, bool]] = []

    def remove(self, path: Path) -> None:
        self._look("remove")
        super().remove(path)

    def replace(self, temporary: Path, path: Path) -> None:
        self._look("replace")
        super().replace(temporary, path)

    def sync(self, fd: int) -> None:
        self._look("sync")
        super().sync(fd)

    def _look(self, step: str) -> None:
        with (self.root / checksums.NAME).open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.alone.append((step, True))
            else:
                self.alone.append((step, False))


def test_who_decides_about_files_is_alone(root: Path) -> None:
    """Else a span may be protected, or late rows merged, between the last look at a file and its end."""
    now, disk = hour(0) + DAY, Watched(root)
    remove(root, plan(root, Rules(age=now - hour(3)), now), now, disk)
    assert disk.alone == [("sync", True), ("remove", True)]
    disk.alone.clear()
    protect(root, hour(2), hour(1), "inquiry 7", now, disk)
    assert disk.alone == [("sync", True)]
    late_rows(root, 2, False)
    seal_part(next(layout.live_folder(root, hour(2)).glob(f"*{layout.PART}")))
    disk.alone.clear()
    finish_hour(root, hour(2), disk)
    assert [alone for step, alone in disk.alone if step == "replace"] == [True]


def test_a_file_that_was_made_anew_since_the_plan_waits_for_its_backup(root: Path) -> None:
    now = hour(0) + DAY
    said = [{"file": name(root, back), "backup": now, "to": "b"} for back in (4, 3)]
    checksums.append(root / checksums.NAME, said, Disk())
    planned = plan(root, Rules(age=SECOND, after_backup=True), now)
    assert files(planned.removals) == [name(root, 4), name(root, 3)]
    late_rows(root, 4, True)
    assert files(remove(root, planned, now).removals) == [name(root, 3)]


def test_rows_that_come_for_a_removed_hour_make_a_file_anew(root: Path) -> None:
    remove(root, plan(root, Rules(age=SECOND), hour(0) + DAY), hour(0) + DAY)
    assert not (root / "2026").exists()
    late_rows(root, 4, True)
    assert verify(root, *ALL).findings == []
    assert not checksums.read(root)[name(root, 4)].removed


@pytest.mark.parametrize("at", range(1, 6))
def test_killed_at_any_step_nothing_is_missing(root: Path, at: int) -> None:
    now = hour(0) + DAY
    with pytest.raises(Killed):
        remove(root, plan(root, Rules(age=SECOND), now), now, Dying(at))
    assert verify(root, *ALL).findings == []
    remove(root, plan(root, Rules(age=SECOND), now), now)
    assert layout.finished_hours(root) == {}
    assert verify(root, *ALL).removed == HOURS
