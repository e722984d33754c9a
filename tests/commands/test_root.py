"""Nothing of a station runs as root unless told so."""

from __future__ import annotations

import os

import pytest

from commands import _root
from nodes._node import StartError


@pytest.mark.parametrize(("uid", "told"), [(1000, None), (1000, "1"), (0, "1")])
def test_a_user_or_root_that_was_told_so_may(monkeypatch: pytest.MonkeyPatch, uid: int, told: str | None) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.delenv(_root.TOLD) if told is None else monkeypatch.setenv(_root.TOLD, told)
    _root.check()
    assert os.environ.get(_root.TOLD) == told


@pytest.mark.parametrize("told", ["", "0", "yes"])
def test_root_may_not(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv(_root.TOLD, told)
    with pytest.raises(StartError, match="--as-root or SYMS_AS_ROOT=1"):
        _root.check()


def test_the_option_tells_the_children_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv(_root.TOLD, "0")
    _root.check(as_root=True)
    assert os.environ[_root.TOLD] == "1"
