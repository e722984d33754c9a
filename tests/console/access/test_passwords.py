"""Passwords: what is none, and hashes."""

from __future__ import annotations

import argon2
import pytest

from console.access.passwords import Hasher, check
from console.access.users import AccessFault
from tests.doors import QUICK


@pytest.mark.parametrize(
    "password", ["correct horse battery", "一只猫坐在屋顶上看着月亮升起", "Zp7!kWq2#vLr", "anna likes the river"]
)
def test_good_ones(password: str) -> None:
    check(password, "anna")


@pytest.mark.parametrize(("password", "why"), [
    ("", "at least 12"), ("Zp7!kWq2#vL", "at least 12"), ("x" * 257, "at most 256"),
    ("password1234", "first that are tried"), ("PassWord12345678", "first"), ("aaaaaaaaaaaaaaa", "first"),
    ("1234567890123", "first"), ("abababababababab", "first"), ("administrator!", "first"), ("annaannaanna9", "first"),
    ("qwertyuiopasdfgh", "first"), ("1qaz2wsx1qaz2wsx", "first"), ("station-station-1", "first"),
])  # fmt: skip
def test_bad_ones(password: str, why: str) -> None:
    with pytest.raises(AccessFault, match=why):
        check(password, "Anna")


def test_a_shorter_least_length() -> None:
    check("Zp7!kWq2", "anna", 8)


def test_hashes() -> None:
    made = QUICK.make("naïve café in the hills")
    assert made.startswith("$argon2id$v=19$")
    assert made != QUICK.make("naïve café in the hills")
    assert QUICK.verify(made, "naïve café in the hills")
    assert QUICK.verify(made, "nai\u0308ve cafe\u0301 in the hills")  # another keyboard's way
    assert not QUICK.verify(made, "naive cafe in the hills")
    assert not QUICK.verify(None, "anything")
    assert not QUICK.verify("$argon2id$nonsense", "anything")


def test_nobodys_password_is_not_to_be_had() -> None:
    hasher = Hasher(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    hasher._nobodys = hasher.make("known")
    assert not hasher.verify(None, "known")
