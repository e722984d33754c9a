"""syms events: list, show; the page and the picture of an event."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from archive.clips import traces
from archive.events import find_event
from archive.evidence import angles
from archive.records import Record, read_event
from archive.writer import Archive
from commands import _eventplot
from commands.app import make_app
from protocol.clock import SECOND
from tests import archives as makers
from tests.archives import T0

APP = make_app(["events", "export"])
ONSET = T0 + 20 * SECOND
ID = "20260503T092020.000Z_suspects"


def syms(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(each) for each in arguments], env={"COLUMNS": "250"})


def filled(root: Path) -> Path:
    """An event, one that was bad data only, and one that is open."""
    with closing(Archive(root)) as archive:
        for link, (latitude, longitude) in enumerate([(31.5, 120.0), (32.5, 121.0), (31.0, 121.5)], 1):
            archive.take(makers.configuration(link, latitude=latitude, longitude=longitude))
            archive.take(makers.measurements([link] * 3000, makers.grid(0, 3000)))
        for answer in (1, 2, 3):
            archive.take(makers.event(ONSET, (1, 2, 3), answer))
        archive.take(makers.event(T0 + 40 * SECOND, answer=3, disturbance=False, kind="none", nearest=[], ellipse=[],
                                  latitude=np.nan, longitude=np.nan))  # fmt: skip
        archive.commit(makers.NONE)
        archive.write_events(makers.NONE, 0, 10 * SECOND, 20 * SECOND, everything=True)
        archive.take(makers.event(T0 + 50 * SECOND, kind="load_loss", size_mw=700.0))
        archive.commit(makers.NONE)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read by all."""
    return filled(tmp_path_factory.mktemp("root"))


@pytest.fixture
def record(root: Path) -> Record:
    return find_event(root, ID)


@pytest.fixture
def drawn(record: Record) -> Any:
    assert record.path is not None
    return _eventplot.figure(record, traces(record.path))


def test_list_says_what_where_how_large_and_how_sure(root: Path) -> None:
    for words in (("events", root), ("events", "list", root)):
        lines = syms(*words).stdout
        for told in ("2026-05-03T09:20:20.020 ", "gen_trip (88%)", "-43 mHz", "31.50, 120.25 ± 50 km", "near 站 1",
                     ID, "load_loss (62%), answer 1", "+700 MW", "3 stations"):  # fmt: skip
            assert told in lines
        assert "bad data" not in lines


def test_a_row_of_the_list_fits_a_terminal_and_a_pipe(root: Path) -> None:
    for columns in ("80", None):
        lines = CliRunner().invoke(APP, ["events", str(root)], env={"COLUMNS": columns}).stdout.splitlines()
        assert any("2026-05-03T09:20:20.020 " in line and "gen_trip" in line and "-43 mHz" in line for line in lines)
        assert any(ID in line for line in lines)


def test_list_of_some(root: Path) -> None:
    found = json.loads(syms("events", root, "--kind", "load_loss", "--json").stdout)
    assert [(each["kind"], each["size_mw"], each["files"]) for each in found] == [("load_loss", 700.0, [])]
    found = json.loads(syms("events", "--json", "--to", "2026-05-03T09:20:30Z", root).stdout)
    assert [each["id"] for each in found] == [ID]
    assert found[0]["size_mw"] is None
    assert "there are: gen_trip, load_loss" in syms("events", root, "--kind", "gentrip").stdout
    rejected = syms("events", root, "--rejected").stdout
    assert "bad data: 站 2" in rejected
    assert "gen_trip" not in rejected


def test_show_has_each_statement_and_what_led_to_it(root: Path) -> None:
    shown = syms("events", "show", "20260503T092020", root)
    assert shown.exit_code == 0, shown.output
    for told in (f"{ID}  answer 3, final", "gen_trip 88% (load_loss 10%)", "2026-05-03 09:20:20.020", "-43 mHz",
                 "with 95 % within 50 x 20 km", "frequency falls", 'detection scores: {"transient": 3.5}', "windows",
                 "+0.060", "spike", "1 ", "2 ", "3 final", "62%", "75%", f"{ID}.h5"):  # fmt: skip
        assert told in shown.stdout, told


def test_the_line_of_the_network_is_named(tmp_path: Path) -> None:
    detail = {"location": {"named": [["line A - B circuit 1", 0.264], ["C", 0.1]]}}
    with closing(Archive(tmp_path)) as archive:
        archive.take(makers.configuration(1))
        archive.take(makers.event(ONSET, answer=3, detail=detail))
        archive.commit(makers.NONE)
    shown = syms("events", "show", "2026", tmp_path).stdout
    assert "named       line A - B circuit 1 26%, C 10%" in shown


def test_suspicions_are_told_by_station(tmp_path: Path) -> None:
    told = [{"device": 65536 * link, "trigger": "windows", "start": 0, "onset": ONSET + late, "score": score}
            for link, late, score in ((2, 0, 1.5), (1, 40_000_000, 2.0), (2, 20_000_000, 9.5))]  # fmt: skip
    with closing(Archive(tmp_path)) as archive:
        for link in (1, 2):
            archive.take(makers.configuration(link))
        archive.take(makers.event(ONSET, answer=3, suspicions=told))
        archive.commit(makers.NONE)
    shown = syms("events", "show", "2026", tmp_path).stdout
    table = shown.partition("suspicions")[2].partition("bad data")[0]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    assert rows == [
        ["站 2", "windows", "2026-05-03 09:20:20.000", "2", "9.5"],
        ["站 1", "windows", "2026-05-03 09:20:20.040", "1", "2.0"],
    ]


def test_show_as_json_has_everything(root: Path) -> None:
    said = json.loads(syms("events", "show", ID, root, "--json").stdout)
    assert [each["answer"] for each in said["answers"]] == [1, 2, 3]
    last = said["answers"][-1]
    assert [each["name"] for each in last["devices"]] == ["站 1", "站 2", "站 3"]
    assert last["devices"][2]["arrival"] == ONSET + 80_000_000
    assert last["detail"]["probabilities"]["load_loss"] == 0.1
    assert last["size_mw"] is None


def test_show_an_open_event_and_a_rejected_one(root: Path) -> None:
    shown = syms("events", "show", "20260503T092050", root).stdout
    assert "answer 1, not final" in shown
    assert "its file is made when the event is over" in shown
    assert "no disturbance: bad data of 站 2" in syms("events", "show", "20260503T092040", root).stdout


def test_show_what_nobody_could_judge(tmp_path: Path) -> None:
    failed: dict[str, Any] = {"outcome": "failed", "error": "it raised", "disturbance": False, "kind": "unknown"}
    root = filled(tmp_path)
    with closing(Archive(root)) as archive:
        archive.take(makers.event(T0 + 50 * SECOND, answer=3, **failed))
        archive.take(makers.event(T0 + 55 * SECOND, answer=3, **failed))
        archive.commit(makers.NONE)
    again = syms("events", "show", "20260503T092050", root).stdout
    assert "nobody could judge it again (failed: it raised); this is answer 1" in again
    assert "load_loss 62%" in again
    assert "not judged" in syms("events", "show", "20260503T092055", root).stdout
    assert "not judged (failed)" in syms("events", root).stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [("2027", "no event '2027'"), ("20260503", "2 events begin with '20260503'"), ("", "events begin with ''")],
)
def test_a_beginning_that_is_none_or_several_is_refused(root: Path, name: str, told: str) -> None:
    result = syms("events", "show", name, root)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr


def test_an_event_of_verdicts_alone_is_shown_too(tmp_path: Path) -> None:
    with closing(Archive(tmp_path)) as archive:
        archive.take(makers.verdict(1, ONSET))
        archive.commit(makers.NONE)
        [path] = archive.write_events(makers.NONE, 0, SECOND, SECOND, everything=True)
    shown = syms("events", "show", path.stem, tmp_path)
    assert "no event trigger said anything of it" in shown.stdout
    assert "limit_mhz" in shown.stdout
    result = syms("events", "show", path.stem, tmp_path, "--plot", tmp_path / "x.png")
    assert (result.exit_code, (tmp_path / "x.png").exists()) == (1, False)
    assert path.stem in syms("events", tmp_path).stdout


def test_answers_as_csv(root: Path) -> None:
    lines = syms("export", root, "--events").stdout.splitlines()
    assert len(lines) == 1 + 3 + 1 + 1
    assert lines[0].startswith("id,answer,final,disturbance,kind,confidence,onset,")
    assert lines[1].startswith(f"{ID},1,0,1,gen_trip,0.625,{ONSET + 20_000_000},")


def test_the_picture_has_what_devices_showed(record: Record, drawn: Any) -> None:
    frequency, voltage, angle, *_ = drawn.axes
    assert [axis.get_ylabel() for axis in (frequency, voltage, angle)] == [
        "frequency (Hz)", "voltage (pu of before)", "angle differences (degrees)"]  # fmt: skip
    lines = {line.get_label(): line for line in frequency.lines}
    assert {"站 1", "站 2", "站 3"} <= set(lines)
    assert record.path is not None
    held = next(trace for trace in traces(record.path) if trace.name == "站 2")
    np.testing.assert_array_equal(lines["站 2"].get_xdata(), (held.time - record.counting.onset) / SECOND)
    np.testing.assert_array_equal(lines["站 2"].get_ydata(), held.frequency)
    marks = [line for line in frequency.lines if line.get_marker() == "v"]
    assert [round(float(line.get_xdata()[0]), 3) for line in marks] == [-0.02, 0.02, 0.06]
    assert len(frequency.patches) == len(voltage.patches) == 1  # the span of bad data
    assert frequency.patches[0].get_x() == pytest.approx(-9.02)
    assert frequency.patches[0].get_width() == pytest.approx(1.0)


def test_bad_data_of_several_devices_lie_one_above_the_other(record: Record) -> None:
    one, *_ = record.counting.bad
    bad = [one, one | {"device": 65536}, one | {"device": 65536, "start": ONSET, "stop": ONSET + SECOND}]
    held = replace(record, answers=[replace(record.counting, bad=bad)])
    assert record.path is not None
    frequency = _eventplot.figure(held, traces(record.path)).axes[0]
    spans = [(each.get_y(), each.get_height()) for each in frequency.patches]
    assert spans == [(0.5, 0.5), (0.0, 0.5), (0.0, 0.5)]


def test_the_picture_has_places_probabilities_and_words(drawn: Any) -> None:
    _, _, _, plan, kinds, words = drawn.axes
    largest, *_, smallest = (mark.get_sizes()[0] for mark in plan.collections)
    assert largest > smallest
    assert {each.get_text() for each in plan.texts} == {"站 1", "站 2", "站 3"}
    assert [line.get_label() for line in plan.lines] == ["located", "95 %"]
    assert [bar.get_width() for bar in kinds.patches] == [0.1, 0.875]
    assert [label.get_text() for label in kinds.get_yticklabels()] == ["load_loss", "gen_trip"]
    assert "- frequency falls" in words.texts[0].get_text()


def test_the_ellipse_is_as_long_and_turned_as_told(record: Record) -> None:
    said = replace(record.counting, latitude=60.0, longitude=0.0, ellipse=[100.0, 10.0, 90.0])
    east, north = _eventplot.outline(said)
    assert np.ptp(east) * 111.2 * 0.5 == pytest.approx(200.0, rel=1e-3)
    assert np.ptp(north) * 111.2 == pytest.approx(20.0, rel=1e-3)


def test_angles_are_differences_from_before_the_onset(record: Record) -> None:
    assert record.path is not None
    one, other, *_ = traces(record.path)
    turning = np.arange(one.time.size)
    step = np.where(one.time >= ONSET, 30.0, 0.0)
    one = replace(one, angle=(turning * 3.7 % 360.0).astype(np.float32))
    other = replace(other, angle=((turning * 3.7 + step + 100.0) % 360.0).astype(np.float32))
    found = angles([one, other], ONSET)
    np.testing.assert_allclose(found[id(one)], 0.0, atol=1e-3)
    np.testing.assert_allclose(found[id(other)], step, atol=1e-2)


def test_plot_writes_a_png_of_its_size(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    result = syms("events", "show", ID, root, "--plot", target)
    assert result.exit_code == 0, result.output
    data = target.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == tuple(round(inches * _eventplot.DPI) for inches in _eventplot.INCHES)


def test_an_event_without_raw_data_or_place_is_drawn(root: Path, tmp_path: Path) -> None:
    for name in ("20260503T092050", "20260503T092040"):
        result = syms("events", "show", name, root, "--plot", tmp_path / f"{name}.png")
        assert result.exit_code == 0, result.output


def test_without_matplotlib_the_remedy_is_told(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = syms("events", "show", ID, root, "--plot", tmp_path / "out.png")
    assert result.exit_code == 1
    assert "pip install 'syms-station[plots]'" in result.stderr
    assert read_event(root / "events" / f"{ID}.h5").final
