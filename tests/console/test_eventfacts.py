"""What the page of an event says of how it was judged, to those who see all regions and to those who don't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archive.answers import plain
from archive.records import Answer, Record
from console.eventfacts import statements, why
from console.texts import Texts
from tests.archives import T0, event


def test_figures_that_may_name_any_device_are_for_who_sees_all() -> None:
    said = Answer.of(plain(event(T0), lambda device: None))
    detail = {"probabilities": {said.kind: 0.9}, "rules": ["all of them fell"], "named": [["South 07", 0.4]]}
    said, text = replace(said, detail=detail), Texts("en")
    whole, part = (list(why(said, text, sees)) for sees in (lambda region: True, lambda region: region == "north"))
    assert "South 07" in str(whole)
    assert "South 07" not in str(part)
    assert part == whole[:2]


@pytest.mark.parametrize(("language", "row"), [("en", "Line or bus"), ("zh", "线路或母线")])
def test_the_line_that_it_was_stands_among_the_statements(language: str, row: str) -> None:
    said, text = Answer.of(plain(event(T0), lambda device: None)), Texts(language)

    def rows(said: Answer, regions: str = "") -> dict[str, list[str]]:
        held = Record(said.id, None, [said])
        return {each.name: list(each.values) for each in statements(held, text, lambda region: region == regions).rows}

    assert row not in rows(said)
    line = replace(said, detail={"location": {"named": [["line A - B circuit 1", 0.264], ["C", 0.1]]}})
    assert rows(line)[row] == ["line A - B circuit 1 26%, C 10%"]
    assert row not in rows(line, "north")  # who sees one region only
