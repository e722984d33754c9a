"""Alarms in the archive: every change is kept once, live and finished; the last one tells where an alarm stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from archive.alarms import FIELDS, last
from archive.finish import finish_all
from archive.reading import open_archive
from protocol.clock import SECOND
from tests.archive.test_statistics import write
from tests.archives import T0, alarm

HOUR = 3600


def held(path: Path, start: float, end: float) -> list[tuple[str, str]]:
    with open_archive(path, *(T0 + round(at * SECOND) for at in (start, end))) as found:
        rows = found.alarms()
    return list(zip(rows["id"].tolist(), rows["change"].tolist(), strict=True))


def test_every_change_is_kept_once(tmp_path: Path):
    words = [alarm("raised", 1), alarm("cleared", 2, 1), alarm("raised", HOUR + 1, 2, id="99")]
    archive = write(tmp_path, *words)
    assert archive.alarms.counters == {"alarms": 3, "alarm_twins": 0}
    for finish in (lambda: None, lambda: finish_all(tmp_path)):
        finish()
        assert held(tmp_path, 0, 2 * HOUR) == [("0123456789", "raised"), ("0123456789", "cleared"), ("99", "raised")]
        assert held(tmp_path, 2, HOUR) == [("0123456789", "cleared")]
    archive = write(tmp_path, alarm("raised", 1))  # told again from before our time
    assert archive.alarms.counters["alarms"] == 0


def test_all_of_a_change_is_kept_and_the_last_one_counts(tmp_path: Path):
    long = "x" * 600
    write(tmp_path, alarm("raised", 1), alarm("acknowledged", 2, 1, user="李", comment=long, acknowledged=True))
    with open_archive(tmp_path, T0, T0 + HOUR * SECOND) as found:
        rows = last(found.alarms())
    assert list(rows) == list(FIELDS)
    assert (rows["user"].tolist(), rows["acknowledged"].tolist(), rows["subject"].tolist()) == (["李"], [1], ["站 1"])
    assert rows["comment"].tolist() == [long[:512]]
    assert json.loads(rows["detail"][0]) == {"final": True}
    np.testing.assert_array_equal(rows["value"], [49.7])
