"""Who gets in from another host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes import _keys
from nodes._curve import DOMAIN, REMEMBER, STRANGERS, Allowed, Guard
from protocol.clock import SECOND, Now

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
NOW = Now(10**12, 10**18)


def request(
    key: bytes, domain: bytes = DOMAIN, mechanism: bytes = b"CURVE", address: bytes = b"10.0.0.9"
) -> list[bytes]:
    return [b"1.0", b"7", domain, address, b"", mechanism, key]


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    _keys.allow(tmp_path, "b", ONE)
    return Guard(Allowed(tmp_path))


def test_a_key_of_the_list_gets_in_under_its_name(guard: Guard) -> None:
    assert guard.answer(request(ONE), NOW) == [b"1.0", b"7", b"200", b"", b"b", b""]
    assert guard.refused == 0
    assert guard.alarms(NOW) == []


@pytest.mark.parametrize(
    "asked",
    [
        request(TWO),
        request(ONE, domain=b""),
        request(ONE, mechanism=b"NULL"),
        request(b""),
        request(ONE)[:6],
        [],
        [b""],
    ],
    ids=["unknown key", "other domain", "no CURVE", "no key", "too short", "nothing", "a frame"],
)
def test_anybody_else_does_not(guard: Guard, asked: list[bytes]) -> None:
    answer = guard.answer(asked, NOW)
    assert (answer[2], answer[4]) == (b"300", b"")
    assert guard.refused == 1
    assert len(guard.alarms(NOW)) == 1


def test_a_stranger_is_named_for_a_while(guard: Guard) -> None:
    guard.answer(request(TWO, address=b"::ffff:10.0.0.9"), NOW)
    assert "from 10.0.0.9;" in guard.alarms(NOW)[0]
    assert guard.alarms(Now(NOW.monotonic + REMEMBER + SECOND, NOW.utc)) == []


def test_many_strangers_are_counted_not_kept(guard: Guard) -> None:
    for number in range(3 * STRANGERS):
        guard.answer(request(TWO, address=f"10.0.{number // 256}.{number % 256}".encode()), NOW)
    assert guard.refused == 3 * STRANGERS
    assert len(guard.strangers) == STRANGERS
    assert "and 95 more" in guard.alarms(NOW)[0]


@given(st.lists(st.binary(max_size=80), max_size=9))
def test_no_request_raises(frames: list[bytes]) -> None:
    answer = Guard(Allowed(Path("/nowhere"))).answer(frames, NOW)
    assert answer[2] == b"300"


def test_the_list_is_taken_up_when_it_changed(tmp_path: Path) -> None:
    allowed = Allowed(tmp_path)
    assert allowed.by_name == {}
    _keys.allow(tmp_path, "b", ONE)
    assert allowed.refresh()
    assert allowed.by_key == {ONE: "b"}
    assert not allowed.refresh()
    os.utime(tmp_path / "allowed", ns=(0, 0))
    assert not allowed.refresh()
    _keys.revoke(tmp_path, "b")
    assert allowed.refresh()
    assert allowed.by_key == {}


def test_a_faulty_list_changes_nothing_and_is_told(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text("b\n")
    assert not guard.allowed.refresh()
    assert guard.allowed.by_name == {"b": ONE}
    assert "allowed:1: not a name and a key" in guard.alarms(NOW)[0]
    (tmp_path / "allowed").unlink()
    assert guard.allowed.refresh()
    assert guard.allowed.by_name == {}
    assert guard.alarms(NOW) == []
