"""What holds for every format: what is found, what is refused, and that nothing half-done ever has its name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.exports import span
from archive.exports.exporting import export
from archive.exports.forms import Form, form_of
from archive.exports.plan import plan
from archive.exports.span import Span
from archive.exports.wishes import Wish, wish
from archive.folder import ArchiveError
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import device_number
from tests import archives as makers
from tests import exporting

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


def test_a_name_that_is_taken_meanwhile(root: Path, tmp_path: Path) -> None:
    def ready(_: object) -> Any:
        (tmp_path / "out" / "mine").mkdir(parents=True)
        return lambda rows: None

    with pytest.raises(OSError, match="not empty"):
        export(root, Wish(), Form.CSV, tmp_path / "out", ready)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


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


def test_a_number_that_the_time_knows_nothing_of_is_a_silent_station(tmp_path: Path) -> None:
    root = exporting.fill(tmp_path / "archive")
    one, nobody = str(device_number(1, 0)), str(device_number(77, 0))
    report = exporting.exported(root, Form.CSV, tmp_path / "out", devices=[one, nobody], wanted=["frequency"])
    assert (report.stations, report.silent) == (1, [nobody])
    with pytest.raises(ArchiveError, match=r"nothing of the stations asked for in that time$"):
        exporting.exported(root, Form.CSV, tmp_path / "none", devices=[nobody])


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


def test_formats_by_their_names() -> None:
    assert form_of(Path("x.H5")) is Form.HDF5
    assert form_of(Path("x.xlsx")) is Form.XLSX
    assert form_of(Path("folder")) is None
