"""`syms keys`: what is made, told and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.app import make_app
from nodes._node import StartError


def syms(*words: str) -> Result:
    return CliRunner().invoke(make_app(["keys"]), ["keys", *words])


def test_two_hosts_come_to_know_each_other(tmp_path: Path) -> None:
    made = syms("new", "b", "--keys", str(tmp_path / "b"))
    assert made.exit_code == 0
    command = made.stdout.splitlines()[-1].split()
    assert command[:4] == ["syms", "keys", "allow", "b"]
    assert syms(*command[2:], "--keys", str(tmp_path / "a")).exit_code == 0
    listed = json.loads(syms("list", "--keys", str(tmp_path / "a"), "--json").stdout)
    assert listed["allowed"] == {"b": command[4]}
    own = json.loads(syms("list", "--keys", str(tmp_path / "b"), "--json").stdout)
    assert (own["own"], own["modes"]) == ({"b": command[4]}, {"b": "0o600"})
    assert "secret" not in json.dumps(own["own"])


def test_who_is_revoked_is_gone(tmp_path: Path) -> None:
    syms("allow", "b", "00" * 32, "--keys", str(tmp_path))
    assert syms("revoke", "b", "--keys", str(tmp_path)).exit_code == 0
    assert syms("revoke", "b", "--keys", str(tmp_path)).exit_code == 1
    assert "no keys in" in syms("list", "--keys", str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("new", "../b"), "can't be a host's name"),
        (("allow", "b", "12"), "64 hexadecimal digits"),
        (("allow", "b c", "00" * 32), "can't be a host's name"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    told = syms(*words, "--keys", str(tmp_path / "keys"))
    assert isinstance(told.exception, StartError)
    assert why in str(told.exception)


def test_a_key_is_not_written_over(tmp_path: Path) -> None:
    syms("new", "b", "--keys", str(tmp_path))
    before = (tmp_path / "b.secret").read_text()
    again = syms("new", "b", "--keys", str(tmp_path))
    assert isinstance(again.exception, StartError)
    assert (tmp_path / "b.secret").read_text() == before
