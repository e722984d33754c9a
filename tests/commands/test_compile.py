from __future__ import annotations

import json
import re
import sys
import types
import warnings
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands import compile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The verb, with one kernel that warns as it is compiled."""
    kernel = types.ModuleType("a_kernel")
    kernel.warm = lambda: warnings.warn("no folder", RuntimeWarning, stacklevel=1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_kernel", kernel)
    monkeypatch.setattr(compile, "kernels", lambda: ["a_kernel"])
    made = typer.Typer()
    made.callback()(lambda: None)
    compile.register(made)
    return made


def test_every_module_with_compiled_loops_is_compiled():
    rooms = [ROOT / room for room in ("algorithms", "archive", "nodes", "protocol")]
    compiled = re.compile(r"^@(njit|compiled)\b", re.MULTILINE)
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in rooms
        for path in room.rglob("*.py")
        if compiled.search(path.read_text())
    }
    assert found == set(compile.kernels())


def test_a_person_sees_what_was_compiled_and_what_is_wrong(app: typer.Typer):
    result = CliRunner().invoke(app, ["compile"])
    assert result.exit_code == 0
    assert "s  a_kernel" in result.stdout
    assert "a_kernel: no folder" in result.output


def test_as_json(app: typer.Typer):
    result = CliRunner().invoke(app, ["compile", "--json"])
    assert list(json.loads(result.stdout)["seconds"]) == ["a_kernel"]
