"""A setting of a node is written into a pipeline file: every other byte stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from commands._pipelinefile import edited
from nodes._faults import Faulty

FILE = Path("station.yaml")


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        ("  a: {kind: x, copies: 2}  # two", {"copies": 3}, "  a: {kind: x, copies: 3}  # two"),
        ("  a: {kind: x}  # one", {"copies": 3}, "  a: {kind: x, copies: 3}  # one"),
        ("  a: {kind: x,\n      copies:   2, z: 1}", {"copies": 10}, "  a: {kind: x,\n      copies:   10, z: 1}"),
        ("  a:\n    kind: x\n    copies: 2 # two\n  # of b\n", {"copies": 3},
         "  a:\n    kind: x\n    copies: 3 # two\n  # of b\n"),
        ("  a:\n    kind: x # what\n\n  # of b\n", {"copies": 3},
         "  a:\n    kind: x # what\n    copies: 3\n\n  # of b\n"),
        ("  a: {kind: x, settings: {limit: 4}}", {"settings": {"limit": 5, "of": "a b"}},
         "  a: {kind: x, settings: {limit: 5, of: a b}}"),
        ("  a:\n    kind: x\n    settings:\n      limit: 4  # four\n    copies: 2\n", {"settings": {"limit": 5}},
         "  a:\n    kind: x\n    settings: {limit: 5}  # four\n    copies: 2\n"),
        ("  a: {kind: x, settings: }", {"settings": {}}, "  a: {kind: x, settings: {}}"),
        ("  a: {kind: x, algorithm: \"emd\"}", {"algorithm": "on"}, "  a: {kind: x, algorithm: 'on'}"),
    ],
)  # fmt: skip
def test_one_setting(before: str, settings: dict[str, object], after: str) -> None:
    top, end = "# ours\nsite: s.yaml\nnodes:\n", "  b: {kind: y, copies: 2}\n"
    lead = "" if before.endswith("\n") else "\n"
    draft = edited(FILE, top + before + lead + end, "a", settings)
    assert draft.text == top + after + lead + end
    assert yaml.safe_load(draft.text.replace("'on'", "on_"))["nodes"]["b"] == {"kind": "y", "copies": 2}


def test_two_settings_at_once() -> None:
    draft = edited(FILE, "nodes:\n  a: {kind: x}\n", "a", {"algorithm": "rocof", "settings": {"limit": 1}})
    assert draft.text == "nodes:\n  a: {kind: x, algorithm: rocof, settings: {limit: 1}}\n"


def test_the_file_is_written_as_a_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "station.yaml"
    path.write_text("nodes:\n  a: {kind: x}\n")
    path.chmod(0o640)
    edited(path, path.read_text(), "a", {"copies": 2}).write()
    assert path.read_text() == "nodes:\n  a: {kind: x, copies: 2}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_what_can_not_be_edited_alone_is_refused() -> None:
    with pytest.raises(Faulty, match="alias"):
        edited(FILE, "nodes:\n  a: &one {kind: x}\n  b: *one\n", "a", {"copies": 2})
