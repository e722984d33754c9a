"""What administrators change of users, from a page: only if they may, with its lines in the audit log."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from console.access.permissions import Forbidden
from console.access.users import AccessFault, User, Users
from console.access.who import Access, acting, find
from console.texts import Texts

ACTION = "users"
"""The permission that all of it needs."""
Change = Callable[[dict[str, User]], None]


class UserBook:
    """The users, for one page."""

    def __init__(self, text: Texts, request: Request) -> None:
        self._text, self._request = text, request

    @property
    def access(self) -> Access:
        """Raises Forbidden."""
        visit = find(self._request)
        if visit is None:
            raise Forbidden("you are not signed in")
        return visit.access

    @property
    def users(self) -> Users:
        """As they are now."""
        return self.access.book.users

    def do(self, name: str, detail: str, change: Change) -> str:
        """Change something of a user, which `detail` says for the audit log: why it was not done; "": it was."""
        try:
            with acting(self._request, ACTION, name, detail=detail), self.access.book.changing() as users:
                change(users)
        except (AccessFault, Forbidden) as fault:
            return self.words(fault)
        return ""

    def words(self, fault: Exception) -> str:
        """Why something can't be done, in the reader's language where it is known there."""
        key = fault.key if isinstance(fault, AccessFault) else ""
        return self._text(f"access.{key}", least=self.access.policy.least) if key else self._text.said(str(fault))
