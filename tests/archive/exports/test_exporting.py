"""What holds for every format: what is found, what is refused, and that nothing half-done ever has its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.exports import span
from archive.exports.exporting import export
from archive.exports.forms import Form, form_of
from archive.exports.numbers import FORMAT, plain
from archive.exports.plan import plan
from archive.exports.span import Span
from archive.exports.target import Target, safe
from archive.exports.wishes import Wish, find_event, quantities, wish
from archive.folder import ArchiveError
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests import archives as makers
from tests import exporting

ROOT = Path(__file__).parents[3]
NAMES = {Form.CSV: "out", Form.HDF5: "out.h5", Form.XLSX: "out.xlsx", Form.COMTRADE: "out", Form.MAT: "out.mat",
         Form.PARQUET: "out"}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


class Stopped(BaseException):
    """Somebody pressed Ctrl-C."""


@pytest.mark.parametrize("form", list(Form))
def test_what_is_broken_off_leaves_nothing(root: Path, tmp_path: Path, form: Form) -> None:
    calls = 0

    def stop(rows: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stopped

    with pytest.raises(Stopped):
        export(root, Wish(), form, tmp_path / "deeper" / NAMES[form], lambda _: stop)
    assert list((tmp_path / "deeper").iterdir()) == []


@pytest.mark.parametrize("form", list(Form))
def test_what_is_there_stays(root: Path, tmp_path: Path, form: Form) -> None:
    (tmp_path / NAMES[form]).write_text("mine")
    with pytest.raises(ArchiveError, match="exists already; name another"):
        exporting.exported(root, form, tmp_path / NAMES[form])
    assert (tmp_path / NAMES[form]).read_text() == "mine"


@pytest.mark.parametrize("form", list(Form))
def test_progress_comes_to_all_rows(root: Path, tmp_path: Path, form: Form) -> None:
    told = []
    report = export(root, Wish(), form, tmp_path / NAMES[form], lambda found: told.append)  # type: ignore[arg-type,return-value]
    assert sum(told) == report.rows == 2 * (120 + 100) + 90 + 90 + 3
    assert report.bytes == sum(Path(name).stat().st_size for name in report.files)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"devices": ["站 9"]}, "no station '站 9' in that time; there are: 站 1, "),
        ({"wanted": ["freqency"]}, "no quantity 'freqency'; there are: frequency, rocof"),
        ({"wanted": ["magnitude:UX"]}, "no station has magnitude of 'UX'; channels of it: UA h1, "),
        ({"start": makers.T0 + 20 * SECOND, "end": makers.T0 + 30 * SECOND},
         "nothing in that time; there are files of the hours 20260503T09Z to 20260503T10Z"),
        ({"devices": ["link3/twin"], "start": makers.T0 + 2 * SECOND}, "no station 'link3/twin' in that time"),
        ({"start": 2, "end": 1}, "ends before it begins"),
        ({"event": "2027"}, "no event '2027'; there are: 20260503T092001.000Z_"),
    ],
)  # fmt: skip
def test_what_is_not_there(root: Path, tmp_path: Path, asked: dict[str, Any], fault: str) -> None:
    with pytest.raises(ArchiveError, match=fault):
        exporting.exported(root, Form.CSV, tmp_path / "out", **asked)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_archive(tmp_path: Path) -> None:
    Archive(tmp_path / "archive").close()
    with pytest.raises(ArchiveError, match="nothing in that time: the archive is empty"):
        exporting.exported(tmp_path / "archive", Form.CSV, tmp_path / "out")


def test_of_many_names_the_nearest_are_told(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for link in range(1, 61):
        archive.take(makers.configuration(link, name=f"Hub {link:02}" if link % 2 else f"North-{link:02}"))
        archive.take(makers.measurements([link], makers.grid(0, 1)))
    archive.commit(makers.NONE)
    archive.close()
    with pytest.raises(ArchiveError, match=r"there are: North-42, .* and 40 more") as found:
        exporting.exported(tmp_path / "archive", Form.CSV, tmp_path / "out", devices=["Nort-42"])
    assert "Hub" not in str(found.value)


def found_of(root: Path, **asked: Any) -> Any:
    """The plan of a wish."""
    wanted = wish(root, **asked)
    span = Span(root, wanted.start, wanted.end, wanted.clips)
    try:
        return plan(root, wanted, span)
    finally:
        span.close()


def test_counting(root: Path) -> None:
    found = found_of(root)
    tracks = {track.label: track for track in found.tracks}
    assert {label: (track.rows, track.on_grid) for label, track in tracks.items()} == {
        "站 1 harmonics": (3, True), "站 1": (240, True), exporting.ODD: (200, True),
        "link3/twin": (90, True), "link4/twin": (90, False),
    }  # fmt: skip
    assert [sheet.instants for sheet in found.sheets] == [3, 240, 90]
    assert not tracks["站 1"].steady
    assert tracks["link3/twin"].steady


def test_a_span_cuts_by_a_rows_own_time(root: Path) -> None:
    """Rows of the twin are 1.234567 ms behind their slots."""
    for end, rows in ((1_234_567, 0), (1_234_568, 1)):
        found = found_of(root, devices=["link3/twin", "link4/twin"], start=makers.T0, end=makers.T0 + end)
        assert {track.label: track.rows for track in found.tracks}.get("link4/twin", 0) == (rows if rows else 0)


def test_quantities_of_spectra(root: Path) -> None:
    def titles(**asked: Any) -> dict[str, list[str]]:
        tracks = found_of(root, devices=["站 1"], **asked).tracks
        return {track.label: [channel.title for channel in track.channels] for track in tracks}

    assert titles(wanted=["frequency,status"]) == {"站 1": ["frequency [Hz]", "status"]}
    assert titles(wanted=["magnitude:IA h5", "angle:UA"]) == {
        "站 1 harmonics": ["IA h5 magnitude [A]"],
        "站 1": ["UA angle [degrees]"],
    }
    [only] = found_of(root, devices=["站 1 harmonics"], wanted=["frequency,angle:UA"]).tracks
    assert [channel.title for channel in only.channels] == [
        "frequency [Hz]", *(f"UA h{order} angle [degrees]" for order in (1, 3, 5))]  # fmt: skip


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


def test_a_changed_configuration_goes_on_in_its_track(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.take(makers.configuration(1))
    archive.take(makers.measurements([1] * 3, makers.grid(0, 3)))
    archive.take(makers.configuration(1, version=2, latitude=30.0))
    archive.take(makers.measurements([1] * 3, makers.grid(3, 3)))
    archive.take(makers.configuration(1, version=3, phasors=["other"]))
    archive.take(makers.measurements([1] * 3, makers.grid(6, 3)))
    archive.commit(makers.NONE)
    archive.close()
    tracks = found_of(tmp_path / "archive").tracks
    assert sorted(track.rows for track in tracks) == [3, 6]
    assert len({track.label for track in tracks}) == 2
    report = exporting.exported(tmp_path / "archive", Form.CSV, tmp_path / "out.csv", wanted=["rocof"])
    assert report.rows == 9
    want = makers.measurements([1] * 9, makers.grid(0, 9)).values[:, 1]
    found = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1)[:, 2]
    np.testing.assert_array_equal(found.astype("f4"), want)


def test_rows_set_aside_and_silent_stations_are_told(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for link in (1, 2):
        archive.take(makers.configuration(link))
    archive.take(makers.measurements([1] * 5, makers.grid(0, 5)))
    archive.take(makers.measurements([1] * 2, makers.grid(0, 2), seed=1))  # other values for instants that have some
    archive.take(makers.measurements([2] * 2, makers.grid(0, 2), aside=1))
    archive.commit(makers.NONE)
    archive.close()
    report = exporting.exported(tmp_path / "archive", Form.CSV, tmp_path / "out")
    assert (report.rows, report.aside, report.silent) == (5, 4, ["站 2"])
    with pytest.raises(ArchiveError, match="nothing of that in that time; 2 rows were set aside"):
        exporting.exported(tmp_path / "archive", Form.CSV, tmp_path / "two", devices=["站 2"])


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
    found = find_event(root, "2026-05-03T09:20:01")
    for name in (found.time, Path(found.files[0]).name, Path(found.files[0]).stem, "20260503T092001.000Z"):
        assert find_event(root, name) == found
    with pytest.raises(ArchiveError, match="no event ''"):
        find_event(root, "")
    asked = wish(root, event=found.time)
    assert (asked.start, asked.end, asked.onset) == (makers.T0, makers.T0 + 2 * SECOND, makers.T0 + SECOND)
    assert asked.devices == ("站 1",)
    assert wish(root, event=found.time, devices=["站 2"], end=7).devices == ("站 2",)
    assert wish(root, event=found.time, devices=["站 2"], end=7).end == 7


def test_two_events_of_one_beginning(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "archive")
    exporting.event(tmp_path / "archive", makers.T0 + 45 * 60 * SECOND + SECOND)
    with pytest.raises(ArchiveError, match="2 events begin with '202605'; name one of"):
        find_event(tmp_path / "archive", "202605")


def test_what_is_deleted_meanwhile_is_no_silent_gap(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span, "OPEN", 1)
    shutil.copytree(root, tmp_path / "archive")
    held = tmp_path / "archive"

    def ready(_: object) -> Any:
        return lambda rows: shutil.rmtree(held / "live", ignore_errors=True)

    with pytest.raises(ArchiveError, match="rows of 20260503T10Z are there no more; export again"):
        export(held, Wish(), Form.CSV, tmp_path / "out", ready)
    assert not (tmp_path / "out").exists()


WEIGHED = """
import re, sys
from pathlib import Path
from archive import spans, tables
from archive.exports import blocks
from archive.exports.forms import Comtrade, Form
from tests import exporting
spans.BLOCK = blocks.BLOCK = blocks.WIDE = tables.MEMORY = 1 << 20
tables.CHUNK = 1000
root, form, out, end = sys.argv[1:]
exporting.exported(Path(root), Form(form), Path(out), Comtrade.BINARY32, end=int(end))
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished files with rows of 24 MB: two stations with 202 channels, five minutes."""
    root, table = tmp_path_factory.mktemp("heavy"), Table(50, 100, 0, 0)
    archive = Archive(root)
    for link in (1, 2):
        archive.take(makers.configuration(link, table))
        for first in range(0, 15_000, 3000):
            archive.take(makers.measurements([link] * 3000, makers.grid(first, 3000), table))
            archive.commit(makers.NONE)
    archive.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archive.tables.CHUNK", 500)
        yield exporting.finished(root)


@pytest.mark.parametrize(("form", "seconds"), [(Form.CSV, 40), (Form.XLSX, 10), (Form.HDF5, 300), (Form.MAT, 300),
                                               (Form.COMTRADE, 300), (Form.PARQUET, 300)])  # fmt: skip
def test_memory_is_bounded(heavy: Path, tmp_path: Path, form: Form, seconds: int) -> None:
    """What a process takes at most for some time, and for a tenth of it, differ by a few blocks of 1 MB."""

    def weight(seconds: int) -> int:
        out = str(tmp_path / f"{seconds}{NAMES[form]}")
        told = [str(heavy), form.value, out, str(makers.T0 + seconds * SECOND)]
        done = subprocess.run([sys.executable, "-c", WEIGHED, *told], cwd=ROOT, timeout=100, check=True, text=True,
                              env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)  # fmt: skip
        return int(done.stdout) << 10

    grown = weight(seconds) - weight(seconds // 10)
    assert grown < 16 << 20


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


def test_formats_by_their_names() -> None:
    assert form_of(Path("x.H5")) is Form.HDF5
    assert form_of(Path("x.xlsx")) is Form.XLSX
    assert form_of(Path("folder")) is None
