"""Verbs of the command line as the console says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.pages._change import lines
from console.verbs import MOST_COPIES, VerbError, Verbs
from tests.asynchronous import run

VERBS = Verbs(Path("/station/mine.yaml"), "/run/station")


def test_each_is_shown_before_it_is_done() -> None:
    assert VERBS.scale("prejudge", 3, False) == ("scale", "/station/mine.yaml", "prejudge", "3", "--json", "--dry-run")
    assert VERBS.scale("prejudge", 3, True)[-1] == "--yes"
    assert VERBS.up(False) == ("up", "/station/mine.yaml", "--json", "--dry-run")
    assert VERBS.swap("prejudge", "rocof", ["limit=4"], True) == (
        "swap", "/station/mine.yaml", "prejudge", "--algorithm=rocof", "--setting=limit=4", "--json", "--yes",
    )  # fmt: skip
    assert VERBS.act("start", "align") == ("start", "/station/mine.yaml", "align", "--json")
    assert VERBS.act("stop", "align")[-1] == "--yes"


@pytest.mark.parametrize("copies", [0, -1, MOST_COPIES + 1])
def test_copies_have_bounds(copies: int) -> None:
    with pytest.raises(VerbError):
        VERBS.scale("prejudge", copies, False)


@pytest.mark.parametrize(("algorithm", "settings"), [
    ("./mine.py", []), ("--help", []), ("", []), ("emd", ["limit"]), ("emd", ["--yes"]), ("emd", ["a=1\nb=2"]),
])  # fmt: skip
def test_nothing_but_names_and_values_is_passed_on(algorithm: str, settings: list[str]) -> None:
    with pytest.raises(VerbError):
        VERBS.swap("prejudge", algorithm, settings, False)


def test_a_fault_is_told_in_the_words_of_the_verb(tmp_path: Path) -> None:
    verbs = Verbs(tmp_path / "none.yaml", str(tmp_path))
    said: list[str] = []
    with pytest.raises(VerbError, match=r"none\.yaml"):
        run(verbs.carry_out(verbs.draw(), said.extend))
    assert said


def test_a_plan_is_told_in_lines() -> None:
    plan = {
        "differences": [{"node": "align", "what": "changed", "kind": "concentrator",
                         "settings": [["wait", "100 ms", "500 ms"]]}],
        "steps": [{"do": "restart", "process": "align", "why": "other settings: wait", "cost": "slots come late"}],
        "kept": ["front"],
    }  # fmt: skip
    assert lines(plan) == [
        "~ align (concentrator)", "    wait: 100 ms → 500 ms", "restart align: other settings: wait",
        "    slots come late", "= front",
    ]  # fmt: skip
    assert lines({"steps": [], "kept": ["front"]}) == []
