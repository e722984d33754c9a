"""What the page of an event says of how it was judged, to those who see all regions and to those who don't."""

from __future__ import annotations

from dataclasses import replace

from archive.answers import plain
from archive.records import Answer
from console.eventfacts import why
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
