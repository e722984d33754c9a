"""The table's file, read: faults as `file:line: key: what is wrong; remedy`, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
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
        if len(raw) > MAX_SIZE:
            raise LayoutError(f"{path}: larger than {MAX_SIZE} bytes; is it the right file?")
        loader = yaml.SafeLoader(raw.decode())
        root = loader.get_single_node()
        doubled = [_fault(path, key, f"{key.value!r} stands twice", "keep one") for key in _doubled(root)]
        if doubled:
            raise LayoutError("\n".join(doubled))
        data = loader.construct_document(root) if root else None
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read: {error.strerror}; name a readable YAML file") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise LayoutError(f"{path}: {error}; write plain text in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise LayoutError(f"{where}: not YAML: {what}; mind indentation, colons and brackets") from None
    try:
        return Layouts.model_validate(data)
    except ValidationError as error:
        raise LayoutError("\n".join(_told(path, root, error))) from None


def _told(path: Path, root: yaml.Node | None, error: ValidationError) -> list[str]:
    faults = []
    for each in error.errors(include_url=False):
        node, keys = _at(root, each["loc"])
        what = f"{'.'.join(keys) or 'the table'}: {each['msg']}"
        remedy = "" if each["type"] == "smd" else f"; {REMEDIES.get(each['type'], ADVICE)}"
        where = f"{path}:{node.start_mark.line + 1}" if node else str(path)
        faults.append(f"{where}: {what}{remedy}")
    return faults


def _fault(path: Path, node: yaml.Node, what: str, remedy: str) -> str:
    return f"{path}:{node.start_mark.line + 1}: {what}; {remedy}"


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


def _doubled(node: yaml.Node | None) -> list[yaml.Node]:
    """Keys that stand twice in a mapping."""
    if isinstance(node, yaml.SequenceNode):
        return [each for item in node.value for each in _doubled(item)]
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[str] = set()
    found = []
    for key, value in node.value:
        found += [key] if key.value in seen else []
        seen.add(str(key.value))
        found += _doubled(value)
    return found
