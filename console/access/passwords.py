"""Passwords: argon2id hashes, and what is no password."""

from __future__ import annotations

import secrets
import unicodedata
from pathlib import Path

import argon2

from console.access.users import AccessFault

LEAST = 12
"""Characters."""
MOST = 256
_LEFT = 5
"""Characters that must be left when the most common words are taken out, and different ones that there must be."""
COMMON = tuple(
    sorted(
        filter(
            lambda line: not line.startswith("#"),
            Path(__file__).with_name("common-passwords.txt").read_text(encoding="utf-8").split("\n")[:-1],
        ),
        key=len,
        reverse=True,
    )
)
"""What is tried first, longest first."""


def check(password: str, name: str, least: int = LEAST) -> None:
    """Raises AccessFault if it may not be the password of a user."""
    plain = _plain(password)
    if len(plain) < least:
        raise AccessFault(f"a password has at least {least} characters; take a sentence", "weak_short")
    if len(plain) > MOST:
        raise AccessFault(f"a password has at most {MOST} characters; take a shorter one", "weak_long")
    left = plain.casefold()
    for word in (name.casefold(), *COMMON):
        left = left.replace(word, "")
    if len(left) < _LEFT or len(set(left)) < _LEFT:
        raise AccessFault("this password is among the first that are tried; take a sentence", "weak_common")


class Hasher:
    """Makes and verifies hashes. What is verified takes as long for who is unknown as for who is not."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        """By default as argon2-cffi chooses (RFC 9106, 64 MiB)."""
        self._hasher = hasher or argon2.PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    def make(self, password: str) -> str:
        """The hash of a new password."""
        return self._hasher.hash(_plain(password))

    def verify(self, made: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; None, of nobody: never, after the same work."""
        try:
            right = self._hasher.verify(made or self._nobodys, _plain(password)[: MOST + 1])
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return right and made is not None


def _plain(password: str) -> str:
    """The same text for the same keys on every keyboard and system (NIST SP 800-63B §5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
