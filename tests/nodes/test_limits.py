"""How many may call."""

from __future__ import annotations

import pytest

from nodes._limits import REMEMBERED, Limits, origin
from protocol.clock import SECOND, Now


def at(seconds: float) -> Now:
    return Now(int(seconds * SECOND), 0)


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_who_counts_as_one_caller(address, caller):
    assert origin(address) == caller


def test_connections_from_one_address_are_limited_and_others_go_on():
    limits = Limits(connections=10, per_address=3, calls=100)
    assert [limits.call("10.0.0.1", at(0)) for _ in range(3)] == ["", "", ""]
    assert limits.call("10.0.0.1", at(1)) == "10.0.0.1: more than 3 connections at once (`per_address`)"
    assert limits.call("10.0.0.2", at(1)) == ""
    limits.hang_up("10.0.0.1")
    assert limits.call("10.0.0.1", at(2)) == ""


def test_connections_in_all_are_limited():
    limits = Limits(connections=5, per_address=3, calls=100)
    assert not any(limits.call(f"10.0.0.{k}", at(0)) for k in range(5))
    assert limits.call("10.0.0.9", at(0)) == "more than 5 connections at once (`connections`)"


def test_brought_back_connections_count_whatever_the_limit():
    limits = Limits(connections=2, per_address=2, calls=100)
    for _ in range(3):
        limits.count("10.0.0.1")
    assert limits.call("10.0.0.2", at(0))
    for _ in range(2):
        limits.hang_up("10.0.0.1")
    assert limits.call("10.0.0.2", at(0)) == ""


def test_calls_a_second_are_limited_however_short_they_are():
    limits = Limits(connections=100, per_address=20, calls=10)
    taken = 0
    for tick in range(1000):  # 100 calls a second for ten seconds, each over at once
        if not limits.call("10.0.0.1", at(tick / 100)):
            limits.hang_up("10.0.0.1")
            taken += 1
    assert taken == 20 + 99
    assert limits.call("10.0.0.1", at(9.99)) == "10.0.0.1: more than 10 calls a second (`calls`)"
    assert limits.call("10.0.0.2", at(9.99)) == ""
    assert limits.call("10.0.0.1", at(20)) == ""
    assert (limits.total, limits.open) == (2, {"10.0.0.1": 1, "10.0.0.2": 1})


def test_callers_remembered_are_bounded():
    limits = Limits(connections=1, per_address=1, calls=1)
    for k in range(REMEMBERED + 50):
        limits.call(f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}", at(0))
    assert len(limits._credit) == REMEMBERED
    assert len(limits.open) == 1
