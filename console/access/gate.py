"""The gate before the whole console (ASGI): nothing behind it is reached without a session, by request or by websocket.

In this order: the host's name, the origin of what may change something and of every websocket, who it is. Who it is is
asked anew with every message of a websocket, so that one whose session has ended is closed with the next message of
either side (socket.io has one every few seconds).
"""

from __future__ import annotations

import secrets
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.access import headers, origin
from console.access.cookies import session_cookie
from console.access.forms import Forms
from console.access.who import SCOPE, Access, Visit

HEALTH = "/health"
ASSETS = "/_nicegui"
"""What NiceGUI loads and sends beside pages: it doesn't show that somebody is there."""
POLICY_VIOLATION = 1008
_SAFE = ("GET", "HEAD")


class Gate:
    """An ASGI app around another one."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access
        self._forms = Forms(access)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = scope[SCOPE] = self._visit(scope)
        send = self._with_headers(send, visit, scope["path"])
        answer = self._refusal(scope, visit)
        if answer is not None:
            await answer(scope, receive, send)
        elif self._forms.has(scope["path"]):
            await self._forms.app(scope, receive, send)
        else:
            if not scope["path"].startswith(ASSETS):
                visit.touch()
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope, visit: Visit) -> Response | None:
        path, method, said = scope["path"], scope["method"], Headers(scope=scope)
        if path == HEALTH and method in _SAFE:
            return None
        if not origin.host_is_known(said.get("host", ""), self.access.policy.hosts):
            return PlainTextResponse("this console does not go by that name; see `hosts` of its settings\n", 421)
        if method not in _SAFE and not visit.script[0] and not self._is_own(visit, said):
            return PlainTextResponse("this was not sent by a page of this console\n", 403)
        if self._forms.has(path) or visit.user() is not None:
            return None
        if path.startswith((*self.access.policy.api, ASSETS)) or method not in _SAFE:
            return PlainTextResponse("sign in first\n", 401, {"www-authenticate": "Bearer"})
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = path + (f"?{query}" if query else "")
        return RedirectResponse("/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}", 303)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = scope[SCOPE] = self._visit(scope)
        said = Headers(scope=scope)
        known = origin.host_is_known(said.get("host", ""), self.access.policy.hosts) and self._is_own(visit, said)
        if not known or not visit.session or visit.user() is None:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        guarded = _Guarded(visit, receive, send)
        await self.app(scope, guarded.receive, guarded.send)

    def _visit(self, scope: Scope) -> Visit:
        said = HTTPConnection(scope)
        policy = self.access.policy
        caller = policy.proxies.caller(scope["client"][0] if scope.get("client") else "local", said.headers)
        tls = policy.tls or caller.tls
        nonce = secrets.token_urlsafe(16)
        cookie = said.cookies.get(session_cookie(tls), "")
        self.access.look(self.access.clock().monotonic)
        session = self.access.sessions.of_token(cookie) if cookie else ""
        script = ("", "")
        kind, _, token = said.headers.get("authorization", "").partition(" ")
        if not session and kind.lower() == "bearer" and scope["path"].startswith(policy.api):
            script = self.access.bearer(token.strip())
        return Visit(self.access, caller.address, nonce, session, script, tls)

    @staticmethod
    def _is_own(visit: Visit, said: Headers) -> bool:
        return origin.is_own(said.get("origin", ""), said.get("host", ""), visit.tls)

    def _with_headers(self, send: Send, visit: Visit, path: str) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.access.keep()  # before anybody is told that he is signed in, or out
                told = MutableHeaders(scope=message)
                for name, value in headers.of_answer(visit.nonce, visit.tls).items():
                    told.setdefault(name, value)
                if not path.startswith(ASSETS):
                    told.setdefault("cache-control", "no-store")
            await send(message)

        return with_headers


class _Guarded:
    """A websocket for as long as its session lives."""

    def __init__(self, visit: Visit, receive: Receive, send: Send) -> None:
        self._visit, self._receive, self._send = visit, receive, send
        self._closed = False

    async def receive(self) -> Message:
        """What comes from the browser, as long as it is from somebody."""
        message = await self._receive()
        if message["type"] == "websocket.receive" and self._visit.user() is None:
            await self._close()
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return message

    async def send(self, message: Message) -> None:
        """What goes to the browser, as long as it is to somebody."""
        if self._closed:
            return
        if self._visit.user() is None:
            await self._close()
            return
        self._closed = message["type"] == "websocket.close"
        await self._send(message)

    async def _close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "signed out"})
