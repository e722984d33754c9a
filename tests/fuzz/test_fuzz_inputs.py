"""What fuzzing begins with, a few hundred changes of it, and every input that once broke something."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import files, frames
from tests.fuzz.targets import TARGETS, regressions, seeds

CHANGED = 60


@pytest.fixture(autouse=True, scope="module")
def tidy() -> Iterator[None]:
    yield
    files.forget()


@pytest.mark.parametrize(("target", "path"), regressions(), ids=lambda each: getattr(each, "name", each))
def test_what_once_broke_does_not_any_more(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_some_changes_of_them(target: str) -> None:
    chance = random.Random(target)
    known = seeds()[target]
    assert known
    for each in known:
        TARGETS[target](each)
    for _ in range(CHANGED):
        data = bytearray(chance.choice(known))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        TARGETS[target](bytes(data))


def test_a_wrong_reader_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain reader and the codec must not share a mistake by sharing code."""
    monkeypatch.setattr(frames.plain, "_wrapped", lambda degrees: -degrees)
    turned = frames.seeds()["codec"][0]
    with pytest.raises(AssertionError):
        frames.codec(turned)
