"""The catalogues of the console say the same in each language."""

from __future__ import annotations

from string import Formatter

import pytest

from console.texts import DEFAULT, LANGUAGES, catalogue


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {DEFAULT}))
def test_same_keys_and_fields(language: str) -> None:
    ours, theirs = catalogue(DEFAULT), catalogue(language)
    assert ours.keys() == theirs.keys()
    assert {key: fields(text) for key, text in ours.items()} == {key: fields(text) for key, text in theirs.items()}


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}
