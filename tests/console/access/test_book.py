"""The file of users: written as a whole, taken up while the console runs, faults with their lines."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.access.book import LOOK_EVERY, Book
from console.access.first import FirstLink
from console.access.users import NAME, AccessFault, Role, Token, User, written
from nodes import _users, _yaml
from nodes._faults import Faulty, Lines
from tests.doors import HASH, PEOPLE, make_book


def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    path = make_book(tmp_path / "config").path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["users.yaml"]
    assert yaml.safe_load(path.read_text())["users"]["oleg"]["regions"] == ["north"]


NAMES = st.text("aZ09_张é.@-", min_size=1, max_size=8).filter(NAME.fullmatch)
TEXTS = st.text("aZ09_张 :#'\"-[{&*!|>%@`\u2028\U0001f600", min_size=1, max_size=8)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
TOKENS = st.builds(Token, hash=st.integers(0, 2**256 - 1).map("{:064x}".format), expires=TIMES)
USERS = st.builds(
    User,
    name=NAMES,
    role=st.sampled_from(Role),
    password=st.sampled_from([HASH, None]),
    regions=st.none() | st.lists(TEXTS | st.sampled_from(["on", "1e3", "0x1F", "~", "12:30", "null"]), min_size=1),
    disabled=st.booleans(),
    language=st.sampled_from(["en", "zh", None]),
    tokens=st.dictionaries(NAMES, TOKENS, max_size=2),
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.lists(USERS, max_size=4, unique_by=lambda user: user.name.casefold()))
def test_what_is_written_is_read(people: list[User]) -> None:
    users = {user.name: user for user in people}
    lines = Lines("users.yaml", {}, [])
    assert _users.read(_yaml.parse(written(users), lines), lines) == users
    assert lines.faults == []


@pytest.mark.parametrize(("text", "fault"), [
    ("", "1: has no users"),
    ("users: 7\n", "1: has no users"),
    ("users: {}\nroles: {}\n", "2: unknown word 'roles'; known: users"),
    ("users:\n  vera:\n    role: boss\n", "3: user vera: role is 'boss'; it should be 'viewer', 'operator'"),
    ("users:\n  vera: {}\n", "2: user vera: setting 'role' is missing"),
    ("users:\n  vera:\n", "2: user vera: has no settings"),
    ("users:\n  vera:\n    role: viewer\n    pasword: x\n", "4: user vera: unknown setting 'pasword'; did you"),
    ("users:\n  vera:\n    role: viewer\n    name: eve\n", "4: user vera: unknown setting 'name'"),
    ("users:\n  vera:\n    role: viewer\n    password: secret\n", "4: user vera: password: is no argon2id hash"),
    ("users:\n  vera:\n    role: viewer\n    regions: north\n", "4: user vera: regions is 'north'"),
    ("users:\n  vera:\n    role: viewer\n    regions: []\n", "4: user vera: regions is []"),
    ("users:\n  a b:\n    role: viewer\n", "2: 'a b' can't be a user's name"),
    ("users:\n  vera:\n    role: viewer\n  Vera:\n    role: viewer\n", "4: 'Vera' differs from 'vera' by small and"),
    ("users:\n  v:\n    role: viewer\n    tokens:\n      p: {hash: x, expires: 2027-01-01T00:00:00Z}\n",
     "5: user v: tokens.p.hash: is no"),
    ("users:\n  vera: {role: viewer}\n  vera: {role: administrator}\n", "3: 'vera' stands twice"),
])  # fmt: skip
def test_faults_have_their_lines(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "users.yaml"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(Faulty) as faulty:
        Book(path, _users.load)
    assert str(faulty.value).startswith(f"{path}:{fault}")


def test_a_file_that_others_may_read_is_not_taken(tmp_path: Path) -> None:
    path = make_book(tmp_path).path
    path.chmod(0o640)
    with pytest.raises(Faulty, match="chmod 600"):
        Book(path, _users.load)


def test_a_change_by_somebody_else_is_taken_up(tmp_path: Path) -> None:
    console, command = make_book(tmp_path), Book(tmp_path / "users.yaml", _users.load)
    with command.changing() as users:
        del users["vera"]
    assert "vera" in console.users
    console.look(LOOK_EVERY)
    assert "vera" not in console.users


def test_who_changes_it_has_taken_it_up_as_it_is(tmp_path: Path) -> None:
    book, other = make_book(tmp_path), Book(tmp_path / "users.yaml", _users.load)
    with other.changing() as users:
        users["oleg"] = users["oleg"].with_(role=Role.ENGINEER)
    with pytest.raises(AccessFault), book.changing():
        raise AccessFault("nothing is done")
    assert book.users["oleg"].role is Role.ENGINEER


def test_a_look_does_not_cost_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_book(tmp_path)
    book.look(LOOK_EVERY)
    looks: list[None] = []
    monkeypatch.setattr("console.access.book.stamp", lambda _: looks.append(None))
    for now in range(LOOK_EVERY, 2 * LOOK_EVERY, LOOK_EVERY // 100):
        book.look(now)
    assert not looks


def test_a_file_that_has_become_faulty_is_an_alarm(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    text = book.path.read_text()
    book.path.write_text(text.replace("role: viewer", "role: boss"))
    book.look(LOOK_EVERY)
    assert "vera" in book.users
    assert "users.yaml:" in book.alarms[0]
    book.path.write_text(text)
    book.look(2 * LOOK_EVERY)
    assert book.alarms == []


def test_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    book.path.unlink()
    book.look(LOOK_EVERY)
    assert book.users == {}


@pytest.mark.parametrize("change", [{"role": Role.ENGINEER}, {"disabled": True}, {"password": None}, None])
def test_the_last_administrator_stays(tmp_path: Path, change: dict[str, object] | None) -> None:
    book = make_book(tmp_path)

    def lower() -> None:
        with book.changing() as users:
            if change is None:
                del users["anna"]
            else:
                users["anna"] = users["anna"].with_(**change)

    with pytest.raises(AccessFault, match="no administrator would be left"):
        lower()
    assert Book(book.path, _users.load).users == PEOPLE
    with book.changing() as users:
        users["otto"] = User(name="otto", role=Role.ADMINISTRATOR, password=HASH)
    lower()


def test_a_failure_in_between_changes_nothing(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    before = book.path.read_bytes()
    with pytest.raises(KeyError), book.changing() as users:
        users["vera"], _ = users["anna"], users["nobody"]
    assert book.path.read_bytes() == before
    with book.changing():  # and the lock is free
        pass


def test_what_root_makes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    folder = tmp_path / "config"
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    path = make_book(folder).path
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


def test_one_first_link_at_a_time(tmp_path: Path) -> None:
    link = FirstLink(make_book(tmp_path, {"vera": PEOPLE["vera"]}))
    old, new = link.make(0), link.make(0)
    assert not link.is_valid(old, 1)
    assert link.is_valid(new, 1)
    assert new not in link.path.read_text()
    assert stat.S_IMODE(link.path.stat().st_mode) == 0o600
    with pytest.raises(AccessFault, match="is there already"):
        link.use(new, "Vera", HASH, 1)
    link.use(new, "otto", HASH, 1)
    with pytest.raises(AccessFault, match="not valid"):
        link.use(new, "eve", HASH, 1)
    with pytest.raises(AccessFault, match="there is an administrator"):
        link.make(1)
    assert set(link.book.users) == {"vera", "otto"}
