"""The gate: what nobody, somebody, and somebody who should not be there gets to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from console.access.sessions import digest
from console.access.users import Role, Token
from tests.doors import HERE, PEOPLE, Door, form_token, sign_in

SOCKET = "ws://127.0.0.1:8080/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.mark.parametrize("path", ["/", "/nothing", "/events/7?span=1", "/_nicegui/1/static/vue.js", "/api/devices",
                                  "/metrics", "//login", "/login/", "/health/", "/LOGIN", "/first", "/favicon.ico",
                                  "/openapi.json"])  # fmt: skip
def test_nobody_gets_anything(door: Door, path: str) -> None:
    answer = door.browser().get(path)
    assert answer.status_code in (303, 401)
    assert answer.status_code == (401 if path.startswith(("/api/", "/metrics", "/_nicegui")) else 303)
    assert answer.text in ("", "sign in first\n")


@pytest.mark.parametrize("path", ["/health", "/login", "/access.css", "/access.js"])
def test_what_is_open(door: Door, path: str) -> None:
    assert door.browser().get(path).status_code == 200


def test_a_page_comes_back_after_signing_in(door: Door) -> None:
    browser = door.browser()
    led = browser.get("/events/7?span=1&a=%2F").headers["location"]
    assert led == "/login?next=/events/7%3Fspan%3D1%26a%3D%252F"
    assert sign_in(browser, "vera", where=led).headers["location"] == "/events/7?span=1&a=%2F"
    assert browser.get("/").text == "<p>vera</p>"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "x", "/\n//e"])
def test_nobody_is_led_elsewhere(door: Door, elsewhere: str) -> None:
    browser = door.browser()
    form = form_token(browser.get("/login").text)
    data = {"form": form, "name": "vera", "password": "a quiet morning on the hill"}
    answer = browser.post("/login", params={"next": elsewhere}, data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def refused_socket(browser: TestClient, **headers: str) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        browser.websocket_connect(SOCKET, headers=headers),
    ):
        pass
    assert closed.value.code == 1008


def test_a_websocket_needs_a_session(door: Door) -> None:
    refused_socket(door.browser())
    with door.signed_in("oleg").websocket_connect(SOCKET) as socket:
        socket.send_text("acknowledge")
        assert socket.receive_text() == "done"


def test_a_script_gets_no_websocket(door: Door) -> None:
    token = add_token(door, "vera")
    browser = door.browser()
    refused_socket(browser, authorization=f"Bearer {token}")


@pytest.mark.parametrize("origin", ["https://127.0.0.1:8080", "http://127.0.0.1:8081", "http://evil.example", "null",
                                    "", "http://127.0.0.1:8080.evil.example", "http://127.0.0.1:99999999"])  # fmt: skip
def test_a_page_elsewhere_gets_no_websocket_and_changes_nothing(door: Door, origin: str) -> None:
    browser = door.signed_in("anna")
    refused_socket(browser, origin=origin)
    assert browser.post("/acknowledge/7", headers={"origin": origin}).status_code == 403
    assert ("anna", "acknowledge", "7", "done") not in door.acts()
    assert browser.post("/acknowledge/7").status_code == 200


def test_no_origin_at_all_changes_nothing(door: Door) -> None:
    browser = door.signed_in("anna")
    del browser.headers["origin"]
    refused_socket(browser)
    assert browser.post("/acknowledge/7").status_code == 403
    assert browser.put("/acknowledge/7").status_code == 403
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(("host", "known"), [("127.0.0.1:8080", True), ("localhost", True), ("[::1]:8080", True),
    ("10.1.2.3", True), ("station.example:8080", True), ("STATION.example", True), ("evil.example", False), ("", False),
    ("localhost/../../secret?", False), ("x@localhost", False), ("localhost#", False), ("localhost:", False),
    ("station.example.evil.example", False), ("[::1", False)])  # fmt: skip
def test_names_of_the_console(tmp_path: Path, host: str, known: bool) -> None:
    door = Door(tmp_path, hosts=frozenset({"station.example"}))
    assert (door.browser().get("/login", headers={"host": host}).status_code == 200) == known
    assert door.browser().get("/health", headers={"host": host}).status_code == 200


def test_a_session_that_was_ended_is_worth_nothing(door: Door) -> None:
    browser = door.signed_in("vera")
    stolen = browser.cookies["syms-session"]
    with browser.websocket_connect(SOCKET) as socket:
        answer = browser.post("/logout", data={"form": form_token(browser.get("/logout").text)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        socket.send_text("view")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1008
    thief = door.browser()
    thief.cookies.set("syms-session", stolen)
    assert thief.get("/").status_code == 303
    assert thief.get("/api/devices").status_code == 401
    refused_socket(thief)


def test_signing_in_gives_a_new_token_each_time(door: Door) -> None:
    browser = door.browser()
    browser.cookies.set("syms-session", "x" * 43)  # fixed by somebody else
    sign_in(browser, "vera")
    first = browser.cookies.get("syms-session", domain="127.0.0.1.local") or list(browser.cookies.jar)[-1].value
    assert first != "x" * 43
    assert len(first) == 43


@pytest.mark.parametrize(("step", "steps"), [(7300, 1), (3600, 12)])
def test_sessions_end_when_idle_and_after_a_shift(door: Door, step: int, steps: int) -> None:
    browser = door.signed_in("vera")
    for _ in range(steps - 1):
        door.clock.go(step)
        assert browser.get("/").status_code == 200
    door.clock.go(step)
    assert browser.get("/").status_code == 303


def test_a_page_that_only_stands_open_does_not_keep_a_session(door: Door) -> None:
    browser = door.signed_in("oleg")
    with browser.websocket_connect(SOCKET) as socket:
        for _ in range(2):
            door.clock.go(3599)
            assert browser.get("/_nicegui/1/static/vue.js").status_code == 200
        door.clock.go(3)
        socket.send_text("acknowledge")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_what_is_done_in_a_page_keeps_it(door: Door) -> None:
    browser = door.signed_in("oleg")
    with browser.websocket_connect(SOCKET) as socket:
        for _ in range(3):
            door.clock.go(3599)
            socket.send_text("acknowledge")
            assert socket.receive_text() == "done"


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": Role.VIEWER}, {"password": None}, None])
def test_what_becomes_of_a_user_ends_his_sessions(door: Door, change: dict[str, Any] | None) -> None:
    browser = door.signed_in("oleg")
    with browser.websocket_connect(SOCKET) as socket:
        with door.book.changing() as users:
            if change is None:
                del users["oleg"]
            else:
                users["oleg"] = users["oleg"].with_(**change)
        socket.send_text("acknowledge")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    assert browser.get("/").status_code == 303


def test_a_viewer_forges_in_vain(door: Door) -> None:
    browser = door.signed_in("vera")
    assert browser.post("/acknowledge/7").status_code == 403
    with browser.websocket_connect(SOCKET) as socket:
        socket.send_text("restart")
        assert socket.receive_text() == "vera is viewer; restart needs engineer"
    assert door.acts()[-2:] == [("vera", "acknowledge", "7", "refused"), ("vera", "restart", "7", "refused")]


def test_regions_bound_what_is_done(door: Door) -> None:
    browser = door.signed_in("oleg")
    assert browser.post("/acknowledge/7?region=north").status_code == 200
    refused = browser.post("/acknowledge/8?region=south")
    assert (refused.status_code, refused.json()["why"]) == (403, "oleg sees north only; acknowledge is not for south")
    assert browser.post("/acknowledge/8?region=").status_code == 403
    done = [act for act in door.acts() if act[1] == "acknowledge"]
    assert [act[2:] for act in done] == [("7", "begun"), ("7", "done"), ("8", "refused"), ("8", "refused")]


def add_token(door: Door, name: str, days: float = 1.0) -> str:
    from datetime import UTC, datetime, timedelta

    token = "syms_" + "t" * 43
    expires = datetime.fromtimestamp(door.clock().utc / 1e9, UTC) + timedelta(days=days)
    with door.book.changing() as users:
        users[name] = users[name].with_(tokens={"prometheus": Token(hash=digest(token), expires=expires)})
    return token


def test_tokens_of_scripts(door: Door) -> None:
    said = {"authorization": f"Bearer {add_token(door, 'vera')}"}
    script = door.browser()
    del script.headers["origin"]
    assert script.get("/api/devices", headers=said).json() == {"for": "vera"}
    assert script.post("/api/devices", headers=said).status_code == 200
    assert script.get("/", headers=said).status_code == 303  # the pages are for people
    assert script.get("/api/devices", headers={"authorization": "Bearer syms_wrong"}).status_code == 401
    assert script.post("/api/devices", headers={"authorization": "Bearer syms_wrong"}).status_code == 403
    assert script.get("/api/devices", headers={"authorization": f"Basic {said['authorization']}"}).status_code == 401
    door.clock.go(86401)
    assert script.get("/api/devices", headers=said).status_code == 401


@pytest.mark.parametrize("change", [{"disabled": True}, {"tokens": {}}])
def test_a_token_ends_with_its_user(door: Door, change: dict[str, Any]) -> None:
    said = {"authorization": f"Bearer {add_token(door, 'vera')}"}
    with door.book.changing() as users:
        users["vera"] = users["vera"].with_(**change)
    assert door.browser().get("/api/devices", headers=said).status_code == 401


def test_what_answers_tell_browsers(door: Door) -> None:
    answers = [door.signed_in("vera").get("/"), door.browser().get("/login"), door.browser().get("/health")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
    assert "unsafe" not in answers[1].headers["content-security-policy"]
    nonces = {door.signed_in("vera").get("/").headers["content-security-policy"] for _ in range(2)}
    assert len(nonces) == 2


def test_cookies(door: Door, tmp_path: Path) -> None:
    browser = door.browser()
    assert "syms-form=" in (given := browser.get("/login").headers["set-cookie"])
    assert all(word in given for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in given
    given = sign_in(browser, "vera").headers["set-cookie"]
    assert all(word in given for word in ("syms-session=", "HttpOnly", "SameSite=strict", "Path=/"))
    assert "Max-Age=0" in given.partition("syms-form")[2]  # the other one is not needed any more


def test_under_tls(tmp_path: Path) -> None:
    door = Door(tmp_path, tls=True)
    base = HERE.replace("http", "https")
    browser = door.browser(base=base)
    answer = sign_in(browser, "vera")
    given = answer.headers["set-cookie"]
    assert all(word in given for word in ("__Host-syms-session=", "Secure", "HttpOnly", "SameSite=strict", "Path=/"))
    assert "Domain" not in given
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert browser.get("/").text == "<p>vera</p>"
    assert browser.post("/acknowledge/7", headers={"origin": HERE}).status_code == 403
    cookie = "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)  # httpx keeps it from wss
    with browser.websocket_connect(SOCKET.replace("ws", "wss", 1), headers={"cookie": cookie}) as socket:
        socket.send_text("view")
        assert socket.receive_text() == "done"


def test_which_clients_are_to_go(door: Door) -> None:
    vera, anna = (door.access.sessions.begin(PEOPLE[name], "a", door.clock().monotonic) for name in ("vera", "anna"))
    from console.access.who import SCOPE, Visit

    scopes = {name: {SCOPE: Visit(door.access, "a", "", digest(token))} for name, token in (("1", vera), ("2", anna))}
    assert door.access.ended({**scopes, "3": {}}) == ["3"]
    with door.book.changing() as users:
        del users["vera"]
    assert door.access.ended(scopes) == ["1"]
