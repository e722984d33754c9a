"""Suspicious verdicts become events with their raw data, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
import xarray

from archive.events import list_events
from archive.writer import Archive
from protocol.clock import SECOND, Now
from protocol.messages import Table
from tests.archives import SMALL, T0, configuration, grid, measurements, verdict

BEFORE, AFTER, SETTLE = 10 * SECOND, 20 * SECOND, 15 * SECOND
OTHER = Table(60, 0, 0, 0)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Two devices of one table and one of another, forty seconds of data."""
    opened = Archive(tmp_path, "station: North\n")
    for link in (1, 2):
        opened.take(configuration(link))
    opened.take(configuration(3, OTHER))
    for link in (1, 2):
        opened.take(measurements([link] * 2000, grid(0, 2000)))
    opened.take(measurements([3] * 60, grid(0, 60, 60), OTHER))
    opened.commit(Now(0, 0))
    yield opened
    with suppress(OSError):  # a test closed it
        opened.close()


def at(second: float) -> Now:
    return Now(int(second * SECOND), 0)


def test_onsets_within_five_seconds_are_one_event(archive: Archive) -> None:
    onset = T0 + 15 * SECOND
    archive.take(verdict(1, onset))
    archive.take(verdict(2, onset + 3 * SECOND, score=9.0))
    archive.commit(at(100))
    assert archive.write_events(at(114.9), SETTLE, BEFORE, AFTER) == []
    (path,) = archive.write_events(at(115), SETTLE, BEFORE, AFTER)
    assert path.name.startswith("20260503T092015.000Z_")
    assert archive.write_events(at(300), SETTLE, BEFORE, AFTER) == []
    (event,) = list_events(archive.root)
    assert (event.onset, event.devices, event.score, event.files) == (onset, ["站 1", "站 2"], 9.0, [str(path)])
    assert event.details == {"limit_mhz": 0.5}
    with h5py.File(path) as file:
        assert sorted(file) == ["merged", SMALL.name, "site", "verdicts"]
        times = file[SMALL.name]["time"][:]
        assert (times[0], times[-1]) == (onset - BEFORE, onset + AFTER - SECOND // 50)
        assert file[SMALL.name]["present"][:].all()
        assert len(json.loads(file["verdicts"].asstr()[()])) == 2
    with xarray.open_dataset(path, engine="h5netcdf", group=SMALL.name) as data:
        assert data["values"].shape == (2, SMALL.channels, 1500)


def test_an_event_waits_for_the_data_after_it(archive: Archive) -> None:
    archive.take(verdict(1, T0 + 35 * SECOND))
    archive.commit(at(0))
    assert archive.write_events(at(20), SETTLE, BEFORE, AFTER) == []
    archive.take(measurements([1], [T0 + 55 * SECOND]))
    archive.commit(at(21))
    assert len(archive.write_events(at(21), SETTLE, BEFORE, AFTER)) == 1


def test_but_not_for_ever(archive: Archive) -> None:
    archive.take(verdict(1, T0 + 35 * SECOND))
    archive.commit(at(0))
    assert len(archive.write_events(at(35), SETTLE, BEFORE, AFTER)) == 1


def test_at_the_end_all_are_written(archive: Archive) -> None:
    for second in (10, 12, 30):
        archive.take(verdict(1, T0 + second * SECOND))
    archive.commit(at(0))
    assert len(archive.write_events(at(0), SETTLE, BEFORE, AFTER, everything=True)) == 2
    assert [event.onset for event in list_events(archive.root)] == [T0 + 10 * SECOND, T0 + 30 * SECOND]


def test_a_late_verdict_joins_its_event_without_changing_a_file(archive: Archive) -> None:
    archive.take(verdict(1, T0 + 10 * SECOND))
    archive.commit(at(0))
    (first,) = archive.write_events(at(50), SETTLE, BEFORE, AFTER)
    before = first.read_bytes()
    archive.take(verdict(2, T0 + 11 * SECOND))
    archive.commit(at(50))
    archive.write_events(at(99), SETTLE, BEFORE, AFTER)
    assert first.read_bytes() == before
    (event,) = list_events(archive.root)
    assert event.devices == ["站 1", "站 2"]
    assert len(event.files) == 2


def test_a_verdict_that_comes_again_changes_nothing(archive: Archive) -> None:
    """Its trigger was started anew and had its recent windows judged once more, one by one."""
    onset = T0 + 10 * SECOND
    for link in (1, 2):
        archive.take(verdict(link, onset + link))
    archive.commit(at(0))
    (path,) = archive.write_events(at(100), SETTLE, BEFORE, AFTER)
    archive.commit(at(100))
    (archive.root / "events" / "notes.h5").write_text("no event")
    (archive.root / "events" / f"{path.name.partition('_')[0]}_damaged.h5").write_text("no event")
    for second, link in ((101, 1), (140, 2)):
        archive.take(verdict(link, onset + link, lease=77, worker="prejudge.2"))
        archive.commit(at(second))
        assert archive.open_events.pending.verdicts == {}
        assert archive.write_events(at(second + 30), SETTLE, BEFORE, AFTER) == []
    archive.take(verdict(1, onset + 1, version=2))
    archive.commit(at(200))
    assert len(archive.write_events(at(300), SETTLE, BEFORE, AFTER)) == 1


def test_what_is_not_suspicious_is_none(archive: Archive) -> None:
    archive.take(verdict(1, T0, suspicious=False))
    archive.take(verdict(1, T0, outcome="failed"))
    archive.commit(at(0))
    assert archive.write_events(at(0), SETTLE, BEFORE, AFTER, everything=True) == []


def test_pending_events_survive_a_restart(archive: Archive) -> None:
    archive.take(verdict(1, T0 + 10 * SECOND, node="windows", epoch=1, number=0))
    archive.commit(at(0))
    archive.close()
    again = Archive(archive.root)
    assert again.take(verdict(1, T0 + 10 * SECOND, node="windows", epoch=1, number=0)) is False
    assert len(again.write_events(at(0), SETTLE, BEFORE, AFTER, everything=True)) == 1
    again.commit(at(0))
    assert again.open_events.pending.verdicts == {}
    again.close()
    assert len(list_events(again.root)) == 1


def test_no_data_there_is_no_fault(archive: Archive) -> None:
    archive.take(verdict(1, T0 + 86400 * SECOND))
    archive.commit(at(0))
    (path,) = archive.write_events(at(0), SETTLE, BEFORE, AFTER, everything=True)
    with h5py.File(path) as file:
        assert sorted(file) == ["merged", "site", "verdicts"]
