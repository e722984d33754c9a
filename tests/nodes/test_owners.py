"""Two connections that claim one device."""

from __future__ import annotations

from nodes._owners import MANY_RENEWALS, RIVALS_AT_MOST, Owners
from protocol.clock import SECOND, Now

HERE, THERE = "10.0.0.1", "10.0.0.2"


def at(seconds: float) -> Now:
    return Now(int(seconds * SECOND), 0)


def test_the_newest_connection_of_an_address_wins_whoever_asks_first():
    owners = Owners()
    assert owners.claim(1, 10, HERE, at(0)).leaves == 0
    assert owners.claim(1, 12, HERE, at(1)).leaves == 10
    assert owners.claim(1, 11, HERE, at(1)).leaves == 11
    assert (owners.of(1), owners.replaced) == (12, 2)


def test_a_device_that_reconnects_is_never_refused():
    owners = Owners()
    for connection in range(1, 1000):
        assert owners.claim(1, connection, HERE, at(0)).why == ""
    assert owners.alarms({1: "A"}, at(0)) == [
        "A: 998 connections were replaced by newer ones; do two devices send its IDCODE?"
    ]
    assert MANY_RENEWALS < 998


def test_two_places_that_claim_one_device_do_not_throw_each_other_out_for_ever():
    owners = Owners()
    owners.claim(1, 1, HERE, at(0))
    granted = 0
    for k in range(2, 200):  # each is thrown out, and back a second later
        claim = owners.claim(1, k, THERE if owners._owner[1][1] == HERE else HERE, at(k))
        granted += not claim.why
    assert granted == RIVALS_AT_MOST
    assert owners._owner[1][1] == THERE  # as the third time left it
    alarm = owners.alarms({1: "Farm A"}, at(200))[0]
    assert alarm == f"Farm A: {HERE} and {THERE} both send its IDCODE; the former was refused {198 - RIVALS_AT_MOST}x"
    assert owners.alarms({1: "Farm A"}, at(5000)) == []


def test_who_is_refused_may_have_it_when_the_other_is_gone_or_has_been_quiet():
    owners = Owners()
    owners.claim(1, 1, HERE, at(0))
    for k in range(RIVALS_AT_MOST + 1):
        last = owners.claim(1, 2 + k, THERE if k % 2 == 0 else HERE, at(k))
    assert last.why == f"{HERE} says that it is the device which {THERE} is, and goes on saying so"
    assert owners.claim(1, 20, HERE, at(100)).why == ""
    claims = [owners.claim(1, 30 + k, THERE if k % 2 == 0 else HERE, at(101)) for k in range(RIVALS_AT_MOST)]
    assert [bool(claim.why) for claim in claims] == [False, False, True]
    owners.release(1, owners.of(1))
    assert 1 not in owners
    assert owners.claim(1, 40, "10.0.0.3", at(102)).why == ""


def test_an_unknown_address_is_nobodys_rival():
    owners = Owners()
    owners.claim(1, 1, "", at(0))
    for k in range(2, 20):
        assert owners.claim(1, k, HERE, at(0)).why == ""


def test_only_the_owner_gives_up():
    owners = Owners()
    owners.claim(1, 1, HERE, at(0))
    owners.claim(1, 2, HERE, at(0))
    owners.release(1, 1)
    assert owners.of(1) == 2
