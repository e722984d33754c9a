"""The pages before the console: signing in and out, passwords, the first administrator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.access.users import Role
from console.texts import Texts
from tests.doors import PEOPLE, QUICK, SECRET, Door, form_token, sign_in

NEW = "the river bends at noon"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def send(browser: TestClient, page: str, **said: str) -> Any:
    return browser.post(page, data={"form": form_token(browser.get(page).text), **said})


def test_who_is_refused_learns_nothing(door: Door) -> None:
    browser = door.browser()
    texts = {
        sign_in(browser, name, "not the password").text.replace(name, "") for name in ("vera", "nobody", "", "x" * 99)
    }
    assert len({text.partition("<form")[0] for text in texts}) == 1
    assert door.acts() == [(name, "sign in", "", "refused") for name in ("vera", *["(unknown name)"] * 3)]


def test_an_unknown_name_costs_the_same_work(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks, one hash with the same parameters is verified: his, or that of nobody."""
    verified: list[str] = []
    real = door.access.hasher._hasher

    class Watched:
        def verify(self, made: str, password: str) -> bool:
            verified.append(made)
            return real.verify(made, password)

    monkeypatch.setattr(door.access.hasher, "_hasher", Watched())
    browser = door.browser()
    for name in ("vera", "nobody", "nora"):
        with door.book.changing() as users:
            users["nora"] = PEOPLE["vera"].with_(name="nora", password=None)
        assert sign_in(browser, name, "not the password").status_code == 401
    assert len(verified) == 3
    assert verified[1] == verified[2] != verified[0]
    assert len({made.rpartition("$")[0].rpartition("$")[0] for made in verified}) == 1  # all but salt and hash


def test_who_is_disabled_is_refused_like_others(door: Door) -> None:
    with door.book.changing() as users:
        users["vera"] = users["vera"].with_(disabled=True)
    browser = door.browser()
    answer, other = sign_in(browser, "vera"), sign_in(browser, "nobody")
    assert answer.status_code == other.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["vera", "nobody"])
def test_after_some_failures_one_waits_longer_and_longer(door: Door, name: str) -> None:
    for at in range(5):
        assert sign_in(door.browser(f"10.0.0.{at}"), name, "not the password").status_code == 401
    for wait in (15, 30, 60):
        locked = sign_in(door.browser("10.0.1.1"), name)
        assert (locked.status_code, locked.headers["retry-after"]) == (429, str(wait))
        door.clock.go(wait - 1)
        assert sign_in(door.browser("10.0.1.1"), name).status_code == 429
        door.clock.go(1)
        assert sign_in(door.browser("10.0.1.2"), name, "not the password").status_code == 401
    door.clock.go(120)
    assert sign_in(door.browser(), name).status_code == (303 if name == "vera" else 401)


def test_an_address_that_tries_many_names_waits_too(door: Door) -> None:
    for each in range(20):
        assert sign_in(door.browser(), f"user{each}", "not the password").status_code == 401
    assert sign_in(door.browser(), "vera").status_code == 429
    assert sign_in(door.browser("10.0.0.8"), "vera").status_code == 303


@pytest.mark.parametrize("page", ["/login", "/logout", "/password"])
@pytest.mark.parametrize("form", ["", "0" * 64, "é", None])
def test_a_form_that_is_not_ours_does_nothing(door: Door, page: str, form: str | None) -> None:
    browser = door.browser() if page == "/login" else door.signed_in("vera")
    said = {"name": "vera", "password": SECRET, "old": SECRET, "again": SECRET} | (
        {} if form is None else {"form": form}
    )
    browser.get(page)
    assert browser.post(page, data=said).status_code == (200 if page == "/logout" else 403)
    if page != "/login":
        assert browser.get("/").text == "<p>vera</p>"


def test_a_form_of_somebody_else_does_nothing(door: Door) -> None:
    other = form_token(door.browser().get("/login").text)
    browser = door.browser()
    browser.get("/login")
    assert browser.post("/login", data={"form": other, "name": "vera", "password": SECRET}).status_code == 403
    theirs = form_token(door.signed_in("anna").get("/password").text)
    signed_in = door.signed_in("vera")
    said = {"form": theirs, "old": SECRET, "password": NEW, "again": NEW}
    assert signed_in.post("/password", data=said).status_code == 403


def test_a_form_of_endless_length_is_not_read(door: Door) -> None:
    browser = door.browser()
    form = form_token(browser.get("/login").text)
    assert browser.post("/login", data={"form": form, "name": "vera", "password": "x" * 20_000}).status_code == 403


def test_a_new_password_ends_the_other_sessions(door: Door) -> None:
    browser, elsewhere = door.signed_in("oleg"), door.signed_in("oleg")
    assert send(browser, "/password", old=SECRET, password=NEW, again=NEW).status_code == 303
    assert browser.get("/").text == "<p>oleg</p>"
    assert elsewhere.get("/").status_code == 303
    assert sign_in(door.browser(), "oleg").status_code == 401
    assert sign_in(door.browser(), "oleg", NEW).status_code == 303
    assert ("oleg", "password", "oleg", "done") in door.acts()
    assert NEW not in "".join(path.read_text() for path in door.book.path.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize(("said", "status"), [
    ({"old": "wrong", "password": NEW, "again": NEW}, 401),
    ({"old": SECRET, "password": NEW, "again": NEW + "!"}, 400),
    ({"old": SECRET, "password": "short", "again": "short"}, 400),
    ({"old": SECRET, "password": "Password12345", "again": "Password12345"}, 400),
    ({}, 401),
])  # fmt: skip
def test_a_new_password_that_is_refused(door: Door, said: dict[str, str], status: int) -> None:
    browser = door.signed_in("oleg")
    answer = send(browser, "/password", **said)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert sign_in(door.browser(), "oleg").status_code == 303


def test_old_passwords_can_not_be_guessed_from_within(door: Door) -> None:
    browser = door.signed_in("oleg")
    told = [send(browser, "/password", old=f"guess {at}", password=NEW, again=NEW).status_code for at in range(6)]
    assert told == [401] * 5 + [429]


def test_the_first_administrator(tmp_path: Path) -> None:
    door = Door(tmp_path, {})
    token = door.access.first.make(door.clock().utc)
    browser, page = door.browser(), f"/first/{token}"
    assert send(browser, page, name="a b", password=NEW, again=NEW).status_code == 400
    assert send(browser, page, name="anna", password="annaannaanna", again="annaannaanna").status_code == 400
    assert not door.book.users
    assert send(browser, page, name="anna", password=NEW, again=NEW).status_code == 303
    assert browser.get("/").text == "<p>anna</p>"
    assert door.book.users["anna"].role is Role.ADMINISTRATOR
    assert door.acts() == [("anna", "users", "anna", "done")]
    other = door.browser()
    assert other.get(page).status_code == 404
    assert other.post(page, data={"name": "eve", "password": NEW, "again": NEW}).status_code == 404
    assert list(door.book.users) == ["anna"]


def test_a_first_link_that_is_no_good(tmp_path: Path) -> None:
    door = Door(tmp_path, {"vera": PEOPLE["vera"]})
    token = door.access.first.make(door.clock().utc)
    assert door.browser().get("/first/" + "x" * 43).status_code == 404
    assert door.browser().get(f"/first/{token}").status_code == 200
    again = door.access.first.make(door.clock().utc)
    assert door.browser().get(f"/first/{token}").status_code == 404
    door.clock.go(3600)
    assert door.browser().get(f"/first/{again}").status_code == 404


@pytest.mark.parametrize(("accepts", "language"), [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,zh;q=0.5", "en"),
    ("de,fr", "en"), ("", "en"), ("de,zh-TW;q=0.3", "zh"), ("zh;q=nonsense", "en")])  # fmt: skip
def test_languages(door: Door, accepts: str, language: str) -> None:
    text = door.browser().get("/login", headers={"accept-language": accepts}).text
    assert Texts(language)("access.do_login") in text


def test_a_users_own_language_goes_first(door: Door) -> None:
    with door.book.changing() as users:
        users["vera"] = users["vera"].with_(language="zh")
    assert "修改密码" in door.signed_in("vera").get("/password", headers={"accept-language": "en"}).text


def test_what_somebody_typed_is_no_html(door: Door) -> None:
    with door.book.changing() as users:
        users["vera"] = users["vera"].with_(name="vera", regions=["<b>"])
    answer = sign_in(door.browser(), "<script>alert(1)</script>", "x")
    assert "<script" not in answer.text


def test_signing_in_works_on_a_full_disk_but_nothing_is_changed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("console.access.audit.Audit._add", full)
    browser = door.signed_in("anna")
    assert browser.get("/").status_code == 200
    answer = send(browser, "/password", old=SECRET, password=NEW, again=NEW)
    assert answer.status_code == 503
    assert Texts("en")("access.no_log") in answer.text.replace("&#39;", "'")
    assert sign_in(door.browser(), "anna").status_code == 303


def test_a_page_asks_whether_its_session_lives(door: Door) -> None:
    browser = door.signed_in("vera")
    assert browser.get("/session").status_code == 204
    door.clock.go(7199)
    assert browser.get("/session").status_code == 204  # and that is no sign of life
    door.clock.go(1)
    assert browser.get("/session").status_code == 401
    assert door.browser().get("/session").status_code == 401


def test_who_was_kept_out_or_lowered_for_a_while_signs_in_again(door: Door) -> None:
    """Also a browser that nobody touched meanwhile."""
    for change in ({"disabled": True}, {"role": Role.VIEWER}):
        idle, other = door.signed_in("oleg"), door.signed_in("vera")
        for each in (change, {"disabled": False, "role": Role.OPERATOR}):
            with door.book.changing() as users:
                users["oleg"] = users["oleg"].with_(**each)
            assert other.get("/").status_code == 200
        assert idle.get("/").status_code == 303


class Slow:
    """Something happens while a password is looked at."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def verify(self, made: str | None, password: str) -> bool:
        right = QUICK.verify(made, password)
        self._meanwhile()
        return right

    def make(self, password: str) -> str:
        return QUICK.make(password)


def test_a_password_that_was_changed_while_it_was_looked_at_counts_no_more(door: Door) -> None:
    browser = door.signed_in("vera")

    def change() -> None:
        with door.book.changing() as users:
            users["vera"] = users["vera"].with_(password=QUICK.make(NEW))

    door.access.hasher = Slow(change)  # type: ignore[assignment]
    assert sign_in(door.browser(), "vera").status_code == 401
    browser = door.browser()
    door.access.hasher = QUICK
    assert sign_in(browser, "vera", NEW).status_code == 303
    door.access.hasher = Slow(change)  # type: ignore[assignment]
    stolen = send(browser, "/password", old=NEW, password="one that a thief made", again="one that a thief made")
    assert stolen.status_code == 503
    assert "changed meanwhile" in stolen.text
    assert browser.get("/").status_code == 303
    assert QUICK.verify(door.book.users["vera"].password, NEW)
