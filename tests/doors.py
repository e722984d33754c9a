"""A console's access with users, a clock that tests move, and an app behind its gate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import argon2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from console.access.audit import Audit
from console.access.book import Book
from console.access.gate import Gate
from console.access.kept import Kept
from console.access.passwords import Hasher
from console.access.permissions import Forbidden
from console.access.users import Role, User
from console.access.who import Access, Policy, acting, current
from nodes import _users
from protocol.clock import SECOND, Now

QUICK = Hasher(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HERE = "http://127.0.0.1:8080"
SECRET = "a quiet morning on the hill"
HASH = QUICK.make(SECRET)
PEOPLE = {
    "vera": User(name="vera", role=Role.VIEWER, password=HASH),
    "oleg": User(name="oleg", role=Role.OPERATOR, password=HASH, regions=["north"]),
    "anna": User(name="anna", role=Role.ADMINISTRATOR, password=HASH),
}


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = Now(1000 * SECOND, 1_800_000_000 * SECOND)

    def __call__(self) -> Now:
        return self.now

    def go(self, seconds: float) -> None:
        """So much time passes."""
        ns = int(seconds * SECOND)
        self.now = Now(self.now.monotonic + ns, self.now.utc + ns)


def make_book(folder: Path, people: Mapping[str, User] = PEOPLE) -> Book:
    """A file of users."""
    book = Book(folder / "users.yaml", _users.load)
    with book.changing() as users:
        users.update(people)
    return book


class Door:
    """The gate before a small app, and the browser of one person."""

    def __init__(self, folder: Path, people: Mapping[str, User] = PEOPLE, keeps: bool = False, **policy: Any) -> None:
        """`keeps`: sessions outlive it."""
        self.clock = Clock()
        self.book = make_book(folder, people)
        self.kept = Kept(folder / "console.sessions") if keeps else None
        self._policy = Policy(**policy)
        self.open()

    def open(self) -> None:
        """The process begins (again)."""
        audit = Audit(self.book.path.parent / "audit")
        self.access = Access(self.book, audit, self._policy, self.clock, QUICK, self.kept)
        self.gate = Gate(App().app, self.access)

    def reopen(self, monotonic: int | None = None) -> None:
        """It is killed, and begins again; `monotonic` [ns]: with its machine, whose clock says this then."""
        if monotonic is not None:
            self.clock.now = Now(monotonic, self.clock.now.utc)
        if self.kept is not None:
            self.kept = Kept(self.kept.path)
        self.open()

    def browser(self, address: str = "10.0.0.7", base: str = HERE) -> TestClient:
        """Somebody's, without a cookie; its origin is that of the console."""
        headers = {"origin": base}
        return TestClient(self.gate, base, headers=headers, follow_redirects=False, client=(address, 50000))

    def signed_in(self, name: str, address: str = "10.0.0.7") -> TestClient:
        """Somebody's who is."""
        browser = self.browser(address)
        assert sign_in(browser, name).status_code == 303
        return browser

    def acts(self) -> list[tuple[Any, ...]]:
        """What the audit log has: (user, action, object, outcome)."""
        names = ("user", "action", "object", "outcome")
        return [tuple(line[name] for name in names) for line in self.access.audit.lines()]


def form_token(text: str) -> str:
    """Of a page."""
    return text.partition('name="form" value="')[2].partition('"')[0]


def sign_in(browser: TestClient, name: str, password: str = SECRET, where: str = "/login") -> Any:
    """The answer."""
    form = form_token(browser.get(where).text)
    return browser.post(where, data={"form": form, "name": name, "password": password})


class App:
    """What is behind the gate."""

    def __init__(self) -> None:
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/health", self.health),
                Route("/api/devices", self.devices, methods=["GET", "POST"]),
                Route("/acknowledge/{alarm}", self.acknowledge, methods=["POST"]),
                Route("/_nicegui/1/static/vue.js", self.page),
                WebSocketRoute("/_nicegui_ws/socket.io/", self.socket),
            ]
        )

    async def page(self, request: Request) -> Response:
        return HTMLResponse(f"<p>{current(request).name}</p>")

    async def health(self, request: Request) -> Response:
        return JSONResponse({"healthy": True})

    async def devices(self, request: Request) -> Response:
        return JSONResponse({"for": current(request).name})

    async def acknowledge(self, request: Request) -> Response:
        try:
            with acting(request, "acknowledge", request.path_params["alarm"], request.query_params.get("region")):
                return JSONResponse({"acknowledged": True})
        except Forbidden as why:
            return JSONResponse({"why": str(why)}, 403)

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        async for word in websocket.iter_text():
            try:
                with acting(websocket, word, "7"):
                    await websocket.send_text("done")
            except Forbidden as why:
                await websocket.send_text(str(why))
