"""Names chosen by patterns as of file names: `*` is any text, `?` any sign, everything else (brackets, too) itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

V = TypeVar("V")


def matches(names: Iterable[str], patterns: Iterable[str]) -> bool:
    """Whether one of the names answers to one of the patterns."""
    wanted = [pattern.replace("[", "[[]") for pattern in patterns]
    return any(pattern == "*" or fnmatchcase(name, pattern) for name in names for pattern in wanted)


def chosen(table: Mapping[str, V], *names: str) -> V | None:
    """The entry of the first pattern that one of the names answers to; None if none does."""
    return next((entry for pattern, entry in table.items() if matches(names, [pattern])), None)
