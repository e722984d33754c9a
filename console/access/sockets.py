"""NiceGUI's socket.io: a socket speaks for the pages that its own session opened, and for no others.

NiceGUI takes the client that an event is for from the event itself. Its id is hard to guess, but no permission.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from socketio.exceptions import ConnectionRefusedError

from console.access.who import Source, find

SPOKEN = ("event", "javascript_response", "ack", "log")
"""Words of a socket that name a client."""


GONE = "Implicit handshake failed"
"""What NiceGUI's pages are told that were opened before the console was started again: they load anew."""


def own_pages_only(server: Any, page_of: Callable[[str], Source | None]) -> None:
    """Guard a `socketio.AsyncServer` that has its handlers; `page_of`: the request that opened a client's page."""
    handlers = server.handlers["/"]

    def is_own(sid: str, client: str) -> bool:
        page = page_of(client)
        theirs, ours = find(page) if page is not None else None, find(server.get_environ(sid)["asgi.scope"])
        return theirs is not None and ours is not None and bool(ours.session) and theirs.session == ours.session

    def guard(word: str, allows: Callable[[str, Any], bool]) -> None:
        handler = handlers[word]

        async def guarded(sid: str, said: Any, *more: Any) -> Any:
            if not allows(sid, said):
                return False
            result = handler(sid, said, *more)
            return await result if inspect.isawaitable(result) else result

        handlers[word] = guarded

    def named(said: Any) -> str:
        return str(said.get("client_id", "")) if isinstance(said, dict) else ""

    def connects(sid: str, environ: dict[str, Any]) -> bool:
        client = parse_qs(environ.get("QUERY_STRING", "")).get("client_id", [""])[0]
        if client and page_of(client) is None:
            raise ConnectionRefusedError(GONE)
        return not client or is_own(sid, client)

    guard("connect", connects)
    guard("handshake", lambda sid, said: is_own(sid, named(said)))
    for word in SPOKEN:
        guard(word, lambda sid, said: named(said) in server.rooms(sid))
