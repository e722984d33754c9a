"""Every verdict is in the archive once: live, finished, through kills, twins and full disks; others read it too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from archive import layout
from archive.finish import finish_all, finish_sealed
from archive.folder import ArchiveError, check
from archive.reading import open_archive
from archive.verdicts import detail_text
from archive.writer import Archive
from protocol.clock import SECOND, Now
from protocol.messages import Verdict, device_number
from tests.archives import NONE, T0, Dying, Killed, configuration, grid, measurements, verdict

MINUTE = 60 * SECOND
HOUR = layout.hour_of(T0)


def window(link: int, minute: int, **more: Any) -> Verdict:
    """A plain verdict on the minute-th minute of a device."""
    start = T0 + minute * MINUTE
    plain: dict[str, Any] = {
        "start": start, "stop": start + MINUTE, "suspicious": False, "onset": 0, "score": 0.25, "lease": minute,
    }  # fmt: skip
    return verdict(link, **plain | more)


def numbered(words: Sequence[Any], node: str = "windows", epoch: int = 7, first: int = 0) -> list[Any]:
    return [type(word)(**vars(word) | {"node": node, "epoch": epoch, "number": first + k})
            for k, word in enumerate(words)]  # fmt: skip


def held(path: Path) -> list[tuple[int, int, str, str, int]]:
    with open_archive(path) as found:
        rows = found.verdicts()
    names = ("device", "start", "outcome", "algorithm", "number")
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


def test_all_fields_come_back(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1, name="Nord"))
    said = window(1, 0, suspicious=True, onset=T0 + 7, score=3.5, attempt=2, took=12_345, detail={"limit_mhz": 0.5})
    archive.take(numbered([said], epoch=9, first=4)[0])
    archive.commit(Now(1, 77))
    archive.close()
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        with open_archive(tmp_path) as found:
            rows = {name: values.tolist() for name, values in found.verdicts().items()}
        assert rows == {
            "device": [device_number(1, 0)], "name": ["Nord"], "start": [T0], "stop": [T0 + MINUTE],
            "outcome": ["ok"], "suspicious": [1], "onset": [T0 + 7], "score": [3.5], "completeness": [1.0],
            "algorithm": ["emd"], "version": [1], "trigger": ["windows"], "worker": ["prejudge.1"], "lease": [0],
            "attempt": [2], "took": [12_345], "epoch": [9], "number": [4], "kept": [77], "error": [""],
            "detail": ['{"limit_mhz":0.5}'],
        }  # fmt: skip


def test_a_twin_changes_nothing_also_over_restarts_and_in_a_finished_hour(tmp_path: Path) -> None:
    first = [window(1, 0), window(2, 0), window(1, 1)]
    archive = Archive(tmp_path)
    for word in numbered([*first, window(1, 0, attempt=2)]):
        archive.take(word)
    archive.commit(NONE)
    assert archive.verdicts.counters == {"verdicts": 3, "verdict_twins": 1}
    archive.close()
    wanted = held(tmp_path)
    for epoch, finish in ((8, False), (9, True), (10, False)):
        if finish:
            finish_all(tmp_path)
        archive = Archive(tmp_path)
        for word in numbered([window(2, 0), window(1, 1, attempt=3)], epoch=epoch):
            assert archive.take(word)
        archive.commit(NONE)
        assert archive.verdicts.counters == {"verdicts": 0, "verdict_twins": 2}
        archive.close()
        assert held(tmp_path) == wanted
    assert len(wanted) == 3


def test_a_window_without_a_judge_is_the_twin_of_one_with_and_another_version_is_none(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    unjudged = {"algorithm": "", "version": 0, "outcome": "incomplete", "error": "90 % are wanted"}
    for word in numbered([window(1, 0), window(1, 0, **unjudged), window(2, 0, **unjudged), window(2, 0),
                          window(1, 0, version=2), window(1, 0, trigger="others")]):  # fmt: skip
        archive.take(word)
    archive.commit(NONE)
    archive.close()
    one, two = device_number(1, 0), device_number(2, 0)
    assert [row[:4] for row in held(tmp_path)] == [
        (one, T0, "ok", "emd"), (one, T0, "ok", "emd"), (one, T0, "ok", "emd"), (two, T0, "incomplete", ""),
    ]  # fmt: skip


def test_a_window_of_several_devices_is_a_row_for_each(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    devices = np.array([device_number(1, 0), device_number(2, 0)], np.uint32)
    archive.take(numbered([window(1, 0, device=devices)])[0])
    archive.commit(NONE)
    archive.close()
    assert [row[0] for row in held(tmp_path)] == devices.tolist()


def test_parts_that_are_full_are_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "VERDICT_ROWS", 4)
    words = numbered([window(link, minute) for minute in range(3) for link in range(1, 4)])
    for part in (words[:3], words[3:]):
        archive = Archive(tmp_path)
        for word in part:
            archive.take(word)
        archive.commit(NONE)
        archive.close()
    assert len(list(tmp_path.glob("live/*/verdicts.*.part.h5"))) == 3
    wanted = held(tmp_path)
    assert [row[4] for row in wanted] == list(range(9))
    archive = Archive(tmp_path)
    archive.take(numbered([window(1, 0)], epoch=8)[0])
    archive.commit(NONE)
    archive.close()
    finish_all(tmp_path)
    assert held(tmp_path) == wanted


def story() -> list[list[Any]]:
    """Words by commit: rows and verdicts, twins, two hours."""
    rows = numbered([configuration(1), measurements([1] * 3, grid(0, 3)), measurements([1] * 3, grid(3, 3))], "r")
    said = numbered([window(1, 0), window(2, 0), window(1, 0, attempt=2), window(1, 60), window(2, 1)])
    return [[*rows[:2], *said[:2]], [said[2], rows[2], *said[3:]]]


def run(path: Path, disk: Dying) -> None:
    archive = Archive(path, disk=disk)
    try:
        for words in story():
            for word in words:
                archive.take(word)
            archive.commit(NONE)
    finally:
        archive.close()


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_every_change_of_a_file(tmp_path: Path, torn: bool) -> None:
    counter = Dying(0)
    run(tmp_path / "whole", counter)
    wanted = held(tmp_path / "whole")
    assert len(wanted) == 4
    for at in range(1, counter.calls + 1):
        path = tmp_path / f"{at}"
        with pytest.raises(Killed):
            run(path, Dying(at, torn))
        for part in path.glob("live/*/*.part.h5"):
            with h5py.File(part, locking=False) as file:
                assert set(np.unique(file["present"][...])) <= {0, 1}
        run(path, Dying(0))
        assert held(path) == wanted, f"killed at change {at}"


class Full(Dying):
    """A disk that takes nothing from the n-th write on, until it is emptied."""

    def _step(self) -> bool:
        self.calls += 1
        if self.at and self.calls >= self.at:
            raise OSError(28, "No space left on device")
        return False


@pytest.mark.slow
def test_a_full_disk_is_tried_again_and_nothing_is_there_twice(tmp_path: Path) -> None:
    counter = Full(0)
    run(tmp_path / "whole", counter)
    wanted = held(tmp_path / "whole")
    for at in range(2, counter.calls + 1):
        path = tmp_path / f"{at}"
        disk = Full(0)
        archive = Archive(path, disk=disk)
        disk.at = at
        for words in story():
            for word in words:
                archive.take(word)
            try:
                archive.commit(NONE)
            except OSError:
                disk.at = 0
                archive.commit(NONE)
        assert archive.verdicts.counters == {"verdicts": 4, "verdict_twins": 1}, f"full from change {at}"
        archive.close()
        assert held(path) == wanted, f"full from change {at}"


def test_late_verdicts_join_a_finished_hour_beside_its_rows(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1] * 3, grid(0, 3)))
    archive.commit(NONE)
    archive.close()
    [path] = finish_all(tmp_path)
    with h5py.File(path) as file:
        assert "verdicts" not in file
    archive = Archive(tmp_path)
    archive.take(numbered([window(1, 1)])[0])
    archive.commit(NONE)
    archive.take(numbered([window(1, 0)], epoch=8)[0])
    archive.commit(NONE)
    assert archive.touched.keys() == {HOUR}
    assert archive.seal(HOUR) == 1
    assert finish_sealed(tmp_path) == [path]
    archive.close()
    with h5py.File(path) as file:
        assert file["verdicts/start"][:].tolist() == [T0, T0 + MINUTE]
        assert file["rate50_ph1_an1_dg1/present"][:].sum() == 3
    assert not list(tmp_path.glob("live/*/*"))


def test_xarray_reads_them(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1, name="Süd"))
    for word in numbered([window(1, 0, outcome="failed", error="zu spät"), window(1, 1)]):
        archive.take(word)
    archive.commit(NONE)
    archive.close()
    [path] = finish_all(tmp_path)
    with xarray.open_dataset(path, engine="h5netcdf", group="verdicts") as found:
        assert found["start"].values.astype(np.int64).tolist() == [T0, T0 + MINUTE]
        assert found["name"].values.tolist() == ["Süd"] * 2
        assert found["error"].values.tolist() == ["zu spät", ""]
        assert found["took"].dtype.kind == "i"
        assert found.to_pandas()["outcome"].tolist() == ["failed", "ok"]


def test_a_plain_reader_sees_a_live_part(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(numbered([window(1, 0)])[0])
    archive.commit(NONE)
    [part] = tmp_path.glob("live/20260503T09Z/verdicts.*.part.h5")
    with h5py.File(part, "r", locking=False) as file:
        assert np.flatnonzero(file["present"]).tolist() == [0]
        assert file["trigger"][0] == b"windows"
        archive.take(numbered([window(1, 1)], first=1)[0])
        archive.commit(NONE)
        assert file["start"][:3].tolist() == [T0, T0 + MINUTE, 0]
    archive.close()


def test_an_interval_has_the_windows_that_end_in_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for word in [configuration(1, name="Nord"), *numbered([window(link, k) for k in (0, 39, 40) for link in (1, 2)])]:
        archive.take(word)
    archive.commit(NONE)
    archive.close()
    end = HOUR + layout.SPAN
    assert end == T0 + 40 * MINUTE
    for start, stop, wanted in ((T0, end, [0, 39]), (end, None, [40]), (None, end - 1, [0]), (T0 + MINUTE, end, [39])):
        with open_archive(tmp_path, start, stop) as found:
            assert found.verdicts(["Nord"])["lease"].tolist() == wanted
            assert found.verdicts(["131072"])["lease"].tolist() == wanted
            assert len(found.verdicts()["lease"]) == 2 * len(wanted)
    with open_archive(tmp_path) as found, pytest.raises(ArchiveError, match="no station"):
        found.verdicts(["Ost"])


def test_details_stay_json_when_they_are_cut() -> None:
    told = json.loads(detail_text({"short": 1, "long": "ü" * 3000, "last": [2.5]}))
    assert told == {"short": 1, "last": [2.5], "left_out": 1}
    assert detail_text({"nothing": [float("nan"), float("inf")], "some": 1.5}) == '{"nothing":[null,null],"some":1.5}'


def test_texts_are_cut_to_their_room(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1, name="ü" * 40))
    archive.take(numbered([window(1, 0, error="\ud800" + "é" * 200, algorithm="x" * 70)])[0])
    archive.commit(NONE)
    archive.close()
    for finish in (lambda: [], lambda: finish_all(tmp_path)):
        finish()
        with open_archive(tmp_path) as found:
            rows = found.verdicts()
        told = [rows[name].tolist() for name in ("name", "error", "algorithm")]
        assert told == [["ü" * 32], ["?" + "é" * 127], ["x" * 64]]


def test_an_older_archive_takes_verdicts_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text('{"what": "SYMS archive", "format": 1}\n')
    assert check(tmp_path) == 1
    Archive(tmp_path).close()
    assert check(tmp_path) == layout.FORMAT == 7
