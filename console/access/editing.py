"""What an administrator asks for a user: checked, then written among the others."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from console.access.sessions import digest
from console.access.users import NAME, AccessFault, Language, Role, Token, User
from protocol.clock import SECOND

DAYS = 365
"""That a token is good where nothing else is said."""
MOST_DAYS = 3650
SHOWN = ("role", "regions", "disabled", "language")
"""Of a user, to who changes him."""


@dataclass(frozen=True)
class Wish:
    """How a user is to be."""

    name: str
    role: Role
    regions: tuple[str, ...] | None
    """None: all. The empty tuple is none at all, which no user may have."""
    disabled: bool = False
    password: str | None = None
    """Hash of a new one; None: it stays as it is."""
    language: Language | None = None
    """None: that of his browser."""
    scripts: bool = False
    """A new user without a password: he can't sign in, scripts use his tokens."""

    def told(self) -> str:
        """For the audit log."""
        words = [f"{self.role}, regions {'all' if self.regions is None else ', '.join(self.regions)}"]
        words += [f"language {self.language}"] * (self.language is not None)
        words += ["disabled"] * self.disabled + ["new password"] * (self.password is not None)
        words += ["no password"] * self.scripts
        return ", ".join(words)


def add(users: dict[str, User], wish: Wish) -> None:
    """One more. Raises AccessFault."""
    if not NAME.fullmatch(wish.name):
        raise AccessFault("a name has letters, digits and . _ @ -, at most 64 of them", "bad_name")
    if any(wish.name.casefold() == other.casefold() for other in users):
        raise AccessFault(f"{wish.name} is there already", "name_taken")
    if wish.password is None and not wish.scripts:
        raise AccessFault("a new user needs a password", "no_password")
    users[wish.name] = _with(User(name=wish.name, role=wish.role), wish)


def change(users: dict[str, User], wish: Wish, shown: User) -> None:
    """One who is there, and still is as he was shown to who wishes it. Raises AccessFault.

    His password and tokens are not shown: others may have changed those, and they stay as they are now.
    """
    user = _of(users, wish.name)
    if any(getattr(user, each) != getattr(shown, each) for each in SHOWN):
        raise AccessFault(f"{wish.name} was changed meanwhile, and nothing is saved: look at him again", "look_again")
    users[wish.name] = _with(user, wish)


def remove(users: dict[str, User], name: str) -> None:
    """Raises AccessFault."""
    _of(users, name)
    del users[name]


def fresh_token() -> str:
    """For a script, with 256 random bits."""
    return f"syms_{secrets.token_urlsafe(32)}"


def until(utc: int, days: int) -> datetime:
    """When a token ends that is made now [ns UTC]. Raises AccessFault."""
    if not 1 <= days <= MOST_DAYS:
        raise AccessFault(f"a token is good for 1 to {MOST_DAYS} days", "bad_days")
    return datetime.fromtimestamp(utc // SECOND, UTC) + timedelta(days=days)


def issue(users: dict[str, User], name: str, label: str, token: str, expires: datetime) -> None:
    """A script's token for a user, kept as its hash. Raises AccessFault."""
    check_label(label)
    user = _of(users, name)
    if label in user.tokens:
        raise AccessFault(f"{name} has a token {label}; revoke it first", "token_taken")
    users[name] = user.with_(tokens={**user.tokens, label: Token(hash=digest(token), expires=expires)})


def revoke(users: dict[str, User], name: str, label: str) -> None:
    """It counts no more. Raises AccessFault."""
    user = _of(users, name)
    if label not in user.tokens:
        raise AccessFault(f"{name} has no token {label}", "no_token")
    users[name] = user.with_(tokens={each: token for each, token in user.tokens.items() if each != label})


def check_label(label: str) -> None:
    """Raises AccessFault."""
    if not NAME.fullmatch(label):
        raise AccessFault(
            f"{label!r} can't be a token's name; letters, digits and . _ @ -, at most 64 of them", "bad_label"
        )


def _of(users: dict[str, User], name: str) -> User:
    if name not in users:
        raise AccessFault(f"{name} was removed meanwhile", "gone_meanwhile")
    return users[name]


def _with(user: User, wish: Wish) -> User:
    regions = None if wish.regions is None else list(wish.regions)
    password = user.password if wish.password is None else wish.password
    return user.with_(
        role=wish.role, regions=regions, disabled=wish.disabled, password=password, language=wish.language
    )  # fmt: skip
