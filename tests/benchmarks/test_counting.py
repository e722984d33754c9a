"""Rows and windows in the files of an archive, counted apart from what the station says."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.finish import finish_all
from archive.writer import Archive
from benchmarks._counting import Files
from protocol.clock import SECOND
from tests.archives import NONE, T0, configuration, grid, measurements, verdict

EVERY = 10 * SECOND


def fill(path: Path) -> None:
    """Two devices, a second of rows of one and half of it of the other, windows every 10 s, one of them missing."""
    archive = Archive(path)
    for link in (1, 2):
        archive.take(configuration(link))
    archive.take(measurements([1] * 50, grid(0, 50)))
    archive.take(measurements([2] * 25, grid(5, 25)))
    archive.take(measurements([2], grid(60 * 50 - 1, 1)))
    archive.take(measurements([1], grid(2, 1), seed=1))  # other bytes for a place that is taken: aside
    ends = {1: [T0 + SECOND], 2: [T0 + k * EVERY for k in (1, 2, 3, 5, 6)]}
    for link, stops in ends.items():
        for number, stop in enumerate(stops):
            outcome = "incomplete" if number == 4 else "ok"
            archive.take(
                verdict(
                    link, 0, start=stop - EVERY, stop=stop, outcome=outcome, node="windows", epoch=link, number=number
                )
            )
    archive.commit(NONE)
    archive.close()


@pytest.mark.parametrize("finished", [False, True], ids=["live", "finished"])
def test_rows_and_windows_are_counted(tmp_path: Path, finished: bool) -> None:
    fill(tmp_path)
    if finished:
        finish_all(tmp_path)
    files = Files(tmp_path, 50)
    assert files.rows == {1: 50, 2: 26}
    assert files.last == {1: T0 + 49 * SECOND // 50, 2: T0 + 60 * SECOND - SECOND // 50}
    assert {device: len(stops) for device, stops in files.windows.items()} == {1: 1, 2: 5}
    assert files.judged == 5
    assert files.missing(EVERY) == 1
