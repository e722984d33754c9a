"""Who is signed in. Sessions live in this process only: a console that is started again asks everybody to sign in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from console.access.users import User, Users

MOST = 20
"""Sessions of one user; one more ends his oldest."""


def digest(token: str) -> str:
    """What is kept of a token: 64 hexadecimal digits. It is random, so that a fast hash does."""
    return hashlib.sha256(token.encode()).hexdigest()


Credentials = tuple[str | None, str, frozenset[str] | None]
"""Password hash, role, regions of a user."""


@dataclass
class Session:
    """One browser of a user."""

    key: str
    """Hash of the token that its cookie has."""
    name: str
    address: str
    credentials: Credentials
    """With which it began; other ones end it, and with it the pages that show what somebody might see then."""
    begun: int
    used: int


class Sessions:
    """By the hash of their token; times are monotonic [ns]."""

    def __init__(self, idle: int, absolute: int) -> None:
        """`idle`, `absolute`: how long a session lives that is not used, or at all [ns]."""
        self.idle, self.absolute = idle, absolute
        self._open: dict[str, Session] = {}

    def begin(self, user: User, address: str, now: int) -> str:
        """The token for the cookie of a new session."""
        self._open = {key: each for key, each in self._open.items() if not self._over(each, now)}
        own = [each for each in self._open.values() if each.name == user.name]  # oldest first
        for each in own[: max(0, len(own) - MOST + 1)]:
            self.end(each.key)
        token = secrets.token_urlsafe(32)
        key = digest(token)
        self._open[key] = Session(key, user.name, address, _credentials(user), now, now)
        return token

    def of_token(self, token: str) -> str:
        """Key of the session that a cookie means, "" if there is none."""
        key = digest(token)
        return key if key in self._open else ""

    def user(self, key: str, users: Users, now: int) -> User | None:
        """Whose an open session is. One that is over, or whose user is not who he was, ends."""
        session = self._open.get(key)
        if session is None:
            return None
        user = users.get(session.name)
        if self._over(session, now) or user is None or user.disabled or _credentials(user) != session.credentials:
            self.end(key)
            return None
        return user

    def touch(self, key: str, now: int) -> None:
        """Its user has done something."""
        if session := self._open.get(key):
            session.used = now

    def end(self, key: str) -> None:
        """It is over."""
        self._open.pop(key, None)

    def end_all(self, name: str) -> None:
        """All of a user are over."""
        self._open = {key: each for key, each in self._open.items() if each.name != name}

    def open(self) -> list[Session]:
        """All that are, oldest first."""
        return list(self._open.values())

    def _over(self, session: Session, now: int) -> bool:
        return now >= session.used + self.idle or now >= session.begun + self.absolute


def _credentials(user: User) -> Credentials:
    return user.password, user.role, None if user.regions is None else frozenset(user.regions)
