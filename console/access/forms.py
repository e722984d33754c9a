"""The pages that stand before the console: sign in, sign out, a new password, the first administrator.

Plain HTML that works without scripts. Each form carries a token that is bound to a cookie.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from console.access import cookies, headers, origin, passwords
from console.access.users import AccessFault
from console.access.who import Access, Visit, find
from console.texts import Texts, speaks
from protocol.clock import SECOND

PAGES = Path(__file__).parent / "pages"
OPEN = ("/login", "/logout", "/password", "/session", "/access.css", "/access.js")
FIRST = "/first/"
MAX_BODY = 16 << 10
"""Bytes of a form."""
KEY = re.compile(r"[a-z_]+")
"""Of a text about a fault; other faults are texts themselves."""
AT_ONCE = 2
"""Passwords that are hashed at a time: each takes 64 MiB and some of a core."""


class Forms:
    """The pages of one console."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._hashing: anyio.CapacityLimiter | None = None
        self._pages = jinja2.Environment(
            loader=jinja2.FileSystemLoader(PAGES), autoescape=True, undefined=jinja2.StrictUndefined
        )
        both = ["GET", "POST"]
        self.app = Starlette(
            routes=[
                Route("/login", self.login, methods=both),
                Route("/logout", self.logout, methods=both),
                Route("/password", self.password, methods=both),
                Route("/first/{token}", self.first, methods=both),
                Route("/session", self.session),
                Route("/access.css", self.file),
                Route("/access.js", self.file),
            ]
        )

    def has(self, path: str) -> bool:
        """Whether a path is one of these pages; they look themselves at who is there."""
        return path in OPEN or path.startswith(FIRST)

    async def file(self, request: Request) -> Response:
        """How they look, and what has pages whose session has ended go there."""
        return FileResponse(PAGES / request.scope["path"][1:])

    async def session(self, request: Request) -> Response:
        """Whether there is a session, for a page that has lost its websocket; no sign of life."""
        return Response(status_code=401 if _visit(request).user() is None else 204)

    async def login(self, request: Request) -> Response:
        """Name and password, then on to `next`."""
        wanted = origin.own_path(request.query_params.get("next", "/"))
        visit = _visit(request)
        if request.method != "POST":
            if visit.user() is not None:
                return RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
            return self._page(request, "login", 200)
        said = await self._form(request)
        if said is None:
            return self._page(request, "login", 403, "form_old")
        name = said.get("name", "").strip()
        if wait := self.access.attempt(name, visit.address):
            return self._page(request, "login", 429, "too_many", wait=wait, name=name)
        right = await self._slowly(self.access.verify, name, said.get("password", ""))
        token = self.access.sign_in(name, right, visit.address)
        if not token:
            return self._page(request, "login", 401, "refused", name=name)
        self.access.sessions.end(visit.session)  # of whoever used this browser before
        return self._welcome(visit, token, wanted)

    async def logout(self, request: Request) -> Response:
        """A page with one button: nobody is signed out by a link or a picture somewhere."""
        visit = _visit(request)
        if request.method == "POST" and await self._form(request) is not None:
            self.access.sign_out(visit)
            answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
            cookies.take(answer, cookies.session_cookie(visit.tls), visit.tls)
            answer.headers["clear-site-data"] = '"cache", "storage"'
            return answer
        if visit.user() is None:
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        return self._page(request, "logout", 200)

    async def password(self, request: Request) -> Response:
        """A new password for whoever is signed in and knows the old one."""
        visit = _visit(request)
        user = visit.user()
        if user is None:
            return RedirectResponse("/login?next=/password", HTTPStatus.SEE_OTHER)
        if request.method != "POST":
            return self._page(request, "password", 200)
        said = await self._form(request)
        if said is None:
            return self._page(request, "password", 403, "form_old")
        if wait := self.access.attempt(user.name, visit.address):
            return self._page(request, "password", 429, "too_many", wait=wait)
        if not await self._slowly(self.access.verify, user.name, said.get("old", "")):
            return self._page(request, "password", 401, "old_wrong")
        self.access.forgive(user.name, visit.address)
        fault = self._new_password(said, user.name)
        if fault:
            return self._page(request, "password", 400, fault)
        made = await self._slowly(self.access.hasher.make, said["password"])
        try:
            token = self.access.change_password(user, made, visit.address)
        except AccessFault as refused:
            return self._page(request, "password", 503, refused.key or str(refused))
        return self._welcome(visit, token, "/")

    async def first(self, request: Request) -> Response:
        """The one-time link: the first administrator chooses a name and a password."""
        token, visit = request.path_params["token"], _visit(request)
        if not self.access.first.is_valid(token, self.access.clock().utc):
            return self._page(request, "gone", 404)
        if request.method != "POST":
            return self._page(request, "first", 200)
        said = await self._form(request)
        if said is None:
            return self._page(request, "first", 403, "form_old")
        name = said.get("name", "").strip()
        fault = self._new_password(said, name)
        if fault:
            return self._page(request, "first", 400, fault, name=name)
        made = await self._slowly(self.access.hasher.make, said["password"])
        try:
            session = self.access.use_first_link(token, name, made, visit.address)
        except AccessFault as refused:
            return self._page(request, "first", 400, refused.key or str(refused), name=name)
        return self._welcome(visit, session, "/")

    def _new_password(self, said: dict[str, str], name: str) -> str:
        """What is wrong with a password that was typed twice; "": nothing."""
        if said.get("password", "") != said.get("again", ""):
            return "not_the_same"
        try:
            passwords.check(said.get("password", ""), name, self.access.policy.least)
        except AccessFault as fault:
            return fault.key or str(fault)
        return ""

    async def _slowly(self, work: Callable[..., Any], *words: Any) -> Any:
        """In a thread, a few at a time."""
        self._hashing = self._hashing or anyio.CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(lambda: work(*words), limiter=self._hashing)

    async def _form(self, request: Request) -> dict[str, str] | None:
        """What a form says, None if it is none of ours."""
        raw = b""
        async for piece in request.stream():
            raw += piece
            if len(raw) > MAX_BODY:
                return None
        try:
            said = dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return None
        bound = self.access.is_form_token(said.get("form", ""), _binding(request))
        return said if bound else None

    def _welcome(self, visit: Visit, token: str, where: str) -> Response:
        answer = RedirectResponse(where, HTTPStatus.SEE_OTHER)
        cookies.give(answer, cookies.session_cookie(visit.tls), token, visit.tls)
        cookies.take(answer, cookies.form_cookie(visit.tls), visit.tls)
        return answer

    def _page(
        self, request: Request, page: str, status: int, fault: str = "", wait: int = 0, name: str = ""
    ) -> Response:
        """One of these pages; `fault` is a key of the texts, or a text; `name` was typed before."""
        visit = _visit(request)
        user = visit.user()
        said = Texts((user.language if user else None) or speaks(request.headers.get("accept-language", "")))
        least, seconds = self.access.policy.least, -(-wait // SECOND)
        binding, fresh = _binding(request), ""
        if not binding:
            binding = fresh = secrets.token_urlsafe(32)
        text = self._pages.get_template("page.html").render(
            t=lambda key, **fields: said(f"access.{key}", **fields),
            page=page,
            name=name,
            language=said.language,
            user=user.name if user else "",
            least=least,
            fault=said(f"access.{fault}", seconds=seconds, least=least) if KEY.fullmatch(fault) else fault,
            form=self.access.form_token(binding),
        )
        answer = HTMLResponse(
            text, status, {"content-security-policy": headers.PLAIN_POLICY, "vary": "accept-language"}
        )
        if wait:
            answer.headers["retry-after"] = str(seconds)
        if fresh:
            cookies.give(answer, cookies.form_cookie(visit.tls), fresh, visit.tls)
        return answer


def _visit(request: Request) -> Visit:
    visit = find(request)
    assert visit is not None  # these pages stand behind the gate
    return visit


def _binding(request: Request) -> str:
    """What the forms of a browser are bound to: its session, before that a cookie of its own; "" if it has none."""
    visit = _visit(request)
    return visit.session if visit.user() else request.cookies.get(cookies.form_cookie(visit.tls), "")
