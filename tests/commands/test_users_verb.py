"""`syms users`: what is changed, told, refused and written down."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands import _auditlog
from commands._firstlink import make
from commands.app import make_app
from console.access.audit import Audit, Done
from console.access.book import Book
from console.access.first import FirstLink
from console.access.sessions import digest
from nodes import _users
from nodes._node import StartError
from tests.doors import QUICK

SECRET = "a quiet morning on the hill"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYMS_USERS", str(tmp_path / "config" / "users.yaml"))
    monkeypatch.setenv("SYMS_AUDIT", str(tmp_path / "audit"))
    monkeypatch.setattr("commands.users.Hasher", lambda: QUICK)
    return tmp_path


def syms(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(make_app(["users"]), ["users", *words], input=typed)


def add(name: str, role: str, *more: str) -> None:
    sees = () if "--region" in more else ("--all-regions",)
    told = syms("add", name, "--role", role, "--password-file", "-", *sees, *more, typed=SECRET + "\n")
    assert told.exit_code == 0, told.exception


def refused(*words: str, typed: str | None = None) -> str:
    told = syms(*words, typed=typed)
    assert isinstance(told.exception, StartError)
    return str(told.exception)


def users(place: Path) -> Any:
    return Book(place / "config" / "users.yaml", _users.load).users


def test_from_the_first_to_the_last(place: Path) -> None:
    link = json.loads(syms("first", "--url", "https://station.example/", "--json").stdout)["link"]
    assert link.startswith("https://station.example/first/")
    book = Book(place / "config" / "users.yaml", _users.load)
    FirstLink(book).use(link.rpartition("/")[2], "anna", QUICK.make(SECRET), 0)
    assert "there is an administrator" in refused("first")
    add("oleg", "operator", "--region", "north", "--region", "east", "--language", "zh")
    assert users(place)["oleg"].regions == ["north", "east"]
    assert QUICK.verify(users(place)["oleg"].password, SECRET)
    before = users(place)["oleg"].password
    assert syms("passwd", "oleg", "--password-file", "-", typed="the river bends at noon\r\nx").exit_code == 0
    assert users(place)["oleg"].password != before
    assert QUICK.verify(users(place)["oleg"].password, "the river bends at noon")
    assert syms("role", "oleg", "engineer").exit_code == 0
    assert (users(place)["oleg"].role, users(place)["oleg"].regions) == ("engineer", ["north", "east"])
    assert syms("role", "oleg", "engineer", "--all-regions").exit_code == 0
    assert users(place)["oleg"].regions is None
    assert syms("disable", "oleg").exit_code == 0
    assert users(place)["oleg"].disabled
    assert syms("enable", "oleg").exit_code == 0
    listed = json.loads(syms("list", "--json").stdout)
    assert [(each["name"], each["role"]) for each in listed] == [("anna", "administrator"), ("oleg", "engineer")]
    assert "argon2" not in json.dumps(listed)
    assert syms("remove", "oleg").exit_code == 0
    assert list(users(place)) == ["anna"]


def test_everything_is_written_down_and_nothing_secret(place: Path) -> None:
    add("anna", "administrator")
    made = syms("token", "anna", "prometheus").stdout.strip()
    refused("remove", "anna")
    lines = json.loads(syms("audit", "--json").stdout)
    assert [(line["object"], line["outcome"], line["detail"][:6]) for line in lines] == [
        ("anna", "begun", "add as"), ("anna", "done", "add as"), ("anna", "begun", "token "),
        ("anna", "done", "token "), ("anna", "begun", "remove"), ("anna", "failed", "remove"),
    ]  # fmt: skip
    assert {(line["address"], line["action"]) for line in lines} == {("local", "users")}
    kept = "".join(path.read_text() for path in place.rglob("*") if path.is_file())
    assert SECRET not in kept
    assert made not in kept
    assert digest(made) in kept
    assert syms("audit", "--user", "nobody").stdout.startswith("nothing in")
    assert "anna" in syms("audit", "--from", "2020-01-01").stdout
    assert json.loads(syms("audit", "--to", "2020-01-01", "--json").stdout) == []


def test_tokens(place: Path) -> None:
    syms("add", "prom", "--role", "viewer", "--all-regions", "--no-password")
    assert users(place)["prom"].password is None
    told = json.loads(syms("token", "prom", "prometheus", "--days", "30", "--json").stdout)
    assert len(told["token"]) >= 48
    assert users(place)["prom"].tokens["prometheus"].hash == digest(told["token"])
    assert "revoke it first" in refused("token", "prom", "prometheus")
    assert syms("token", "prom", "prometheus", "--revoke").exit_code == 0
    assert users(place)["prom"].tokens == {}
    assert "has no token" in refused("token", "prom", "prometheus", "--revoke")


def test_the_last_administrator_stays(place: Path) -> None:
    add("anna", "administrator")
    for words in (("remove", "anna"), ("role", "anna", "viewer"), ("disable", "anna")):
        assert "no administrator would be left" in refused(*words)
    add("otto", "administrator")
    assert syms("remove", "anna").exit_code == 0


@pytest.mark.parametrize(("words", "typed", "why"), [
    (("add", "a b", "--role", "viewer", "--all-regions", "--password-file", "-"), SECRET, "can't be a user's name"),
    (("add", "ANNA", "--role", "viewer", "--all-regions", "--password-file", "-"), SECRET, "is there already"),
    (("add", "otto", "--role", "viewer", "--all-regions", "--password-file", "-"), "short", "at least 12"),
    (("add", "otto", "--role", "viewer", "--all-regions", "--password-file", "-"), "", "at least 12"),
    (("add", "otto", "--role", "viewer", "--all-regions"), SECRET, "give --password-file"),
    (("add", "otto", "--role", "viewer", "--all-regions", "--password-file", "/nothing/there"), None, "can't be read"),
    (("passwd", "otto", "--password-file", "-"), SECRET, "there is no user otto"),
    (("remove", "otto"), None, "there is no user otto"),
    (("role", "otto", "viewer"), None, "there is no user otto"),
    (("add", "otto", "--role", "viewer", "--no-password"), None, "say what otto sees: --region NAME"),
    (("add", "otto", "--role", "viewer", "--region", "north", "--all-regions"), None, "give one of them"),
    (("role", "anna", "viewer", "--region", "north", "--all-regions"), None, "give one of them"),
    (("token", "anna", "a b"), None, "can't be a token's name"),
    (("audit", "--from", "yesterday"), None, "is no time"),
])  # fmt: skip
def test_what_is_wrong_is_told(place: Path, words: tuple[str, ...], typed: str | None, why: str) -> None:
    add("anna", "administrator")
    before = (place / "config" / "users.yaml").read_bytes()
    assert why in refused(*words, typed=typed)
    assert (place / "config" / "users.yaml").read_bytes() == before


def test_options_that_do_not_exist() -> None:
    assert syms("add", "otto", "--role", "boss").exit_code == 2
    assert syms("add", "otto", "--role", "viewer", "--language", "de", "--no-password").exit_code == 2


def test_a_log_that_was_touched(place: Path) -> None:
    add("anna", "administrator")
    assert syms("audit", "--verify").exit_code == 0
    path = place / "audit" / "audit.jsonl"
    path.write_text(path.read_text().replace("anna", "eve!"))
    told = syms("audit", "--verify")
    assert told.exit_code == 1
    assert "audit.jsonl:2: the line before" in told.stdout
    assert json.loads(syms("audit", "--verify", "--json").stdout)["faults"]


def test_a_log_that_can_not_be_written_stops_everything(place: Path) -> None:
    add("anna", "administrator")
    (place / "audit" / "audit.jsonl").unlink()
    (place / "audit" / "audit.jsonl").mkdir()
    assert "audit log" in refused("add", "otto", "--role", "viewer", "--all-regions", "--no-password")
    assert list(users(place)) == ["anna"]


def test_what_somebody_wrote_is_shown_as_it_stands(place: Path) -> None:
    """A comment neither hides a line from who reads the log nor speaks to his terminal."""
    for text in ("[/nothing] [red]calm", "\x1b[2Jcalm"):
        Audit(place / "audit").write(Done(0, "oleg", "operator", "10.0.0.7", "comment", "alarm 7", "done", text))
    told = syms("audit")
    assert told.exit_code == 0
    assert "[/nothing]" in told.stdout  # the column may be narrow
    assert "[red]calm" in told.stdout
    assert "\x1b" not in told.stdout


def test_a_link_that_the_start_makes_is_written_down_too(place: Path) -> None:
    book = Book(place / "config" / "users.yaml", _users.load)
    token = make(book, place / "audit")
    assert FirstLink(book).is_valid(token, time.time_ns())
    text = (place / "audit" / "audit.jsonl").read_text()
    assert "one-time link" in text
    assert token not in text


def test_a_role_takes_no_region_that_was_given_meanwhile(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not said stays as it is when the file is changed, not as it was before."""
    add("oleg", "operator", "--region", "north", "--region", "east")
    write = _auditlog.write

    def narrowed(*said: Any) -> None:
        if said[2] == "begun":
            with Book(place / "config/users.yaml", _users.load).changing() as found:
                found["oleg"] = found["oleg"].with_(regions=["north"])
        write(*said)

    monkeypatch.setattr(_auditlog, "write", narrowed)
    assert syms("role", "oleg", "engineer").exit_code == 0
    assert (users(place)["oleg"].role, users(place)["oleg"].regions) == ("engineer", ["north"])
