"""Users as an administrator wants them."""

from __future__ import annotations

import pytest

from console.access.editing import Wish, add, change, remove
from console.access.users import AccessFault, Role, User
from tests.doors import HASH, PEOPLE


def test_one_more() -> None:
    users = dict(PEOPLE)
    add(users, Wish("erik", Role.ENGINEER, ("north",), password=HASH))
    assert users["erik"] == User(name="erik", role=Role.ENGINEER, regions=["north"], password=HASH)


@pytest.mark.parametrize(("wish", "key"), [
    (Wish("no names", Role.VIEWER, password=HASH), "bad_name"),
    (Wish("ANNA", Role.VIEWER, password=HASH), "name_taken"),
    (Wish("erik", Role.VIEWER), "no_password"),
])  # fmt: skip
def test_who_can_not_be_added(wish: Wish, key: str) -> None:
    users = dict(PEOPLE)
    with pytest.raises(AccessFault) as fault:
        add(users, wish)
    assert fault.value.key == key
    assert users == PEOPLE


def test_a_change_keeps_what_is_not_asked_for() -> None:
    users = {"oleg": PEOPLE["oleg"].with_(language="zh")}
    change(users, Wish("oleg", Role.ENGINEER, disabled=True))
    assert users["oleg"] == User(name="oleg", role=Role.ENGINEER, disabled=True, password=HASH, language="zh")


def test_who_was_removed_meanwhile_is_not_changed() -> None:
    users = dict(PEOPLE)
    remove(users, "vera")
    assert "vera" not in users
    with pytest.raises(AccessFault):
        change(users, Wish("vera", Role.VIEWER))
    with pytest.raises(AccessFault):
        remove(users, "vera")


def test_the_audit_log_has_no_password() -> None:
    assert Wish("erik", Role.VIEWER, password=HASH).told() == "viewer, regions all, new password"
