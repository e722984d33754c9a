"""The one-time link by which the first administrator makes himself a name and a password."""

from __future__ import annotations

import hmac
import json
import os
import secrets

from console.access.book import Book
from console.access.files import open_private
from console.access.sessions import digest
from console.access.users import NAME, AccessFault, Role, User
from protocol.clock import SECOND

LASTS = 3600 * SECOND
NOT_VALID = (
    "this link is not valid, or no longer; `syms users first` prints another one while there is no administrator"
)


class FirstLink:
    """At most one at a time; its hash and end lie beside the file of users, for the console to see."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.path = book.path.with_name(f".{book.path.stem}.first")

    def make(self, utc: int) -> str:
        """The token of a new link; the one before is void. Raises AccessFault if there is an administrator."""
        with self.book.changing() as users:
            if any(user.administers for user in users.values()):
                raise AccessFault("there is an administrator; he adds users (`syms users add`)")
            token = secrets.token_urlsafe(32)
            self.path.unlink(missing_ok=True)
            with open(open_private(self.path, os.O_EXCL), "w") as file:
                json.dump({"hash": digest(token), "expires": utc + LASTS}, file)
        return token

    def is_valid(self, token: str, utc: int) -> bool:
        """Whether somebody with this link may go on."""
        return not self.book.has_administrator and self._matches(token, utc)

    def use(self, token: str, name: str, password_hash: str, utc: int) -> User:
        """Make the first administrator; the link is void then. Raises AccessFault."""
        if not NAME.fullmatch(name):
            raise AccessFault("a name has letters, digits and . _ @ -, at most 64 of them", "bad_name")
        with self.book.changing() as users:
            if any(user.administers for user in users.values()) or not self._matches(token, utc):
                raise AccessFault(NOT_VALID, "gone")
            if any(name.casefold() == other.casefold() for other in users):
                raise AccessFault(f"{name!r} is there already; take another name", "name_taken")
            users[name] = User(name=name, role=Role.ADMINISTRATOR, password=password_hash)
            self.path.unlink()
            return users[name]

    def _matches(self, token: str, utc: int) -> bool:
        try:
            kept = json.loads(self.path.read_text())
            return utc < kept["expires"] and hmac.compare_digest(kept["hash"], digest(token))
        except (OSError, ValueError, KeyError):
            return False
