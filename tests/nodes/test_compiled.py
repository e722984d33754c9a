from __future__ import annotations

from pathlib import Path

import pytest

from nodes import _compiled


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder can be written: each would stand in what is a file. Returns that file."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(_compiled, "__file__", str(file / "nodes" / "_compiled.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return file


def test_the_places_are_those_of_numba(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/by/hand")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/syms")
    beside = Path(_compiled.__file__).parent / "__pycache__"
    assert _compiled.places() == [Path("/by/hand"), beside, Path("/home/syms/.cache/numba")]


def test_without_a_place_the_runtime_folder_will_do(nowhere: Path, tmp_path: Path):
    assert _compiled.keep(tmp_path / "run")
    assert _compiled.places()[0] == tmp_path / "run" / "compiled"
    assert _compiled.kept()
    assert not _compiled.keep(tmp_path / "other")


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_where_there_is_a_place_nothing_changes(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv(variable, str(tmp_path / "some"))
    before = _compiled.places()
    assert not _compiled.keep(tmp_path / "run")
    assert _compiled.places() == before
