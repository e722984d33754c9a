"""Who somebody is, may he, and what is written down of it: as handlers of pages ask."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from console.access.permissions import Forbidden
from console.access.sessions import digest
from console.access.users import AccessFault
from console.access.who import REFUSALS, SCOPE, Visit, acting, current, find, require
from tests.doors import PEOPLE, Door


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def scope_of(door: Door, name: str) -> MutableMapping[str, Any]:
    """Of a websocket of somebody who is signed in."""
    token = door.access.sessions.begin(PEOPLE[name], "10.0.0.7", door.clock().monotonic)
    return {"type": "http", SCOPE: Visit(door.access, "10.0.0.7", "", digest(token))}


def test_by_scope_or_request(door: Door) -> None:
    scope = scope_of(door, "vera")
    assert current(scope).name == current(Request(scope)).name == "vera"
    assert find(scope) is find(Request(scope)) is scope[SCOPE]


@pytest.mark.parametrize("scope", [{}, {SCOPE: "vera"}, {SCOPE: None}])
def test_what_did_not_come_through_the_gate_is_nobody(scope: dict[str, Any]) -> None:
    assert find(scope) is None
    for ask in (lambda: current(scope), lambda: require(scope, "view")):
        with pytest.raises(Forbidden, match="not signed in"):
            ask()


def test_what_is_done_is_written_before_and_after(door: Door) -> None:
    scope = scope_of(door, "oleg")
    with acting(scope, "export", "event 7", "north", "HDF5") as user:
        assert user.name == "oleg"
        assert [act[2:] for act in door.acts()] == [("event 7", "begun")]
    assert door.acts()[-1] == ("oleg", "export", "event 7", "done")
    (begun, done) = door.access.audit.lines()
    assert (begun["role"], begun["address"], begun["detail"]) == ("operator", "10.0.0.7", "HDF5")
    assert begun["utc"] == done["utc"] == "2027-01-15T08:00:00.000000000Z"


def test_what_fails_is_written_too(door: Door) -> None:
    with pytest.raises(OSError, match="disk"), acting(scope_of(door, "oleg"), "export", "7", "north"):
        raise OSError("disk full")
    assert [(line["outcome"], line["detail"]) for line in door.access.audit.lines()] == [
        ("begun", ""),
        ("failed", "OSError: disk full"),
    ]


def test_what_can_not_be_written_down_is_not_done(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("console.access.audit.Audit._add", full)
    done: list[str] = []
    with pytest.raises(AccessFault, match="make room"), acting(scope_of(door, "anna"), "restart", "align"):
        done.append("restarted")
    assert not done
    assert require(scope_of(door, "anna"), "view").name == "anna"


def test_asking_in_vain_does_not_fill_the_log(door: Door) -> None:
    scope = scope_of(door, "vera")
    for _ in range(3 * REFUSALS):
        with pytest.raises(Forbidden):
            require(scope, "restart", object="align")
    assert len(door.acts()) == REFUSALS
    door.clock.go(60)
    with pytest.raises(Forbidden):
        require(scope, "restart", object="align")
    assert list(door.access.audit.lines())[-1]["detail"] == f"{2 * REFUSALS} more before this are not written here"


def test_only_what_he_may_keeps_a_session(door: Door) -> None:
    scope = scope_of(door, "vera")
    door.clock.go(7000)
    with pytest.raises(Forbidden):
        require(scope, "restart")
    door.clock.go(199)
    assert current(scope).name == "vera"
    door.clock.go(1)
    with pytest.raises(Forbidden, match="not signed in"):
        require(scope, "view")
    later = scope_of(door, "vera")
    for _ in range(3):
        door.clock.go(7199)
        assert require(later, "view").name == "vera"
