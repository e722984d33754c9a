"""What is wanted, as people say it; names of files, and numbers as text."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.exports.forms import Form
from archive.exports.numbers import FORMAT, plain
from archive.exports.target import Target, safe
from archive.exports.wishes import event_called, quantities, wish
from archive.folder import ArchiveError
from archive.writer import Archive
from protocol.clock import SECOND
from tests import archives as makers
from tests import exporting


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], None),
        (["frequency, rocof", "frequency"], [("frequency", None), ("rocof", None)]),
        (["frequency,magnitude:U, A,angle"], [("frequency", None), ("magnitude", "U, A"), ("angle", None)]),
        (["analog:a:b"], [("analog", "a:b")]),
    ],
)
def test_quantities_as_people_write_them(texts: list[str], told: list[tuple[str, str | None]] | None) -> None:
    assert quantities(texts) == (None if told is None else tuple(told))


def test_an_event_outlives_its_hour(root: Path, tmp_path: Path) -> None:
    """What retention left: event files."""
    for where in ("whole", "rest"):
        shutil.copytree(root, tmp_path / where)
    shutil.rmtree(tmp_path / "rest" / "live")
    for where in ("whole", "rest"):
        exporting.exported(tmp_path / where, Form.CSV, tmp_path / f"{where}.out", event="20260503T092001")
    for whole in (tmp_path / "whole.out").iterdir():
        assert (tmp_path / "rest.out" / whole.name).read_bytes() == whole.read_bytes()
    assert len(list((tmp_path / "rest.out").iterdir())) == 2


def test_events_are_called_by_what_is_shown(root: Path) -> None:
    found = event_called(root, "2026-05-03T09:20:01")
    for name in (found.time, Path(found.files[0]).name, Path(found.files[0]).stem, "20260503T092001.000Z"):
        assert event_called(root, name) == found
    with pytest.raises(ArchiveError, match="no event ''"):
        event_called(root, "")
    asked = wish(root, event=found.time)
    assert (asked.start, asked.end, asked.onset) == (makers.T0, makers.T0 + 2 * SECOND, makers.T0 + SECOND)
    assert asked.devices == ("站 1",)
    assert wish(root, event=found.time, devices=["站 2"], end=7).devices == ("站 2",)
    assert wish(root, event=found.time, devices=["站 2"], end=7).end == 7


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found, makers.T0 + 45 * 60 * SECOND + SECOND)  # one of verdicts alone
    exporting.judged(found)
    return found


EVENT, REJECTED, OPEN = (f"20260503T0920{name}" for name in ("00.100Z_suspects", "01.500Z_suspects", "02.000Z_sweep"))


@pytest.mark.parametrize(
    ("names", "id", "onset"),
    [
        ((EVENT, "20260503T092000", f"{EVENT}.h5", "2026-05-03T09:20:00.12"), EVENT, 120),
        ((REJECTED, "20260503T092001"), REJECTED, 1520),
        ((OPEN, "20260503T092002", "2026-05-03T09:20:02.02"), OPEN, 2020),
        (("20260503T1005", "2026-05-03T10:05:01"), "", 45 * 60_000 + 1000),
    ],
)
def test_events_of_event_triggers_are_called_by_their_ids_too(
    judged: Path, names: tuple[str, ...], id: str, onset: int
) -> None:
    for name in names:
        found = event_called(judged, name)
        assert (found.id, found.onset) == (id, makers.T0 + onset * SECOND // 1000)
    with pytest.raises(ArchiveError, match=f"4 events begin with '2026'; name one of: .*{EVENT}"):
        event_called(judged, "2026")


def test_one_whose_id_goes_on_as_another_id(judged: Path, tmp_path: Path) -> None:
    shutil.copytree(judged, tmp_path / "archive")
    with closing(Archive(tmp_path / "archive")) as archive:
        archive.take(makers.event(makers.T0 + 2 * SECOND, trigger="sweep2"))
        archive.commit(makers.NONE)
    assert event_called(tmp_path / "archive", OPEN).id == OPEN
    with pytest.raises(ArchiveError, match="2 events begin with '20260503T092002'"):
        event_called(tmp_path / "archive", "20260503T092002")


def test_what_is_wanted_of_an_event_of_an_event_trigger(judged: Path) -> None:
    """Of an event its clip and all who were looked at; of bad data those; of an open event what was judged."""
    asked = wish(judged, event=EVENT)
    onset = makers.T0 + 120 * SECOND // 1000
    assert asked.devices == ("站 1", exporting.ODD)
    assert (asked.start, asked.end, asked.onset) == (onset - SECOND, makers.T0 + 30_100 * SECOND // 1000, onset)
    assert asked.clips == (judged / "events" / f"{EVENT}.h5",)
    asked = wish(judged, event=REJECTED)
    onset = makers.T0 + 1520 * SECOND // 1000
    assert asked.devices == (exporting.ODD,)
    assert (asked.start, asked.end, asked.onset) == (onset - SECOND, onset + SECOND, onset)
    assert wish(judged, event=REJECTED, devices=["站 1"]).devices == ("站 1",)
    asked = wish(judged, event=OPEN)
    assert (asked.start, asked.end) == (makers.T0 - 148 * SECOND, makers.T0 + 5 * SECOND)
    assert (asked.devices, asked.clips) == (("站 1", exporting.ODD), ())


@pytest.mark.parametrize("name", [EVENT, REJECTED])
def test_the_file_of_an_event_is_enough(judged: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(judged, tmp_path / "rest")
    shutil.rmtree(tmp_path / "rest" / "live")
    for root, out in ((judged, "whole.out"), (tmp_path / "rest", "rest.out")):
        assert exporting.exported(root, Form.CSV, tmp_path / out, event=name[:-4]).rows > 70
    for whole in (tmp_path / "whole.out").iterdir():
        assert (tmp_path / "rest.out" / whole.name).read_bytes() == whole.read_bytes()


def test_two_events_of_one_beginning(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "archive")
    exporting.event(tmp_path / "archive", makers.T0 + 45 * 60 * SECOND + SECOND)
    with pytest.raises(ArchiveError, match="2 events begin with '202605'; name one of"):
        event_called(tmp_path / "archive", "202605")


def test_names_of_files(tmp_path: Path) -> None:
    assert safe('a/b\\c:"*?<>|d') == "a_b_c_______d"
    assert safe("..") == "_"
    assert safe(" .x. ") == "x"
    assert safe("站\n1") == "站_1"
    assert len(safe("站" * 200).encode()) <= 120
    target = Target(tmp_path / "out", is_folder=True)
    with target:
        names = [target.file(name, ".csv").name for name in ("A", "a", "A (2)", "a")]
        for name in names:
            (target.made / name).touch()
    assert names == ["A.csv", "a (2).csv", "A (2) (2).csv", "a (3).csv"]
    assert [path.name for path in target.files()] == sorted(names)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_numbers_are_told_with_as_few_digits_as_needed(values: list[float]) -> None:
    found = np.array(values, np.float32)
    told = [FORMAT % value for value in plain(found).tolist()]
    np.testing.assert_array_equal(np.array(told, np.float32) if told else found, found)
    for text, value in zip(told, found, strict=True):
        if 1e-5 < abs(value) < 1e9:
            assert len(text) <= len(FORMAT % float(np.format_float_positional(value, unique=True)))
