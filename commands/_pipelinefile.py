"""Edits a pipeline file as a person would: one setting of one node, and every other byte stays, comments too."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nodes import _yaml
from nodes._faults import Fault, Faulty, Lines
from nodes._pipeline import Pipeline, load


@dataclass(frozen=True)
class Draft:
    """A changed text that is not in its file yet."""

    path: Path
    text: str

    def check(self, host: str) -> Pipeline:
        """The pipeline as it will be. Raises Faulty."""
        fresh = self._beside()
        try:
            return load(self.path, here=host, wired=fresh)
        finally:
            fresh.unlink()

    def write(self) -> None:
        """Into the file, as a whole: who reads it sees the old one or the new one."""
        os.replace(self._beside(), self.path.resolve())

    def _beside(self) -> Path:
        """The text in a file of its own, with the owner and the rights of the other."""
        path = self.path.resolve()
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with open(fresh, "w", encoding="utf-8", newline="") as file:
            info = path.stat()
            with suppress(PermissionError):  # who is not root is the owner, or may not give it away
                os.fchown(file.fileno(), info.st_uid, info.st_gid)
            os.fchmod(file.fileno(), info.st_mode & 0o777)
            file.write(self.text)
            file.flush()
            os.fsync(file.fileno())
        return fresh


def edited(path: Path, text: str, node: str, settings: dict[str, Any]) -> Draft:
    """The text of a pipeline file with these settings of one of its nodes. Raises Faulty if it can't be edited so."""
    wanted = _data(path, text)
    wanted["nodes"][node] |= settings
    for key, value in settings.items():
        text = _with(text, node, key, _flow(value))
    if _data(path, text) != wanted:
        line = _entry(text, node)[0].start_mark.line + 1
        raise Faulty([Fault(str(path), line, f"{node} can't be edited without a change to others", "edit it by hand")])
    return Draft(path, text)


def _data(path: Path, text: str) -> Any:
    lines = Lines(str(path), {}, [])
    data = _yaml.parse(text, lines)
    if lines.faults:
        raise Faulty(lines.faults)
    return data


def _flow(value: Any) -> str:
    """A value in one line."""
    told: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return told.removesuffix("\n").removesuffix("...").rstrip("\n")


def _entry(text: str, node: str) -> tuple[Any, Any]:
    """(key, value) of a node under `nodes`."""
    root: Any = yaml.compose(text, Loader=_yaml.LOADER)
    nodes = next(value for key, value in root.value if key.value == "nodes")
    key, value = next(pair for pair in nodes.value if pair[0].value == node)
    return key, value


def _with(text: str, node: str, key: str, value: str) -> str:
    _, entry = _entry(text, node)
    for name, was in entry.value:
        if name.value == key:
            return _instead(text, name.end_mark.index, was, value)
    last = _last_leaf(entry.value[-1][1]).end_mark.index
    if entry.flow_style:
        return f"{text[:last]}, {key}: {value}{text[last:]}"
    at = text.find("\n", last)
    at = len(text) if at < 0 else at
    return f"{text[:at]}\n{' ' * entry.start_mark.column}{key}: {value}{text[at:]}"


def _instead(text: str, behind: int, was: Any, value: str) -> str:
    """`value` where `was` stood; its key ends at `behind`."""
    begin, end = was.start_mark.index, _last_leaf(was).end_mark.index
    if begin == end or "\n" in text[behind:begin]:  # nothing is written there, or lines of their own
        return f"{text[:behind]}: {value}{text[end:]}"
    return text[:begin] + value + text[end:]


def _last_leaf(node: Any) -> Any:
    """Where a value ends as it is written: a block's own end is behind what follows it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node
