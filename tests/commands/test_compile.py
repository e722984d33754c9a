from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands import compile
from nodes import _compiled
from nodes._node import StartError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The verb, with one kernel that has nothing to compile."""
    kernel = types.ModuleType("a_kernel")
    kernel.warm = lambda: None  # type: ignore[attr-defined]
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


def test_a_person_sees_what_was_compiled(app: typer.Typer):
    result = CliRunner().invoke(app, ["compile"])
    assert result.exit_code == 0
    assert "s  a_kernel" in result.stdout


def test_nothing_is_compiled_that_cannot_be_kept(app: typer.Typer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_compiled, "kept", lambda: False)
    result = CliRunner().invoke(app, ["compile"])
    assert isinstance(result.exception, StartError)
    assert "set NUMBA_CACHE_DIR" in str(result.exception)


def test_as_json(app: typer.Typer):
    result = CliRunner().invoke(app, ["compile", "--json"])
    assert list(json.loads(result.stdout)["seconds"]) == ["a_kernel"]
