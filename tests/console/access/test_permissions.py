"""Who may do what: the table, action by action."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.access.permissions import ACTIONS, Forbidden, demand, may
from console.access.users import Role, User

MAY = {
    "viewer": {"view", "processes", "password"},
    "operator": {"export", "acknowledge", "comment", "shelve", "logs"},
    "engineer": {"limits", "study", "restart", "scale", "swap", "protect"},
    "administrator": {"config", "backup", "users", "audit"},
}
"""Role -> what it may beyond the roles before it."""


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_what_those_before_it_may(role: Role) -> None:
    user = User(name="x", role=role)
    allowed = set().union(*(MAY[each] for each in list(Role)[: role.rank + 1]))
    assert {action for action in ACTIONS if may(user, action)} == allowed
    assert {action for action in ACTIONS if may(user, action, "north")} == allowed


def test_every_action_has_its_role() -> None:
    assert set().union(*MAY.values()) == set(ACTIONS)


@pytest.mark.parametrize("role", list(Role))
def test_who_is_bound_to_regions(role: Role) -> None:
    user = User(name="x", role=role, regions=["north", "east"])
    assert may(user, "view")
    assert may(user, "view", "east")
    assert not may(user, "view", "south")
    assert not may(user, "view", "")  # a device in no region
    assert not any(may(user, action) for action, permission in ACTIONS.items() if permission.whole)


def test_who_is_disabled_may_nothing() -> None:
    user = User(name="x", role=Role.ADMINISTRATOR, disabled=True)
    assert not any(may(user, action) for action in ACTIONS)


def test_an_unknown_action_is_a_mistake_in_the_program() -> None:
    with pytest.raises(KeyError):
        may(User(name="x", role=Role.ADMINISTRATOR), "fly")


@pytest.mark.parametrize(("action", "region", "why"), [
    ("restart", None, "x is operator; restart needs engineer"),
    ("export", "south", "x sees north only; export is not for south"),
    ("logs", None, "x sees north only; logs is not for that"),
])  # fmt: skip
def test_refusals_say_why(action: str, region: str | None, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        demand(User(name="x", role=Role.OPERATOR, regions=["north"]), action, region)


def test_the_page_has_the_same_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "users-and-roles.md").read_text()
    table = "".join(
        f"| {each.least} | {action} | {each.what} | {'no' if each.whole else 'there'} |\n"
        for action, each in ACTIONS.items()
    )
    assert table in page
