"""The catalogues of the console say the same in each language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import console.texts
from console.access.permissions import ACTIONS
from console.texts import DEFAULT, LANGUAGES, catalogue
from nodes import _yaml
from nodes._faults import Lines
from protocol.c37118 import status as c37118
from protocol.gbt26865 import status as gbt26865

TEXTS = Path(console.texts.__file__).parent


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {DEFAULT}))
def test_same_keys_and_fields(language: str) -> None:
    ours, theirs = catalogue(DEFAULT), catalogue(language)
    assert ours.keys() == theirs.keys()
    assert {key: fields(text) for key, text in ours.items()} == {key: fields(text) for key, text in theirs.items()}


@pytest.mark.parametrize("name", ["en.yaml", "zh.yaml", "report.en.yaml", "report.zh.yaml"])
def test_no_key_stands_twice(name: str) -> None:
    """The second would take the place of the first, and nobody would notice."""
    lines = Lines(name, {}, [])
    _yaml.parse((TEXTS / name).read_text(encoding="utf-8"), lines)
    assert lines.faults == []


def test_all_that_may_be_done_has_a_name() -> None:
    assert {f"action.{name}" for name in ACTIONS} <= catalogue(DEFAULT).keys()


@pytest.mark.parametrize("describe", [c37118.describe_status, gbt26865.describe_status])
def test_all_that_stat_says_has_words(describe: Callable[[int], dict[str, Any]]) -> None:
    said = {str(describe(status)[name]) for status in range(0, 1 << 16, 7) for name in ("data", "trigger_reason")}
    said |= {c37118.describe_quality(quality)["time"] for quality in range(16)}
    assert {f"stat.{each}" for each in said} <= catalogue(DEFAULT).keys()


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}
