"""A socket of NiceGUI speaks for the pages that its own session opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from socketio.exceptions import ConnectionRefusedError

from console.access.sessions import digest
from console.access.sockets import own_pages_only
from console.access.who import SCOPE, Visit
from tests.asynchronous import run
from tests.doors import PEOPLE, Door


class Server:
    """What of socketio.AsyncServer is used."""

    def __init__(self, sockets: dict[str, Any]) -> None:
        self.done: list[tuple[str, str]] = []
        self.in_rooms: dict[str, list[str]] = {sid: [sid] for sid in sockets}
        self.sockets = sockets
        self.handlers = {"/": {word: self.handler(word) for word in ("event", "javascript_response", "ack", "log")}}
        self.handlers["/"] |= {"connect": self.connect, "handshake": self.handshake}

    def handler(self, word: str) -> Any:
        return lambda sid, said: self.done.append((sid, said["client_id"]))

    async def connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> bool:
        return True

    async def handshake(self, sid: str, said: dict[str, Any]) -> bool:
        self.in_rooms[sid].append(said["client_id"])
        return True

    def get_environ(self, sid: str) -> dict[str, Any]:
        return {"asgi.scope": self.sockets[sid]}

    def rooms(self, sid: str) -> list[str]:
        return self.in_rooms[sid]

    def say(self, word: str, *said: Any) -> Any:
        return run(self.handlers["/"][word](*said))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    access = Door(tmp_path).access
    scopes = {
        name: {SCOPE: Visit(access, "a", "", digest(access.sessions.begin(PEOPLE[name], "a", 0)))}
        for name in ("vera", "anna")
    }
    server = Server({"v": scopes["vera"], "a": scopes["anna"], "nobody": {}})
    pages = {"page-of-anna": scopes["anna"], "page-of-vera": scopes["vera"]}
    own_pages_only(server, pages.get)
    return server


@pytest.mark.parametrize(("sid", "client", "own"), [("a", "page-of-anna", True), ("v", "page-of-anna", False),
    ("v", "page-of-vera", True), ("nobody", "page-of-anna", False)])  # fmt: skip
def test_pages_of_others(server: Server, sid: str, client: str, own: bool) -> None:
    assert bool(server.say("connect", sid, {"QUERY_STRING": f"EIO=4&client_id={client}"}, None)) == own
    assert bool(server.say("handshake", sid, {"client_id": client})) == own
    for word in ("event", "javascript_response", "ack", "log"):
        server.say(word, sid, {"client_id": client})
    assert server.done == [(sid, client)] * 4 * own


def test_a_page_that_nobody_knows_any_more_loads_anew(server: Server) -> None:
    with pytest.raises(ConnectionRefusedError, match="Implicit handshake failed"):
        server.say("connect", "v", {"QUERY_STRING": "EIO=4&client_id=none"}, None)
    assert not server.say("handshake", "v", {"client_id": "none"})


def test_without_a_handshake_nothing_is_heard(server: Server) -> None:
    assert server.say("connect", "a", {"QUERY_STRING": "EIO=4"})
    server.say("event", "a", {"client_id": "page-of-anna"})
    for nonsense in ("page-of-anna", None, 7, ["client_id"]):
        server.say("event", "a", nonsense)
    assert not server.done
