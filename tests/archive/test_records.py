"""What event triggers say becomes an event's file: once, whole, whoever is killed meanwhile."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from archive.events import Remembered, list_events
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.records import Looked, read_event
from archive.sources import open_finished
from archive.waiting import UNFINISHED
from archive.writer import Archive
from protocol.clock import SECOND, Now
from protocol.messages import device_number
from tests.archives import SMALL, T0, Dying, Killed, configuration, event, grid, measurements, verdict

BEFORE, AFTER, SETTLE = 10 * SECOND, 20 * SECOND, 15 * SECOND
ONSET = T0 + 20 * SECOND
JUDGED = {"windows", "suspects"}


def at(second: float) -> Now:
    return Now(int(second * SECOND), 0)


def opened(root: Path, **more: Any) -> Archive:
    """Three devices, of which the third is not looked at, with a hundred seconds of data."""
    archive = Archive(root, "station: North\n", judged=JUDGED, **more)
    for link in (1, 2, 3):
        archive.take(configuration(link))
        archive.take(measurements([link] * 5000, grid(0, 5000)))
    archive.commit(at(0))
    return archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = opened(tmp_path)
    yield archive
    with suppress(OSError):  # a test closed it
        archive.close()


def say(archive: Archive, second: float, *answers: int, **more: Any) -> None:
    for answer in answers:
        archive.take(event(ONSET, answer=answer, **more))
    archive.commit(at(second))


def write(archive: Archive, second: float, everything: bool = False) -> list[Path]:
    files = archive.write_events(at(second), SETTLE, BEFORE, AFTER, everything)
    archive.commit(at(second))
    return files


def test_the_final_answer_makes_one_file_with_all_answers_and_a_clip_of_who_was_looked_at(archive: Archive) -> None:
    for second, answer in ((3, 1), (10, 2), (30, 3)):
        say(archive, second, answer)
        assert write(archive, second + 5) == []
    assert write(archive, 44.9) == []
    [path] = write(archive, 45)
    assert path.name == "20260503T092020.000Z_suspects.h5"
    assert write(archive, 900) == []
    assert archive.open_events.counters == {
        "events": 1, "events_rejected": 0, "events_unfinished": 0, "events_lost": 0}  # fmt: skip
    with h5py.File(path) as file:
        assert (file.attrs["kind"], file.attrs["confidence"], file.attrs["final"]) == ("gen_trip", 0.875, 1)
        assert file.attrs["ellipse"].tolist() == [50.0, 20.0, 30.0]
        assert json.loads(file.attrs["nearest"]) == ["站 1", "站 2"]
        assert json.loads(file.attrs["bad"]) == ["站 2"]
        assert file[SMALL.name]["device"].asstr()[:].tolist() == ["站 1", "站 2"]
    record = read_event(path)
    assert [each.answer for each in record.answers] == [1, 2, 3]
    assert record.final
    assert record.counting.devices[1] == Looked(device_number(2, 0), "站 2", "", 31.5, 120.25, ONSET + 40_000_000, 39.0)
    assert np.isnan(record.counting.size_mw)
    assert record.answers[0].size_mhz == -41.0
    assert record.counting.suspicions[0]["name"] == "站 1"
    assert record.counting.detail["rules"] == ["frequency falls"]


def test_the_clip_reaches_from_before_the_onset_to_the_end_of_what_was_judged(archive: Archive) -> None:
    say(archive, 0, 1, 2, 3, stop=ONSET + 33 * SECOND, onset=ONSET)
    [path] = write(archive, 15)
    with h5py.File(path) as file:
        times = file[SMALL.name]["time"][:]
    assert (times[0], times[-1]) == (ONSET - BEFORE, ONSET + 33 * SECOND - SECOND // 50)


def test_it_waits_for_the_data_but_not_for_ever(archive: Archive) -> None:
    say(archive, 0, 3, stop=T0 + 101 * SECOND)
    assert write(archive, 34.9) == []
    archive.take(measurements([1], [T0 + 101 * SECOND]))
    archive.commit(at(34.9))
    assert len(write(archive, 34.9)) == 1


def test_data_that_never_come_are_not_waited_for(archive: Archive) -> None:
    say(archive, 0, 3, stop=T0 + 101 * SECOND)
    assert len(write(archive, 35)) == 1


def test_without_a_final_answer_it_is_written_as_it_is_known_and_gives_way_to_a_final_one(archive: Archive) -> None:
    say(archive, 0, 1, 2)
    assert write(archive, (SETTLE + UNFINISHED) / SECOND - 1) == []
    [path] = write(archive, (SETTLE + UNFINISHED) / SECOND)
    assert archive.open_events.counters["events_unfinished"] == 1
    [listed] = list_events(archive.root)
    assert (listed.final, listed.answer, listed.files) == (False, 2, [str(path)])
    say(archive, 100, 1, 2)  # said again by a trigger that was started anew
    assert archive.open_events.waiting.events == {}
    say(archive, 100, 3)
    assert write(archive, 115) == [path]
    [listed] = list_events(archive.root)
    assert (listed.final, listed.answer) == (True, 3)


def test_a_final_answer_that_comes_again_changes_nothing(archive: Archive) -> None:
    say(archive, 0, 1, 2, 3)
    [path] = write(archive, 15)
    before = path.read_bytes()
    for second in (20, 40):
        say(archive, second, 1, 2, 3, confidence=0.1)
        assert write(archive, second + 100) == []
    assert path.read_bytes() == before
    assert len(list_events(archive.root)) == 1


def test_what_was_no_disturbance_has_a_small_file_and_is_listed_apart(archive: Archive) -> None:
    say(archive, 0, 3, disturbance=False, kind="none", bad=[])
    [path] = write(archive, 15)
    assert archive.open_events.counters["events_rejected"] == 1
    assert list_events(archive.root) == []
    [listed] = list_events(archive.root, rejected=True)
    assert (listed.kind, listed.disturbance, listed.files) == ("none", False, [str(path)])
    with h5py.File(path) as file:
        assert file[SMALL.name]["device"].asstr()[:].tolist() == ["站 1"]  # the suspected one


def test_what_nobody_could_judge_is_no_rejection_and_says_nothing_against_an_answer_before(archive: Archive) -> None:
    failed: dict[str, Any] = {"outcome": "failed", "error": "it raised", "disturbance": False, "kind": "unknown"}
    say(archive, 0, 1)
    say(archive, 0, 3, **failed)
    archive.take(event(ONSET + 9 * SECOND, answer=3, **failed))
    archive.commit(at(0))
    paths = write(archive, 0, everything=True)
    assert archive.open_events.counters["events_rejected"] == 0
    assert list_events(archive.root, rejected=True) == []
    known, unknown = list_events(archive.root)
    assert (known.kind, known.confidence, known.answer, known.final) == ("gen_trip", 0.625, 3, True)
    assert (unknown.outcome, unknown.error, unknown.rejected) == ("failed", "it raised", False)
    record = read_event(paths[0])
    assert (record.counting.answer, record.final) == (1, True)


def test_suspicious_verdicts_of_a_trigger_that_an_event_trigger_reads_make_no_event(archive: Archive) -> None:
    archive.take(verdict(1, ONSET))
    archive.take(verdict(1, ONSET, trigger="suspects"))
    archive.take(verdict(2, T0 + 60 * SECOND, trigger="others"))
    say(archive, 0, 3)
    assert len(write(archive, 0, everything=True)) == 2
    assert [each.id for each in list_events(archive.root)] == [event(ONSET).id, ""]


def test_old_and_new_ones_are_listed_together_in_order_and_chosen(archive: Archive) -> None:
    archive.take(verdict(2, T0 + 5 * SECOND, trigger="others"))
    say(archive, 0, 3)
    archive.take(event(T0 + 60 * SECOND, answer=3, kind="load_loss"))
    archive.commit(at(0))
    write(archive, 0, everything=True)
    assert [each.kind for each in list_events(archive.root)] == ["", "gen_trip", "load_loss"]
    assert [each.kind for each in list_events(archive.root, kinds=["load_loss", "fault"])] == ["load_loss"]
    assert [each.kind for each in list_events(archive.root, since="2026-05-03T09:20:10Z")] == ["gen_trip", "load_loss"]
    assert [each.kind for each in list_events(archive.root, until=T0 + 60 * SECOND)] == ["", "gen_trip"]
    assert list_events(archive.root, rejected=True) == []


def test_an_event_is_listed_as_soon_as_its_first_answer_is_on_the_disk(archive: Archive) -> None:
    say(archive, 0, 1)
    say(archive, 1, 2)
    [listed] = list_events(archive.root)
    assert (listed.answer, listed.final, listed.files, listed.devices) == (2, False, [], ["站 1", "站 2"])


def test_the_answers_of_an_hour_that_was_finished_meanwhile_are_found(archive: Archive) -> None:
    say(archive, 0, 1, 2)
    archive.close()
    finish_all(archive.root)
    with closing(Archive(archive.root, judged=JUDGED)) as again:
        again.take(event(ONSET, answer=3))
        again.commit(at(1000))
        [path] = write(again, 1015)
    assert [each.answer for each in read_event(path).answers] == [1, 2, 3]


def test_waiting_events_survive_a_restart(archive: Archive) -> None:
    say(archive, 0, 1, 2, 3)
    archive.close()
    again = Archive(archive.root, judged=JUDGED)
    assert write(again, 1000) == []  # quiet from now on
    assert len(write(again, 1015)) == 1
    again.close()
    with closing(Archive(archive.root)) as third:
        assert third.open_events.waiting.events == {}


@pytest.mark.parametrize("kill", range(1, 9))
def test_killed_while_the_file_is_made_it_is_there_once(tmp_path: Path, kill: int) -> None:
    archive = opened(tmp_path)
    say(archive, 0, 1, 2, 3)
    archive.close()
    dying = Archive(tmp_path, judged=JUDGED, disk=Dying(kill))
    with suppress(Killed):
        write(dying, 0, everything=True)
    dying.close()
    again = Archive(tmp_path, judged=JUDGED)
    write(again, 0, everything=True)
    again.close()
    [listed] = list_events(tmp_path)
    assert len(listed.files) == 1
    assert len(read_event(Path(listed.files[0])).answers) == 3


@pytest.mark.parametrize("limit", [1_000, 5_000, 20_000])
def test_a_disk_that_is_full_is_told_and_the_file_made_later(archive: Archive, limit: int) -> None:
    say(archive, 30, 3)
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        with pytest.raises(OSError, match="File too large"):
            archive.write_events(at(80), SETTLE, BEFORE, AFTER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert list((archive.root / "events").iterdir()) == []
    [path] = write(archive, 81)
    assert read_event(path).final


def test_an_id_that_is_no_file_name_leads_nowhere_else(archive: Archive) -> None:
    archive.take(event(ONSET, answer=3, id="../../escaped"))
    archive.take(event(ONSET, answer=3, id="20260503T092020.000Z_" + "x" * 300))
    archive.commit(at(0))
    paths = write(archive, 0, everything=True)
    assert {path.parent for path in paths} == {archive.root / "events"}
    assert len(list_events(archive.root)) == 2


def test_no_rows_there_is_no_fault(archive: Archive) -> None:
    archive.take(event(T0 + 86_400 * SECOND, answer=3))
    archive.commit(at(0))
    [path] = write(archive, 0, everything=True)
    with h5py.File(path) as file:
        assert sorted(file) == ["merged", "record", "site"]


def test_answers_that_somebody_removed_are_counted(archive: Archive) -> None:
    say(archive, 0, 3)
    for path in archive.root.glob("live/*/events.*"):
        path.unlink()
    assert write(archive, 0, everything=True) == []
    assert archive.open_events.counters["events_lost"] == 1
    assert archive.open_events.waiting.events == {}


def test_an_event_that_verdicts_made_is_read_too(archive: Archive) -> None:
    archive.take(verdict(2, ONSET, trigger="others"))
    archive.commit(at(0))
    [path] = write(archive, 0, everything=True)
    record = read_event(path)
    assert (record.id, record.answers) == (path.stem, [])
    assert record.verdicts[0]["names"] == ["站 2"]


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "20260503T092020.000Z_x.h5"
    path.write_text("no event")
    with pytest.raises(ArchiveError, match=r"no event file .* move it away"):
        read_event(path)


def test_who_lists_events_again_and_again_reads_each_file_once(archive: Archive, monkeypatch: Any) -> None:
    say(archive, 3, 1, 2, 3)
    [path] = write(archive, 60)
    read, opened = Remembered(), []
    monkeypatch.setattr("archive.events.open_finished", lambda path: opened.append(path) or open_finished(path))
    first = list_events(archive.root, read=read)
    assert repr(list_events(archive.root, read=read)) == repr(first) == repr(list_events(archive.root))
    assert opened == [path, path]
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    list_events(archive.root, read=read)
    assert len(opened) == 3
