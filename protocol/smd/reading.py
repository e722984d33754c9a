"""The table's file, read: faults as `file:line: key: what is wrong; remedy`, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from protocol.smd.table import Layouts

SHIPPED = Path(__file__).with_name("table.yaml")
MAX_SIZE = 1024 * 1024
"""Bytes of a table."""
ADVICE = "see the comments in protocol/smd/table.yaml"
REMEDIES = {"missing": "add it", "extra_forbidden": "remove or respell it"}


class LayoutError(ValueError):
    """A table has faults."""


def load(path: Path | None = None) -> Layouts:
    """The layouts that a table tells; None = the table that comes with the program. Raises LayoutError."""
    return _shipped() if path is None else _read(path)


@cache
def _shipped() -> Layouts:
    return _read(SHIPPED)


def _read(path: Path) -> Layouts:
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read: {error.strerror}; name a readable YAML file") from None
    if len(raw) > MAX_SIZE:
        raise LayoutError(f"{path}: larger than {MAX_SIZE} bytes; is it the right file?")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise LayoutError(f"{path}: not UTF-8 text; name a YAML file") from None
    return parse(text, str(path))


def parse(text: str, shown: str) -> Layouts:
    """The layouts that a table's text tells; `shown` is its name in faults. Raises LayoutError."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        doubled = list(_doubled(root, set()))
        data = loader.construct_document(root) if root else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{shown}:{mark.line + 1}" if mark else shown
        what = getattr(error, "problem", None) or next(iter(str(error).splitlines()), "")
        raise LayoutError(f"{where}: not YAML: {what}; mind indentation, colons and brackets") from None
    if doubled:
        raise LayoutError(
            "\n".join(f"{shown}:{key.start_mark.line + 1}: {key.value!r} stands twice; keep one" for key in doubled)
        )
    try:
        return Layouts.model_validate(data)
    except ValidationError as error:
        raise LayoutError("\n".join(_told(shown, root, error))) from None


def _told(shown: str, root: yaml.Node | None, error: ValidationError) -> list[str]:
    faults = []
    for each in error.errors(include_url=False):
        node, keys = _at(root, each["loc"])
        what = f"{'.'.join(keys) or 'the table'}: {each['msg']}"
        remedy = "" if each["type"] == "smd" else f"; {REMEDIES.get(each['type'], ADVICE)}"
        where = f"{shown}:{node.start_mark.line + 1}" if node else shown
        faults.append(f"{where}: {what}{remedy}")
    return faults


def _at(root: yaml.Node | None, steps: Sequence[str | int]) -> tuple[yaml.Node | None, list[str]]:
    """(the value there or the nearest around it, the keys that lead to it); a model's name among the steps leads
    nowhere."""
    node, keys = root, []
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = node.value[step]
        else:
            found = None
        if found is not None or last:
            keys.append(str(step))
        node = node if found is None else found
    return node, keys


def _doubled(node: yaml.Node | None, known: set[int]) -> Iterator[yaml.Node]:
    """Keys that stand twice in a mapping. known: nodes that were looked into, by id (an alias leads to one again)."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in known:
        return
    known.add(id(node))
    keys: set[str] = set()
    for each in node.value:
        if isinstance(node, yaml.MappingNode):
            key, each = each
            if str(key.value) in keys:
                yield key
            keys.add(str(key.value))
        yield from _doubled(each, known)
