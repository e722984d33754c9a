"""Sessions and failures outlive the console's process; what ended stays ended."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from starlette.testclient import TestClient

from console.access.kept import EVERY, MAX_FILE
from console.access.users import Role
from protocol.clock import SECOND
from tests.doors import SECRET, Door, form_token, sign_in


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path, keeps=True)


def file_of(door: Door) -> Path:
    assert door.kept is not None
    return door.kept.path


def again(door: Door, browser: TestClient) -> TestClient:
    """The same browser, at the console that was started again."""
    fresh = door.browser()
    for each in browser.cookies.jar:
        fresh.cookies.jar.set_cookie(each)
    return fresh


@pytest.mark.parametrize("monotonic", [None, 5 * SECOND, 10**9 * SECOND])
def test_who_was_signed_in_still_is(door: Door, monotonic: int | None) -> None:
    """Started again on the same machine, after its start, or on one that had long been up."""
    browser = door.signed_in("vera")
    door.reopen(monotonic)
    browser = again(door, browser)
    assert browser.get("/").text == "<p>vera</p>"
    door.clock.go(7199)
    assert browser.get("/").status_code == 200
    door.reopen(monotonic)
    browser = again(door, browser)
    door.clock.go(7199)
    assert browser.get("/").status_code == 200
    door.clock.go(7201)
    assert browser.get("/").status_code == 303


def test_a_session_ends_after_a_shift_however_often_it_was_started_again(door: Door) -> None:
    browser = door.signed_in("vera")
    for _ in range(11):
        door.clock.go(3600)
        door.reopen()
        browser = again(door, browser)
        assert browser.get("/").status_code == 200
    door.clock.go(3600)
    door.reopen()
    assert again(door, browser).get("/").status_code == 303
    assert json.loads(file_of(door).read_text())["sessions"] == []


def test_what_is_in_the_file(door: Door) -> None:
    browser = door.signed_in("oleg")
    sign_in(door.browser(), SECRET, "typed into the wrong field")
    text = file_of(door).read_text()
    for secret in (browser.cookies["syms-session"], SECRET, "argon2", "wrong field"):
        assert secret not in text
    assert stat.S_IMODE(file_of(door).stat().st_mode) == 0o600
    assert [each.name for each in file_of(door).parent.glob("*sessions*")] == ["console.sessions"]


def test_who_signed_out_stays_out(door: Door) -> None:
    browser = door.signed_in("vera")
    stolen = again(door, browser)
    browser.post("/logout", data={"form": form_token(browser.get("/logout").text)})
    door.reopen()
    assert again(door, stolen).get("/").status_code == 303


@pytest.mark.parametrize(
    "change", [{"password": None}, {"role": Role.VIEWER}, {"regions": ["south"]}, {"disabled": True}]
)
def test_who_was_changed_meanwhile_is_out(door: Door, change: dict[str, Any]) -> None:
    browser = door.signed_in("oleg")
    with door.book.changing() as users:
        users["oleg"] = users["oleg"].with_(**change)
    door.reopen()
    assert again(door, browser).get("/").status_code == 303


def test_who_has_to_wait_waits_on(door: Door) -> None:
    browser = door.browser()
    for _ in range(5):
        sign_in(browser, "vera", "not the password")
    assert sign_in(browser, "vera").status_code == 429
    door.reopen()
    refused = sign_in(door.browser(), "vera")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "15"
    assert sign_in(door.browser(), "oleg").status_code == 303
    door.clock.go(15)
    assert sign_in(door.browser(), "vera", "not the password").status_code == 401
    assert sign_in(door.browser(), "vera").headers["retry-after"] == "30"  # it goes on where it was


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "\x00\x00", '{"version": 2, "sessions": [], "names": [], "addresses": []}',
    '{"sessions": [{"key": "x"}], "names": [], "addresses": []}',
])  # fmt: skip
def test_a_file_that_can_not_be_read_lets_nobody_in(door: Door, text: str) -> None:
    browser = door.signed_in("vera")
    file_of(door).write_text(text)
    with structlog.testing.capture_logs() as said:
        door.reopen()
    assert [line["event"] for line in said] == ["sessions are not taken up: everybody signs in again"]
    assert said[0]["file"] == str(file_of(door))
    assert again(door, browser).get("/").status_code == 303
    assert again(door, door.signed_in("vera")).get("/").status_code == 200


def test_a_file_that_others_may_read_or_that_is_huge_is_not_taken(door: Door) -> None:
    browser = door.signed_in("vera")
    file_of(door).chmod(0o640)
    door.reopen()
    assert again(door, browser).get("/").status_code == 303
    browser = door.signed_in("vera")
    with open(file_of(door), "ab") as file:
        file.truncate(MAX_FILE + 1)
    door.reopen()
    assert again(door, browser).get("/").status_code == 303


def test_a_link_is_not_followed(door: Door, tmp_path: Path) -> None:
    browser = door.signed_in("vera")
    file_of(door).rename(tmp_path / "elsewhere")
    file_of(door).symlink_to(tmp_path / "elsewhere")
    door.reopen()
    assert again(door, browser).get("/").status_code == 303


def test_a_clock_that_was_set_back_lets_nobody_in_for_longer(door: Door) -> None:
    browser = door.signed_in("vera")
    door.clock.now = door.clock.now._replace(utc=door.clock.now.utc - 3600 * SECOND)
    door.reopen()
    assert again(door, browser).get("/").status_code == 303


def test_that_somebody_is_there_is_written_now_and_then(door: Door) -> None:
    browser, path = door.signed_in("vera"), file_of(door)
    before = path.stat().st_ino
    door.clock.go(1)
    browser.get("/")
    assert path.stat().st_ino == before
    door.access.keep(last=True)  # the console ends
    assert path.stat().st_ino != before
    before = path.stat().st_ino
    door.clock.go(EVERY // SECOND)
    browser.get("/")
    assert path.stat().st_ino != before


def test_what_can_not_be_written_down_does_not_come_back(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk people go on, and who signs out is out after a restart, too; so are the others."""
    browser, other = door.signed_in("vera"), door.signed_in("anna")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("console.access.kept.Kept._write", full)
    with structlog.testing.capture_logs() as said:
        browser.post("/logout", data={"form": form_token(browser.get("/logout").text)})
        door.signed_in("oleg")
    assert [line["event"] for line in said] == ["sessions can't be kept over a restart"]
    assert other.get("/").status_code == 200
    assert not file_of(door).exists()
    door.reopen()
    assert again(door, other).get("/").status_code == 303


def test_a_pipe_in_its_place_holds_nobody_up(door: Door) -> None:
    os.mkfifo(file_of(door), 0o600)
    with structlog.testing.capture_logs() as said:
        door.reopen()
    assert [line["why"] for line in said] == ["it is no file"]


def test_an_attempt_that_was_forgotten_and_taken_back_can_be_written_down(door: Door) -> None:
    """Of too many addresses some are forgotten while their passwords are looked at."""
    known = door.access.by_address
    known.strike("192.0.2.1", 0)
    known.take_back("192.0.2.1")
    known.take_back("192.0.2.1")
    door.signed_in("vera")
    assert [each["count"] for each in json.loads(file_of(door).read_text())["addresses"]] == [0, 0]
