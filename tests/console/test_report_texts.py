"""What reports say in each language."""

from __future__ import annotations

import re

import pytest

from algorithms.coanalysis.kinds import KINDS
from algorithms.quality import Fault
from console.texts import LANGUAGES, catalogue


def test_what_is_said_in_chinese_is_chinese() -> None:
    """But for what is a name or a unit everywhere, and fields."""
    ours, theirs = (
        {key: text for key, text in catalogue(language).items() if key.startswith("report.")}
        for language in ("en", "zh")
    )
    words = {key: re.sub(r"\{.*?\}", "", text) for key, text in ours.items()}
    assert {key for key in ours if ours[key] == theirs[key] and re.search(r"[a-z]{4}", words[key])} == set()
    assert len(ours) > 150


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_all_kinds_of_events_and_bad_data_have_a_name(language: str) -> None:
    assert {f"report.kind.{kind}" for kind in KINDS} <= catalogue(language).keys()
    assert {f"report.fault.{kind}" for kind in Fault} <= catalogue(language).keys()
