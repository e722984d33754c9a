"""How benchmarks tell what they measured."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as every
from benchmarks import _plots, _report


def test_a_section_names_its_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["x.py", "--quick"])
    table = _report.table(("what", "how many"), [("rows", 3)])
    _report.section(
        "Title", "benchmarks.x", table, "", _report.goals(_report.goal("≤ 4", True), _report.goal("≥ 4", False))
    )
    assert capsys.readouterr().out == (
        "## Title\n\n`python -m benchmarks.x --quick`\n\n| what | how many |\n| --- | ---: |\n| rows | 3 |\n\n"
        "- goal: ≤ 4: held\n- goal: ≥ 4: not held\n"
    )


def test_only_the_sections_that_were_run_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(every, "RESULTS", tmp_path / "RESULTS.md")
    assert every.earlier() == {}
    every.write({"startup": "## Start\n\nslow\n", "decode": "## Decode\n\n| a |\n"})
    assert every.earlier() == {"decode": "## Decode\n\n| a |\n", "startup": "## Start\n\nslow\n"}
    every.write(every.earlier() | {"startup": "## Start\n\nfast\n"})
    text = every.RESULTS.read_text()
    assert "slow" not in text
    assert text.index("## Decode") < text.index("## Start") < text.index("fast")


def test_no_benchmark_is_left_out() -> None:
    assert {path.stem for path in every.HERE.glob("[a-z]*.py")} <= set(every.ORDER)


def test_a_plot_is_well_formed_and_begins_at_nought(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_plots, "FOLDER", tmp_path / "plots")
    path = _plots.chart("x", "a < b", "n", "cores", {"one": [(0, 0), (50, 1.5)], "two & more": [(0, 1), (50, 2)]})
    root = ElementTree.fromstring(path.read_text())
    lines = [each for each in root if each.tag.endswith("polyline")]
    points = [[tuple(map(float, point.split(","))) for point in each.attrib["points"].split()] for each in lines]
    assert len(points) == 2
    assert points[0][0] == (_plots.LEFT, _plots.HEIGHT - _plots.BOTTOM)
    assert points[0][1][0] == points[1][1][0] > points[0][0][0]
    assert points[1][1][1] < points[0][1][1]  # more is higher up
    assert _plots.reference(path, "a") == "![a](plots/x.svg)"


@pytest.mark.parametrize("largest", [0.0, 0.83, 1.0, 2.1, 3000])
def test_axes_end_soon_after_the_largest_value(largest: float) -> None:
    steps = _plots._steps(largest)
    assert steps[0] == 0
    assert largest <= steps[-1] <= max(1.0, 1.5 * largest)
    assert 2 <= len(steps) <= 7
