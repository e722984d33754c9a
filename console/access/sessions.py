"""Who is signed in: by the hash of a token that the browser has. `kept.py` has them outlive the process."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass

from console.access.users import User, Users

MOST = 20
"""Sessions of one user; one more ends his oldest."""


def digest(token: str) -> str:
    """What is kept of a token: 64 hexadecimal digits. It is random, so that a fast hash does."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass
class Session:
    """One browser of a user."""

    key: str
    """Hash of the token that its cookie has."""
    name: str
    address: str
    credentials: str
    """Hash of those with which it began; other ones end it, and with it the pages that
    show what somebody might see then."""
    begun: int
    used: int


class Sessions:
    """By the hash of their token; times are monotonic [ns]."""

    def __init__(self, idle: int, absolute: int) -> None:
        """`idle`, `absolute`: how long a session lives that is not used, or at all [ns]."""
        self.idle, self.absolute = idle, absolute
        self._open: dict[str, Session] = {}
        self.revision = 0
        """Another one if any began or ended."""
        self.touched = False
        """Whether any was used since somebody set this back."""

    def begin(self, user: User, address: str, now: int) -> str:
        """The token for the cookie of a new session."""
        self._open = {key: each for key, each in self._open.items() if not self._over(each, now)}
        own = [each for each in self._open.values() if each.name == user.name]  # oldest first
        for each in own[: max(0, len(own) - MOST + 1)]:
            self.end(each.key)
        token = secrets.token_urlsafe(32)
        key = digest(token)
        self._open[key] = Session(key, user.name, address, _credentials(user), now, now)
        self.revision += 1
        return token

    def resume(self, session: Session, now: int) -> None:
        """One that a process before this one began, unless it is over."""
        if not self._over(session, now):
            self._open[session.key] = session

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
            session.used, self.touched = now, True

    def end(self, key: str) -> None:
        """It is over."""
        if self._open.pop(key, None):
            self.revision += 1

    def end_all(self, name: str) -> None:
        """All of a user are over."""
        self._open = {key: each for key, each in self._open.items() if each.name != name}
        self.revision += 1

    def open(self) -> list[Session]:
        """All that are, oldest first."""
        return list(self._open.values())

    def _over(self, session: Session, now: int) -> bool:
        return now >= session.used + self.idle or now >= session.begun + self.absolute


def _credentials(user: User) -> str:
    """Hash of a user's password hash, role and regions."""
    regions = None if user.regions is None else sorted(set(user.regions))
    return digest(json.dumps([user.password, user.role, regions]))
