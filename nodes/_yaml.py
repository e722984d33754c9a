"""YAML as plain data with the line of every value, and without its traps.

Scalars are read as YAML 1.2 does (core schema): `on`, `no` and `12:30` are text, `0x1F` is a number, `007` is
text that a number's setting still takes for 7. What has no place in such files is a fault: keys that stand twice,
aliases and tags, several documents, absurd depth or size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from nodes._faults import Lines, Path

Event = Any
"""An event of PyYAML; its stubs know less than it has."""

MAX_SIZE = 8 * 1024 * 1024
"""Bytes of a file: a site with some fifty thousand devices (ten thousand, each with all settings, take 1.5 MB)."""
MAX_WIRING = 1024 * 1024
"""Bytes of a pipeline file."""
MAX_DEPTH = 32
MAX_VALUES = 500_000
"""Keys, words and lists of a file: some seconds of work."""
MAX_FAULTS = 100
"""A file with more is not read on."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"": None, "~": None} | {
    form(word): value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (str.lower, str.title, str.upper)
}
_MAX_DIGITS = 19


def read(path: FilePath, shown: str | None = None, limit: int = MAX_SIZE) -> tuple[Any, Lines, str]:
    """(data, lines, text) of a YAML file; `shown` is its name in faults. Data is None if it can't be read."""
    lines = Lines(shown or str(path), {}, [])
    try:
        with open(path, "rb") as file:
            raw = file.read(limit + 1)
        if len(raw) > limit:
            lines.fault((), f"larger than {limit} bytes", "is it the right file?")
            return None, lines, ""
        text = raw.decode()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        lines.fault((), f"cannot be read: {why}", "name a readable YAML file")
        return None, lines, ""
    return parse(text, lines), lines, text


def parse(text: str, lines: Lines) -> Any:
    """The data in `text`; places and faults go to `lines`."""
    try:
        return _Builder(yaml.parse(text, Loader=LOADER), lines).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines.at[("",)] = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.context, error.problem) if part)
        lines.fault(("",), f"not YAML: {what}", "mind indentation, colons and brackets around here")
    except yaml.YAMLError as error:
        lines.fault((), f"not YAML: {str(error).splitlines()[0]}", "write plain text in UTF-8")
    return None


def scalar(text: str) -> Any:
    """What an unquoted word means: None, bool, int, float or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _MAX_DIGITS and _INT.fullmatch(text):
        return int(text)
    if len(text) <= _MAX_DIGITS and _HEX.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text


class _Builder:
    """Events of libyaml to data. Recursion is ours, so its depth is bounded."""

    def __init__(self, events: Iterator[Event], lines: Lines) -> None:
        self.events = events
        self.lines = lines
        self.values = 0

    def document(self) -> Any:
        data: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fault(event, ("",), "a second document begins here", "one file holds one document")
                    return data
            elif isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
                data = self.value(event, (), 0)
        return data

    def value(self, event: Event, path: Path, depth: int) -> Any:
        self.lines.at.setdefault(path, event.start_mark.line + 1)
        self.values += 1
        if self.values > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} values", problem_mark=event.start_mark)
        if isinstance(event, AliasEvent):
            self._fault(event, path, f"*{event.anchor} is an alias", "write the value out")
            return None
        if event.tag and event.tag != "!":
            self._fault(event, path, f"{event.tag} is a tag", "leave it out")
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=event.start_mark)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path, depth)
        if isinstance(event, MappingStartEvent):
            return self.mapping(path, depth)
        return scalar(event.value) if event.implicit[0] and not event.style else event.value

    def sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self.value(event, (*path, len(items)), depth + 1))
        return items

    def mapping(self, path: Path, depth: int) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            key = self.key(event, path, entries, depth)
            self.lines.at.setdefault((*path, key), event.start_mark.line + 1)
            value = self.value(next(self.events), (*path, key), depth + 1)
            entries.setdefault(key, value)
        return entries

    def key(self, event: Event, path: Path, entries: dict[Any, Any], depth: int) -> str:
        if not isinstance(event, ScalarEvent):
            self._fault(event, path, "a key is not a word", "write keys as plain words")
            self.value(event, (*path, ""), depth + 1)
            return ""
        if event.value in entries:
            first = self.lines.at[(*path, event.value)]
            self._fault(event, path, f"{event.value!r} stands twice (first in line {first})", "keep one of them")
        return str(event.value)

    def _fault(self, event: Event, path: Path, what: str, remedy: str) -> None:
        mark = ("", *path)  # a place of its own: the path itself may name the line where the value first stood
        self.lines.at[mark] = event.start_mark.line + 1
        self.lines.fault(mark, what, remedy)
        if len(self.lines.faults) > MAX_FAULTS:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_FAULTS} faults", problem_mark=event.start_mark)
