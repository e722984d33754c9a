"""What is on disk, remembered for a while."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from archive import layout
from console.storage import Disk, Remembered, Room, room
from tests.doors import Clock


def test_it_is_looked_at_once_in_a_while() -> None:
    clock, looked = Clock(), []

    def find() -> int:
        looked.append(clock())
        return len(looked)

    remembered = Remembered(find, clock, 60.0)
    assert [remembered.now(), remembered.now()] == [1, 1]
    clock.go(61)
    assert remembered.now() == 2


def test_what_fails_is_tried_again() -> None:
    faults = [OSError("away")]

    def find() -> int:
        if faults:
            raise faults.pop()
        return 7

    remembered = Remembered(find, Clock())
    with pytest.raises(OSError, match="away"):
        remembered.now()
    assert remembered.now() == 7


def test_growth_is_that_of_finished_hours(tmp_path: Path) -> None:
    archive, journal = tmp_path / "archive", tmp_path / "journal"
    (journal / "align").mkdir(parents=True)
    (journal / "align" / "1.seg").write_bytes(b"x" * 5000)
    for hour in range(2):
        path = layout.finished_path(archive, (1_800_000_000 // 3600 + hour) * layout.SPAN)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 8192)
    found = room(archive, journal)
    assert [(each.what, each.files) for each in found.disks] == [("archive", 2), ("journal", 1)]
    assert found.growth == pytest.approx(24 * 8192)
    assert found.days == pytest.approx(found.disks[0].free / found.growth)


def test_without_an_archive_nothing_is_known() -> None:
    assert math.isnan(room(None, None).days)
    disk = Disk("archive", Path("/"), 1, 1, 100, 200)
    assert math.isnan(Room((disk,), math.nan).days)
