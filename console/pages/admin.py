"""Administration: who may use the console, and what was done."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console.access.permissions import Forbidden
from console.access.who import require
from console.app import Console
from console.pages._audit import AuditLog
from console.pages._users import UserList
from console.pages.frame import ADMIN, frame


def register(console: Console) -> None:
    """Add the page; who is no administrator is refused."""

    @ui.page(ADMIN)
    def admin(request: Request) -> Response | None:
        try:
            require(request, "users")
        except Forbidden as why:
            return PlainTextResponse(f"{why}\n", 403)
        with frame(console, request, "admin") as page, ui.element("div").classes("syms-admin"):
            UserList(console, page, request)
            AuditLog(page, request)
        return None
