"""Edits a site file as a person would: entries come and go, and every other byte stays, comments and spaces too.

Places are those that the YAML parser tells; what is written is checked before it takes the place of the old file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from nodes import _site, _yaml
from nodes._faults import Fault, Faulty
from nodes._registry import FIRST
from nodes._sitedevice import Device

Entry = dict[str, Any]
"""Settings of a device, as plain data."""
_NONE: tuple[Any, Any] = None, None
_EARLIER = re.compile(r"in line (\d+)$")
"""Of a fault: where what stands twice stands, too."""


@dataclass(frozen=True)
class Draft:
    """A changed text that is not in its file yet."""

    path: Path
    before: str
    after: str
    lines: tuple[range, ...] = ()
    """Of each new entry, its lines in the text (1-based)."""
    stays: tuple[Device, ...] = ()
    """Devices that are not to change."""

    @property
    def diff(self) -> str:
        """As people read it."""
        old, new = (text.splitlines(keepends=True) for text in (self.before, self.after))
        name = str(self.path)
        return "".join(difflib.unified_diff(old, new, name, f"{name} (new)", n=1))

    def check(self, source: Callable[[int], tuple[str, int]] | None = None) -> _site.Site:
        """The site as it will be. Raises Faulty; `source` tells (file, line) of a new entry, by its position."""
        try:
            site = _site.check(self.after, str(self.path))
            if not all(device in site.devices for device in self.stays):
                what = "can't be edited without a change to other entries"
                raise Faulty([Fault(str(self.path), 1, what, "edit it by hand")])
            return site
        except Faulty as faulty:
            raise Faulty([self._placed(fault, source) for fault in faulty.faults]) from faulty

    def _placed(self, fault: Fault, source: Callable[[int], tuple[str, int]] | None) -> Fault:
        if source is None or not any(fault.line in lines for lines in self.lines):
            return fault
        where = partial(self._source, source)
        file, line = where(fault.line)
        what = _EARLIER.sub(lambda found: "in {}:{}".format(*where(int(found[1]))), fault.what)
        return Fault(file, line, what, fault.remedy)

    def _source(self, source: Callable[[int], tuple[str, int]], line: int) -> tuple[str, int]:
        """(file, line) that a line of the text comes from."""
        position = next((k for k, lines in enumerate(self.lines) if line in lines), None)
        if position is not None:
            return source(position)
        grown = sum(len(lines) for lines in self.lines if lines.start <= line)
        return str(self.path), line - grown

    def write(self) -> None:
        """Into the file, as a whole: who reads it sees the old one or the new one. Raises Faulty and OSError."""
        path = self.path.resolve()
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(fresh, "w", encoding="utf-8", newline="") as file:
                info = path.stat()
                with suppress(PermissionError):  # who is not root is the owner, or may not give it away
                    os.fchown(file.fileno(), info.st_uid, info.st_gid)
                os.fchmod(file.fileno(), info.st_mode & 0o777)
                file.write(self.after)
                file.flush()
                os.fsync(file.fileno())
            _site.load(fresh, str(self.path))
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class SiteFile:
    """A site file without faults. Raises Faulty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.site = _site.load(path)
        self.text = self.site.text
        root = yaml.compose(self.text, Loader=_yaml.LOADER)
        pairs: list[Any] = getattr(root, "value", [])
        self._key, self._devices = next((pair for pair in pairs if pair[0].value == "devices"), _NONE)

    def free_number(self, taken: Sequence[int] = ()) -> int | None:
        """The next number: above all others, so that none is given twice; then one that is free. None: there is none.

        From 32768 on balancers give them.
        """
        used = {device.number for device in self.site.devices} | set(taken)
        above = max((number for number in used if number < FIRST), default=0) + 1
        return above if above < FIRST else next((each for each in range(1, FIRST) if each not in used), None)

    def with_entries(self, entries: Sequence[Entry]) -> Draft:
        """These behind those that are there, written as the last of them is."""
        node = self._devices
        if not entries:
            return Draft(self.path, self.text, self.text)
        if node is not None and node.value and node.flow_style:
            at = node.value[-1].end_mark.index
            return self._spliced(at, at, "".join(f",\n  {written(entry)}" for entry in entries), entries, skip=1)
        if node is not None and node.value:
            last = node.value[-1]
            at = self._line_end(_last_leaf(last).end_mark.index)
            indent = " " * node.start_mark.column
            told = [_as(last, entry, indent) for entry in entries]
            lead = "" if self.text[:at].endswith("\n") else "\n"
            return self._spliced(at, at, lead + "".join(told), entries, skip=len(lead))
        told = [f"  - {written(entry)}\n" for entry in entries]
        if node is not None and self._key is not None:  # devices: []
            begin, end = self._key.end_mark.index, node.end_mark.index
            rest = self.text[end : self._line_end(end)].rstrip("\n")
            return self._spliced(begin, self._line_end(end), f":{rest}\n" + "".join(told), entries, skip=1)
        at = len(self.text)
        lead = ("" if not self.text or self.text.endswith("\n") else "\n") + "devices:\n"
        return self._spliced(at, at, lead + "".join(told), entries, skip=lead.count("\n"))

    def without(self, name: str) -> Draft:
        """Without the device of this name, and the comment right above it. Raises KeyError."""
        position = next((k for k, device in enumerate(self.site.devices) if device.name == name), None)
        if position is None:
            raise KeyError(name)
        nodes = self._devices.value
        node = nodes[position]
        if len(nodes) == 1:
            begin, end = self._key.end_mark.index, self._line_end(_last_leaf(node).end_mark.index)
            if self._devices.flow_style:
                end = self._line_end(self._devices.end_mark.index)
            return self._cut(begin, end, name, ": []\n")
        if self._devices.flow_style:
            first = position == 0
            begin = node.start_mark.index if first else nodes[position - 1].end_mark.index
            end = nodes[1].start_mark.index if first else node.end_mark.index
        else:
            begin = self._with_comment(self.text.rfind("\n", 0, node.start_mark.index) + 1, node)
            end = self._line_end(_last_leaf(node).end_mark.index)
        return self._cut(begin, end, name)

    def _cut(self, begin: int, end: int, name: str, instead: str = "") -> Draft:
        stays = tuple(device for device in self.site.devices if device.name != name)
        return Draft(self.path, self.text, self.text[:begin] + instead + self.text[end:], stays=stays)

    def _with_comment(self, begin: int, node: Any) -> int:
        """Where the comment lines right above an entry begin."""
        while begin:
            above = self.text.rfind("\n", 0, begin - 1) + 1
            if not self.text[above:begin].lstrip(" ").startswith("#") or self.text[above] != " ":
                return begin
            begin = above
        return begin

    def _line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end + 1

    def _spliced(self, begin: int, end: int, told: str, entries: Sequence[Entry], skip: int) -> Draft:
        """`skip`: lines of `told` before the first entry."""
        after = self.text[:begin] + told + self.text[end:]
        line = self.text[:begin].count("\n") + 1 + skip
        each = (told.count("\n") - skip + (not told.endswith("\n"))) // len(entries)
        lengths = [each] * len(entries)
        if self._devices is not None and self._devices.value and not self._devices.flow_style:
            last = self._devices.value[-1]
            lengths = [_as(last, entry, "").count("\n") for entry in entries]
        lines = []
        for length in lengths:
            lines.append(range(line, line + length))
            line += length
        return Draft(self.path, self.text, after, tuple(lines), tuple(self.site.devices))


def _last_leaf(node: Any) -> Any:
    """The last node that has an end of its own: that of block nodes lies behind the comments that follow."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


class _Dumper(yaml.SafeDumper):
    """Quotes what our reading takes for something else than text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(_yaml.scalar(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def written(value: Any) -> str:
    """A value in YAML, on one line."""
    told: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 20
    )
    return told.strip().removesuffix("\n...")


def _as(last: Any, entry: Entry, indent: str) -> str:
    """An entry in the style of another one."""
    if last.flow_style:
        return f"{indent}- {written(entry)}\n"
    lines = [f"{key}: {written(value)}" for key, value in entry.items()]
    return f"{indent}- " + f"\n{indent}  ".join(lines) + "\n"
