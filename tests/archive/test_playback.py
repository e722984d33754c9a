"""Rows played back: all of them, once, in order, behind what they mean."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from archive import layout
from archive.finish import finish_all
from archive.playback import Playback, Step
from archive.reading import open_archive
from archive.writer import Archive
from protocol.clock import SECOND, slot_time
from protocol.messages import Configuration, Measurements, Table
from tests import archives
from tests.archives import NONE, T0, configuration, content, grid, held_rows, measurements

HALF, SLOW = Table(50, 1, 0, 1), Table(10, 0, 2, 0)
BEGIN = T0 + 2397 * SECOND
"""Three seconds before an hour is full."""


@pytest.fixture(scope="module", params=["live", "finished"])
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Six seconds over an hour's border; link 1 has a hole, and is renamed in the middle of a second."""
    path = tmp_path_factory.mktemp(request.param)
    archive = Archive(path)
    slots = grid(0, 300, start=BEGIN)
    archive.configure(configuration(1, HALF))
    archive.configure(configuration(2, HALF))
    archive.configure(configuration(3, SLOW))
    archive.add(measurements([1] * 120, np.delete(slots[:130], slice(60, 70)), HALF))
    archive.add(measurements([2] * 300, slots, HALF, seed=1))
    archive.add(measurements([3] * 60, grid(0, 60, 10, BEGIN), SLOW))
    archive.add(measurements([3] * 2, slots[[7, 8]] + 10 * SECOND, SLOW, aside=1))
    harmonics = archives.spectrum(configuration(1, HALF), Table(1, 1, 0, 0, orders=3), [2, 3, 4])
    archive.configure(harmonics)
    archive.add(archives.spectra(harmonics, grid(0, 3, 1, BEGIN)))
    archive.commit(NONE)
    archive.configure(configuration(1, HALF, 2, name="new"))
    archive.add(measurements([1] * 170, slots[130:], HALF))
    archive.commit(NONE)
    archive.close()
    if request.param == "finished":
        finish_all(path)
    return path


def steps(path: Path, start: int | None = None, stop: int | None = None) -> list[Step]:
    with open_archive(path, start, stop) as extract:
        return list(Playback(extract, SECOND))


def rows(found: list[Step]) -> Counter[tuple[int, int, bytes, int]]:
    return Counter(
        (int(word.device[k]), int(word.time[k]), content(word.status[k], word.values[k], word.digital[k]), 0)
        for step in found for word in step.words if isinstance(word, Measurements) for k in range(len(word.time))
    )  # fmt: skip


def test_every_row_comes_once(made: Path) -> None:
    held = Counter(
        {row: n for row, n in held_rows(made).items() if not row[3] and row[0] < archives.device_number(4, 0)}
    )
    spectral = {row for row in held if row[0] == archives.spectrum_number(archives.device_number(1, 0), 1)}
    assert rows(steps(made)) == Counter({row: n for row, n in held.items() if row not in spectral})
    assert len(spectral) == 3


def test_rows_come_in_order_by_steps_of_a_second(made: Path) -> None:
    found = steps(made)
    assert [step.stop for step in found] == [BEGIN + (k + 1) * SECOND for k in range(6)]
    for step in found:
        for word in step.words:
            if isinstance(word, Measurements):
                assert (np.diff(word.time) >= 0).all()
                assert (word.time >= step.stop - SECOND).all()
                assert (word.time < step.stop).all()


def test_what_rows_mean_stands_before_them(made: Path) -> None:
    force: dict[int, int] = {}
    renamed = int(slot_time(BEGIN // SECOND * 50 + 130, 50))
    for step in steps(made):
        for word in step.words:
            if isinstance(word, Configuration):
                force[word.device] = word.version
                continue
            for device, time in zip(word.device.tolist(), word.time.tolist(), strict=True):
                late = device == archives.device_number(1, 0) and time >= renamed
                assert force[device] == (2 if late else 1)


def test_an_interval_holds_its_rows_only(made: Path) -> None:
    start, stop = BEGIN + SECOND // 2, BEGIN + 4 * SECOND + SECOND // 4
    whole = Counter({row: n for row, n in rows(steps(made)).items() if start <= row[1] < stop})
    assert rows(steps(made, start, stop)) == whole
    with open_archive(made) as extract:
        assert Playback(extract, SECOND).span() == (BEGIN, BEGIN + 6 * SECOND)
        assert Playback(extract.between(start, stop), SECOND).span() == (start, stop)
        assert Playback(extract.between(0, 1), SECOND).span() is None


def test_what_was_read_of_finished_hours_leaves_the_page_cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[Path] = []
    monkeypatch.setattr("archive.playback.forget_file", forgotten.append)
    steps(made)
    assert {path for path in forgotten if path.exists()} == set(made.glob(f"*/*/*/{layout.FINISHED}*.h5"))
    assert len(set(forgotten)) == 2


def test_pieces_of_any_size_are_the_same(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = steps(made)
    monkeypatch.setattr("archive.playback.MEMORY", 1)
    for one, other in zip(whole, steps(made), strict=True):
        assert one.stop == other.stop
        assert rows([one]) == rows([other])
