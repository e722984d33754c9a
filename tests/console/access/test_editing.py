"""Users as an administrator wants them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.access.book import Book
from console.access.editing import MOST_DAYS, Wish, add, change, fresh_token, issue, remove, revoke, until
from console.access.sessions import digest
from console.access.users import AccessFault, Role, Token, User
from nodes import _users
from protocol.clock import SECOND
from tests.doors import HASH, PEOPLE, QUICK, make_book

OTHER = QUICK.make("another morning on the hill")


def test_one_more() -> None:
    users = dict(PEOPLE)
    add(users, Wish("erik", Role.ENGINEER, ("north",), password=HASH))
    assert users["erik"] == User(name="erik", role=Role.ENGINEER, regions=["north"], password=HASH)


@pytest.mark.parametrize(("wish", "key"), [
    (Wish("no names", Role.VIEWER, None, password=HASH), "bad_name"),
    (Wish("ANNA", Role.VIEWER, None, password=HASH), "name_taken"),
    (Wish("erik", Role.VIEWER, None), "no_password"),
])  # fmt: skip
def test_who_can_not_be_added(wish: Wish, key: str) -> None:
    users = dict(PEOPLE)
    with pytest.raises(AccessFault) as fault:
        add(users, wish)
    assert fault.value.key == key
    assert users == PEOPLE


def test_a_user_for_scripts_has_no_password() -> None:
    users = dict(PEOPLE)
    add(users, Wish("metrics", Role.VIEWER, None, scripts=True))
    assert users["metrics"].password is None


def test_a_change_keeps_what_is_not_asked_for() -> None:
    users = {"oleg": PEOPLE["oleg"].with_(language="zh")}
    change(users, Wish("oleg", Role.ENGINEER, None, disabled=True, language="zh"), users["oleg"])
    assert users["oleg"] == User(name="oleg", role=Role.ENGINEER, disabled=True, password=HASH, language="zh")


def test_who_was_removed_meanwhile_is_not_changed() -> None:
    users = dict(PEOPLE)
    remove(users, "vera")
    assert "vera" not in users
    with pytest.raises(AccessFault):
        change(users, Wish("vera", Role.VIEWER, None), PEOPLE["vera"])
    with pytest.raises(AccessFault):
        remove(users, "vera")


@pytest.mark.parametrize("meanwhile", [
    {"role": Role.VIEWER}, {"regions": ["north", "east"]}, {"disabled": True}, {"language": "en"},
])  # fmt: skip
def test_what_was_changed_meanwhile_is_not_written_back(meanwhile: dict[str, Any]) -> None:
    users = {"oleg": PEOPLE["oleg"].with_(**meanwhile)}
    with pytest.raises(AccessFault, match="oleg was changed meanwhile") as fault:
        change(users, Wish("oleg", Role.OPERATOR, ("north",), language="zh"), PEOPLE["oleg"])
    assert fault.value.key == "look_again"
    assert users == {"oleg": PEOPLE["oleg"].with_(**meanwhile)}


def test_what_is_not_shown_stays_as_it_is_now() -> None:
    tokens = {"prometheus": Token(hash=digest("secret"), expires=datetime(2027, 2, 14, 8, tzinfo=UTC))}
    users = {"oleg": PEOPLE["oleg"].with_(password=OTHER, tokens=tokens)}
    change(users, Wish("oleg", Role.ENGINEER, ("north",)), PEOPLE["oleg"])
    assert users["oleg"] == PEOPLE["oleg"].with_(role=Role.ENGINEER, password=OTHER, tokens=tokens)


def test_the_audit_log_has_no_password() -> None:
    assert Wish("erik", Role.VIEWER, None, password=HASH).told() == "viewer, regions all, new password"
    assert Wish("erik", Role.VIEWER, ("north",), language="zh").told() == "viewer, regions north, language zh"


def test_the_last_region_taken_away_does_not_open_all(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    before = book.path.read_bytes()
    with pytest.raises(AccessFault, match="oleg would see no region") as fault, book.changing() as users:
        change(users, Wish("oleg", Role.OPERATOR, ()), users["oleg"])
    assert fault.value.key == "no_region"
    assert book.path.read_bytes() == before
    with book.changing() as users:
        change(users, Wish("oleg", Role.OPERATOR, None), users["oleg"])
    assert Book(book.path, _users.load).users["oleg"].regions is None


def test_tokens_are_issued_and_revoked() -> None:
    users, token = dict(PEOPLE), fresh_token()
    ends = until(1_800_000_000 * SECOND, 30)
    issue(users, "vera", "prometheus", token, ends)
    assert users["vera"].tokens == {"prometheus": Token(hash=digest(token), expires=ends)}
    assert ends == datetime(2027, 2, 14, 8, tzinfo=UTC)
    with pytest.raises(AccessFault, match="revoke it first"):
        issue(users, "vera", "prometheus", fresh_token(), ends)
    revoke(users, "vera", "prometheus")
    assert users["vera"].tokens == {}
    with pytest.raises(AccessFault, match="vera has no token prometheus"):
        revoke(users, "vera", "prometheus")


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_a_token_ends_some_day(days: int) -> None:
    with pytest.raises(AccessFault, match="1 to 3650 days"):
        until(0, days)


def test_a_token_has_a_name() -> None:
    with pytest.raises(AccessFault, match="'a b' can't be a token's name"):
        issue(dict(PEOPLE), "vera", "a b", fresh_token(), until(0, 1))
