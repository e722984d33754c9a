"""A console application without a station, in a process of its own, fed by hand.

NiceGUI's pages belong to the process, so that each test session has one process with all pages; tests tell it messages
as the node would. It is behind the gate, with the people of `tests.doors` and an engineer; anyone's session is had
without typing a password.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from console.access.users import Role, User
from protocol.clock import SECOND
from tests import doors

PATIENCE = 30.0
"""Seconds that it has to come up."""
PEOPLE = doors.PEOPLE | {"emil": User(name="emil", role=Role.ENGINEER, password=doors.HASH)}
"""vera sees, oleg acknowledges in the north, emil runs the station, anna administers."""
KEEP, MEMORY = 120 * SECOND, 64 << 20


@dataclass(frozen=True)
class SignIn:
    """Asked for the session of a user."""

    name: str


class Served:
    """Use it as a context: at `url` inside."""

    def __init__(
        self, folder: Path, site: dict[str, Any] | None = None, processes: list[str] | None = None, **more: Any
    ) -> None:
        """`folder` for what the station has on disk, `site` as the checked site file, `more` for `Console`."""
        self.folder, self.site, self.processes, self.more = folder, site or {}, processes or [], more
        self.url = ""
        self.pid = 0
        self._turn = threading.Lock()

    def __enter__(self) -> Served:
        here = multiprocessing.get_context("spawn")
        self._end, theirs = here.Pipe()
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        asked = (theirs, listening, self.folder, self.site, self.processes, self.more)
        self._process = here.Process(target=_serve, args=asked, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0
        listening.close()
        theirs.close()
        self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._process.exitcode:
            raise RuntimeError(f"the console ended with {self._process.exitcode}")

    def take(self, *messages: object) -> None:
        """Tell the model; returns when it has them."""
        self._ask(messages)

    def sign_in(self, name: str) -> str:
        """Begin a session of a user of PEOPLE: its cookie's value."""
        token: str = self._ask(SignIn(name))
        return token

    def do(self, act: Callable[[Any], Any]) -> Any:
        """Call a function of a module of tests with the `Console` there; what it returns."""
        return self._ask(act)

    def _ask(self, what: Any) -> Any:
        with self._turn:
            self._end.send(what)
            return self._hear()

    def _hear(self) -> Any:
        if not self._end.poll(PATIENCE):
            raise TimeoutError(f"the console said nothing for {PATIENCE:g} s")
        said = self._end.recv()
        if isinstance(said, Exception):
            raise said
        return said


def _serve(
    end: Connection, listening: socket.socket, folder: Path, site: dict[str, Any], processes: list[str], more: Any
) -> None:
    """The process: serves until the pipe is closed."""
    os.environ["NICEGUI_STORAGE_PATH"] = str(folder / "nicegui")
    from console.access.audit import Audit
    from console.access.who import Access, Policy
    from console.app import Console, application
    from console.board import Board
    from console.model import Station
    from console.server import WebServer, clock

    station = Station(str(site.get("station", "")), Board(processes), KEEP, MEMORY)
    console = Console(station, site, folder / "pipeline.yaml", str(folder), clock, **more)
    access = Access(doors.make_book(folder, PEOPLE), Audit(folder / "audit"), Policy(), clock, doors.QUICK)
    web = WebServer(application(console, access), listening)
    web.start()
    end.send(None)
    while True:
        try:
            asked = end.recv()
        except EOFError:
            break
        end.send(_done(console, access, asked))
    web.stop()


def _done(console: Any, access: Any, asked: Any) -> Any:
    try:
        if isinstance(asked, SignIn):
            return access.sign_in(asked.name, access.book.users[asked.name].password, "127.0.0.1")
        if callable(asked):
            return asked(console)
        for message in asked:
            console.station.take(message, time.monotonic())
    except Exception as fault:
        return fault
    return None
