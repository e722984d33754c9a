"""The ledger of what event triggers say: every answer once, whole, through the same commit as rows."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import xarray

from archive import answers, layout
from archive.answers import EVENTS, FIELDS, between, plain, record_text, row_of
from archive.finish import finish_all
from archive.writer import Archive
from protocol.clock import SECOND
from tests.archives import NONE, T0, Dying, Killed, configuration, event

HOUR = layout.hour_of(T0)


def said(archive: Archive, onset: int, *numbers: int, first: int = 0, epoch: int = 1) -> None:
    for number, answer in enumerate(numbers, first):
        archive.take(event(onset, answer=answer, node="suspects", epoch=epoch, number=number))


def filled(root: Path) -> Archive:
    archive = Archive(root)
    for link in (1, 2):
        archive.take(configuration(link))
    return archive


def test_every_answer_is_a_row_with_all_that_was_said(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as archive:
        said(archive, T0, 1, 2, 3)
        archive.commit(NONE)
        assert archive.answers.counters == {"event_answers": 3, "event_answer_twins": 0}
    [rows] = between(tmp_path, T0, T0 + SECOND)
    assert rows["answer"].tolist() == [1, 2, 3]
    assert rows["final"].tolist() == [0, 0, 1]
    assert rows["confidence"].tolist() == [0.625, 0.75, 0.875]
    assert (rows["nearest"][0], rows["devices"][0], rows["bad"][0], rows["suspicions"][0]) == ("站 1", 2, 1, 1)
    assert (rows["major"][0], rows["minor"][0], rows["bearing"][0]) == (50.0, 20.0, 30.0)
    assert np.isnan(rows["size_mw"]).all()
    whole = json.loads(rows["record"][2])
    assert whole["devices"]["name"] == ["站 1", "站 2"]
    assert whole["devices"]["latitude"] == [31.5, 31.5]
    assert whole["devices"]["arrival"] == [T0, T0 + 40_000_000]
    assert whole["detail"]["rules"] == ["frequency falls"]
    assert whole["suspicions"][0]["name"] == "站 1"
    assert whole["bad"][0] | {"name": "站 2", "kind": "spike"} == whole["bad"][0]


def test_an_answer_that_comes_again_changes_nothing(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as archive:
        said(archive, T0, 1, 2)
        archive.commit(NONE)
        said(archive, T0, 1, 2, 3, epoch=2)  # the trigger was started anew
        archive.commit(NONE)
        assert archive.answers.counters == {"event_answers": 3, "event_answer_twins": 2}
    finish_all(tmp_path)
    with closing(Archive(tmp_path)) as archive:
        said(archive, T0, 1, 3, epoch=3)
        archive.commit(NONE)
    assert answers.answers(tmp_path, HOUR, event(T0).id)["answer"].tolist() == [1, 2, 3]


def test_answers_of_an_event_are_in_the_hour_of_its_id_and_found_by_their_onset(tmp_path: Path) -> None:
    """Suspected just before the full hour; what was judged says that it began after it."""
    suspected = HOUR + layout.SPAN - SECOND
    with closing(filled(tmp_path)) as archive:
        archive.take(event(suspected, onset=suspected + 2 * SECOND))
        archive.take(event(suspected, answer=2, onset=suspected))
        archive.commit(NONE)
    assert len(answers.answers(tmp_path, HOUR, event(suspected).id)["answer"]) == 2
    [after] = between(tmp_path, HOUR + layout.SPAN, HOUR + layout.SPAN + 10 * SECOND)
    assert after["answer"].tolist() == [1]


def test_a_finished_file_has_them_for_any_reader(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as archive:
        said(archive, T0, 1, 2, 3)
        archive.commit(NONE)
    [path] = finish_all(tmp_path)
    with xarray.open_dataset(path, engine="h5netcdf", group="events") as data:
        assert set(FIELDS) <= set(data.variables)
        assert data["kind"].values.tolist() == ["gen_trip"] * 3
    assert EVENTS.of_hour(tmp_path, HOUR)["answer"].tolist() == [1, 2, 3]


def test_what_is_too_large_is_left_out_and_named() -> None:
    big = event(T0, detail={"rules": ["short"], "huge": "x" * 200_000})
    row = row_of(big, plain(big, lambda device: None))
    assert len(row["record"].encode()) < np.dtype(FIELDS["record"].dtype).itemsize
    kept = json.loads(row["record"])
    assert kept["left_out"] == ["detail.huge"]
    assert kept["detail"] == {"rules": ["short"]}
    assert kept["devices"]["name"] == ["65536", "131072"]
    many = event(T0, links=range(1, 4000), detail={})
    assert json.loads(record_text(plain(many, configuration_of)))["left_out"] == ["nearest", "devices"]


def test_texts_without_end_leave_a_record_that_is_read() -> None:
    endless = event(T0, id="x" * 200_000, error="号" * 100_000, worker="w" * 200_000, ellipse=[1.0] * 100_000)
    row = row_of(endless, plain(endless, lambda device: None))
    kept = json.loads(row["record"])
    assert (kept["id"], kept["error"]) == (row["id"], row["error"]) == ("x" * 128, "号" * 85)
    assert kept["ellipse"] == []
    assert np.isnan(row["major"])


def test_what_no_trigger_should_say_is_survived() -> None:
    strange = event(
        T0, bad=[{"device": "x"}, {}], suspicions=[{"device": None}], detail={"raw": b"\x00", "nan": [np.nan]}
    )
    kept = json.loads(row_of(strange, plain(strange, lambda device: None))["record"])
    assert (kept["bad"], kept["suspicions"], kept["detail"]["nan"]) == ([], [], [None])


def configuration_of(device: int) -> object:
    return configuration(device >> 16, name="a long name of a station " * 4)


@pytest.mark.parametrize("at", range(1, 14))
def test_a_commit_that_was_killed_anywhere_leaves_each_answer_once(tmp_path: Path, at: int) -> None:
    with closing(filled(tmp_path)) as archive:
        said(archive, T0, 1)
        archive.commit(NONE)
    archive = Archive(tmp_path)
    archive._disk = archive.answers._disk = archive._watermark._disk = dying = Dying(at)
    said(archive, T0, 2, 3, first=1)
    try:
        archive.commit(NONE)
    except Killed:
        archive.close()
        archive = Archive(tmp_path)
        expected = archive.standing()["suspects", 1]
        held = answers.answers(tmp_path, HOUR, event(T0).id)["answer"].tolist()
        assert held == [1, 2, 3][:expected]
        assert set(archive.open_events.waiting.events) == {event(T0).id}
        said(archive, T0, 1, 2, 3)
        archive.commit(NONE)
    else:
        assert dying.calls < at
    archive.close()
    assert answers.answers(tmp_path, HOUR, event(T0).id)["answer"].tolist() == [1, 2, 3]
