"""The rank that a process takes before it begins."""

from __future__ import annotations

import os

import pytest

from nodes import _process


@pytest.mark.parametrize(("nice", "how"), [(0, "hurry"), (-5, "hurry"), (1, "stand_back"), (10, "stand_back")])
def test_who_is_not_after_others_is_in_haste(nice: int, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(os, "nice", said.append)
    for name in ("hurry", "stand_back"):
        monkeypatch.setattr(_process.priorities, name, lambda name=name: said.append(name))
    assert _process.take_rank(nice) == ""
    assert said == [nice, how]


def test_one_that_may_not_go_first_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def refused(nice: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "nice", refused)
    monkeypatch.setattr(_process.priorities, "hurry", lambda: said.append("hurry"))
    assert _process.take_rank(-5) == "nice -5 takes root or CAP_SYS_NICE; it goes on without"
    assert said == ["hurry"]
