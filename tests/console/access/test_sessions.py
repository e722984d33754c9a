"""Sessions, and waiting after failures; times by hand."""

from __future__ import annotations

import pytest

from console.access.lockout import FORGOTTEN, LONGEST_WAIT, Lockout, Meter, place
from console.access.sessions import MOST as SESSIONS
from console.access.sessions import Sessions, digest
from protocol.clock import SECOND
from tests.doors import PEOPLE

VERA = PEOPLE["vera"]
IDLE, ABSOLUTE = 100, 1000


def test_a_session_is_known_by_its_token_only() -> None:
    sessions = Sessions(IDLE, ABSOLUTE)
    token = sessions.begin(VERA, "::1", 0)
    assert len(token) >= 43  # 256 bits
    key = sessions.of_token(token)
    assert key == digest(token) != token
    assert sessions.user(key, PEOPLE, 1) == VERA
    assert sessions.of_token(key) == ""
    assert sessions.user(token, PEOPLE, 1) is None
    assert token not in repr(sessions.open())


def test_idle_and_absolute_ends() -> None:
    sessions = Sessions(IDLE, ABSOLUTE)
    key = digest(sessions.begin(VERA, "::1", 0))
    for now in range(99, 1000, 99):
        assert sessions.user(key, PEOPLE, now)
        sessions.touch(key, now)
    assert sessions.user(key, PEOPLE, 1000) is None
    other = digest(sessions.begin(VERA, "::1", 0))
    assert sessions.user(other, PEOPLE, 99)
    assert sessions.user(other, PEOPLE, 100) is None
    assert sessions.user(other, PEOPLE, 0) is None  # over is over


def test_all_of_a_user_end() -> None:
    sessions = Sessions(IDLE, ABSOLUTE)
    for name in ("vera", "vera", "anna"):
        sessions.begin(PEOPLE[name], "::1", 0)
    sessions.end_all("vera")
    assert [each.name for each in sessions.open()] == ["anna"]


def test_other_regions_end_a_session() -> None:
    """Pages show what their reader might see when they were opened."""
    sessions, oleg = Sessions(IDLE, ABSOLUTE), PEOPLE["oleg"]
    key = digest(sessions.begin(oleg, "::1", 0))
    assert sessions.user(key, {"oleg": oleg.with_(language="zh")}, 1)
    assert sessions.user(key, {"oleg": oleg.with_(regions=["south"])}, 1) is None


def test_the_oldest_of_too_many_ends() -> None:
    sessions = Sessions(IDLE, ABSOLUTE)
    tokens = [sessions.begin(VERA, "::1", now) for now in range(SESSIONS + 3)]
    assert [bool(sessions.of_token(token)) for token in tokens] == [False] * 3 + [True] * SESSIONS


def test_dead_ones_take_no_room() -> None:
    sessions = Sessions(IDLE, ABSOLUTE)
    for at in range(1000):
        sessions.begin(VERA.with_(name=f"user{at}"), "::1", at * IDLE)
    assert len(sessions.open()) == 1


def test_waiting_grows_to_a_limit_and_is_forgotten() -> None:
    lockout, now = Lockout(3), 0
    waits = []
    for _ in range(12):
        lockout.strike("a", now)
        waits.append(lockout.wait("a", now) // SECOND)
        now += lockout.wait("a", now)
    assert waits == [0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert lockout.wait("b", now) == 0
    lockout.strike("a", now + FORGOTTEN)
    assert lockout.wait("a", now + FORGOTTEN) == 0


def test_many_at_once_are_not_looked_at_for_free() -> None:
    lockout = Lockout(5)
    looked_at = 0
    for _ in range(100):
        if not lockout.wait("a", 0):
            lockout.strike("a", 0)
            looked_at += 1
    assert looked_at == 5


def test_a_right_password_wipes_a_name_clean_but_not_an_address() -> None:
    lockout = Lockout(3)
    for _ in range(3):
        lockout.strike("a", 0)
    lockout.forgive("a")
    assert lockout.wait("a", 0) == 0
    for _ in range(3):
        lockout.strike("::1", 0)
    lockout.take_back("::1")
    assert lockout.wait("::1", 0) == 0
    lockout.strike("::1", 0)
    assert lockout.wait("::1", 0) == 15 * SECOND


def test_memory_is_bounded_and_the_locked_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.access.lockout.MOST", 50)
    lockout = Lockout(1)
    lockout.strike("a", 0)
    lockout.strike("a", 0)
    for at in range(100):
        lockout.strike(str(at), 0)
    assert len(lockout._known) == 50
    assert lockout.wait("a", 0) == 30 * SECOND < LONGEST_WAIT


def test_refusals_are_written_down_so_often_and_then_counted() -> None:
    meter = Meter(2)
    assert [meter.take("a", 0) for _ in range(5)] == [0, 0, None, None, None]
    assert meter.take("b", 0) == 0
    assert [meter.take("a", 60 * SECOND) for _ in range(2)] == [3, 0]


@pytest.mark.parametrize(("address", "one"), [
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
    ("10.0.0.7", "10.0.0.7"), ("::ffff:10.0.0.7", "::ffff:10.0.0.7"), ("local", "local"),
])  # fmt: skip
def test_addresses_that_one_has(address: str, one: str) -> None:
    assert place(address) == one
