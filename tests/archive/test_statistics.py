"""Minutes of devices: live, finished, merged with a finished hour, through kills; others read them too."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from archive import layout
from archive.finish import finish_all
from archive.reading import open_archive
from archive.statistics import COUNTS, FIELDS, FREQUENCIES, LATENCIES
from archive.writer import Archive
from protocol.clock import SECOND
from tests import thorough
from tests.archives import NONE, T0, Dying, Killed, configuration, grid, measurements, minute

MINUTE = 60 * SECOND


def write(path: Path, *words: object, disk: Dying | None = None) -> Archive:
    archive = Archive(path, disk=disk)
    try:
        for word in words:
            archive.take(word)  # type: ignore[arg-type]
        archive.commit(NONE)
    finally:
        archive.close()
    return archive


def held(path: Path) -> list[tuple[int, int, int]]:
    with open_archive(path) as found:
        rows = found.statistics()
    return list(zip(*(rows[name].tolist() for name in ("start", "device", "received")), strict=True))


def test_all_fields_come_back(tmp_path: Path) -> None:
    word = minute(1, 1, 2)
    write(tmp_path, configuration(1, name="Süd"), word)
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        with open_archive(tmp_path) as found:
            rows = found.statistics()
        assert list(rows) == list(FIELDS)
        for name in (*COUNTS, *LATENCIES, *FREQUENCIES, "device"):
            assert rows[name].tolist() == getattr(word, name).tolist()
        assert rows["name"].tolist() == ["Süd", ""]
        assert rows["covered"].tolist() == [59.0, 59.0]
        assert rows["concentrator"].tolist() == ["align"] * 2
        assert rows["start"].tolist() == [T0 + MINUTE] * 2


def test_twins_change_nothing_and_another_concentrator_is_none(tmp_path: Path) -> None:
    write(tmp_path, minute(0, 1, 2), minute(1, 1, number=1))
    wanted = held(tmp_path)
    for finish in (False, True):
        if finish:
            finish_all(tmp_path)
        archive = write(tmp_path, minute(0, 2, 1, epoch=8 + finish))
        assert archive.statistics.counters == {"statistics": 0, "statistic_twins": 2}
        assert held(tmp_path) == wanted
    write(tmp_path, minute(0, 1, node="patient/minutes"))
    assert len(held(tmp_path)) == 4


def test_late_minutes_join_a_finished_hour_beside_rows_and_verdicts(tmp_path: Path) -> None:
    write(tmp_path, configuration(1), measurements([1] * 3, grid(0, 3)), minute(0, 1))
    [path] = finish_all(tmp_path)
    write(tmp_path, minute(2, 1, number=1), minute(1, 1, number=2))
    assert finish_all(tmp_path) == [path]
    assert [at for at, *_ in held(tmp_path)] == [T0, T0 + MINUTE, T0 + 2 * MINUTE]
    with h5py.File(path) as file:
        assert file["rate50_ph1_an1_dg1/present"][:].sum() == 3
        assert file["statistics"].attrs.keys() == set()
    with xarray.open_dataset(path, engine="h5netcdf", group="statistics") as found:
        assert found["received"].dims == ("statistic",)
        assert found["start"].values.astype(np.int64).tolist() == [T0, T0 + MINUTE, T0 + 2 * MINUTE]


def test_an_interval_has_the_minutes_that_begin_in_it(tmp_path: Path) -> None:
    write(tmp_path, *(minute(at, 1, number=at) for at in range(3)))
    with open_archive(tmp_path, T0 + MINUTE, T0 + 2 * MINUTE) as found:
        assert found.statistics()["start"].tolist() == [T0 + MINUTE]


def test_parts_that_are_full_are_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "STATISTIC_ROWS", 4)
    write(tmp_path, *(minute(at, 1, 2, 3, number=at) for at in range(3)))
    assert len(list(tmp_path.glob("live/*/statistics.*.part.h5"))) == 3
    assert len(held(tmp_path)) == 9


def test_killed_at_every_change_of_a_file(tmp_path: Path) -> None:
    words = [configuration(1), measurements([1] * 3, grid(0, 3)), minute(0, 1, 2), minute(0, 2, number=1)]
    counter = Dying(0)
    write(tmp_path / "whole", *words, disk=counter)
    wanted = held(tmp_path / "whole")
    assert len(wanted) == 2
    for at in thorough.samples(range(1, counter.calls + 1), 4):
        path = tmp_path / f"{at}"
        with pytest.raises(Killed):
            write(path, *words, disk=Dying(at))
        write(path, *words)
        assert held(path) == wanted, f"killed at change {at}"


def test_an_older_archive_has_none(tmp_path: Path) -> None:
    write(tmp_path, configuration(1), measurements([1] * 3, grid(0, 3)))
    finish_all(tmp_path)
    assert held(tmp_path) == []
