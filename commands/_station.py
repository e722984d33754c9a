"""A station of one's own: a whole pipeline in a temporary folder, started, watched, stopped, and gone afterwards.

`syms demo`, `syms try` and the system tests stand on it. Whatever happens in the `with` block, Ctrl-C and SIGTERM
included, no process and no socket is left behind.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import yaml

from commands import _orphans, _root, _supervise
from commands.up import prepare, supervisord, wait_until_up
from console.board import Board
from nodes import _sockets, _yaml
from nodes._faults import Faulty
from nodes._kinds import KINDS
from nodes._pipeline import Pipeline, load
from protocol.messages import Health

PATIENCE = 15.0
"""Seconds that supervisord has to stop everything before it is killed."""
PR_SET_PDEATHSIG = 1
SETTLE = 1.0
"""Seconds after which everything said has been heard, also if others never fall silent."""


def free_port(wanted: int = 0) -> int:
    """A TCP port of 127.0.0.1 that nobody uses at the moment; the wanted one if it is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read_wiring(path: Path) -> dict[str, Any]:
    """The `nodes:` of a pipeline file as plain data, to be altered for a private station. Raises Faulty."""
    data, lines, _ = _yaml.read(path)
    if lines.faults:
        raise Faulty(lines.faults)
    nodes: dict[str, Any] = data["nodes"]
    return nodes


class PrivateStation:
    """A running pipeline of these nodes and this site (plain data, as in the YAML files; paths absolute)."""

    def __init__(
        self,
        nodes: dict[str, Any],
        site: dict[str, Any],
        tags: tuple[bytes, ...] = (Health.TAG,),  # type: ignore[attr-defined]
        hear: Callable[[Any], None] | None = None,
    ) -> None:
        """`hear` gets every message with one of `tags` that is not Health."""
        self.hear = hear
        self.tags = (Health.TAG, *(tag for tag in tags if tag != Health.TAG))  # type: ignore[attr-defined]
        self._wanted = nodes, site
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._sigterm: Any = None
        self._words: Iterator[Any] = iter(())

    def __enter__(self) -> PrivateStation:
        if threading.current_thread() is threading.main_thread():
            self._sigterm = signal.signal(signal.SIGTERM, _leave)
        self.folder = Path(tempfile.mkdtemp(prefix="syms-"))
        try:
            self.pipeline = self._write()
            self.board = Board(list(self.pipeline.processes))
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _write(self) -> Pipeline:
        """The files, checked like any others; a fault in them is the caller's."""
        nodes, site = self._wanted
        for name in ("run", "pipelines", "config"):
            (self.folder / name).mkdir(mode=0o700)
        path = self.folder / "pipelines" / "private.yaml"
        (self.folder / "config" / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False, allow_unicode=True))
        wiring = {"site": "../config/site.yaml", "nodes": nodes}
        path.write_text(yaml.safe_dump(wiring, sort_keys=False, allow_unicode=True))
        return replace(load(path), run=str(self.folder / "run"))

    def _start(self) -> None:
        configuration = prepare(self.pipeline)
        log = self.folder / "supervisord.out"
        with open(log, "wb") as out:
            self._supervisord = subprocess.Popen(
                supervisord(configuration, "--nodaemon"),
                env=os.environ | {"SYMS_RUN": self.pipeline.run, _root.TOLD: "1"},  # ours alone, and gone with us
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is ours alone: we stop the others in order
                preexec_fn=_die_with_parent,
            )
        self._words = _sockets.listen(self.pipeline.run, list(self.pipeline.processes), self.tags)
        wait_until_up(self.pipeline)

    @property
    def supervisor(self) -> _supervise.Supervisor:
        """The supervisord of this station."""
        return _supervise.own(self.pipeline.run)

    def listen(self, seconds: float) -> None:
        """Hear what is said for some time."""
        self.wait(lambda board: False, seconds)

    def wait(
        self, condition: Callable[[Board], bool], patience: float, each: Callable[[Board], None] | None = None
    ) -> bool:
        """Hear until `condition` of the board is true; False if that took more than `patience` [s].

        `each` is called after every word and in every pause (a fifth of a second), for a display.
        """
        deadline = time.monotonic() + patience
        while not condition(self.board):
            if time.monotonic() >= deadline:
                return False
            self._take(next(self._words))
            if each:
                each(self.board)
        return True

    def _take(self, word: Any) -> None:
        if isinstance(word, Health):
            self.board.hear(word, time.monotonic())
        elif word is not None and self.hear:
            self.hear(word)

    def settle(self) -> None:
        """Hear everything that has been said so far."""
        deadline = time.monotonic() + SETTLE
        for word in self._words:
            self._take(word)
            if word is None or time.monotonic() >= deadline:
                return

    def stop(self, *kinds: str) -> None:
        """Stop all nodes of these kinds (of none: of all), those who feed first, and hear their last words."""
        nodes = self.pipeline.processes
        for level in self.pipeline.stopping_order:
            self.supervisor.stop(*(process for process in level if not kinds or nodes[process].kind in kinds))
        self.settle()

    def troubles(self) -> list[str]:
        """Processes that ended badly or were started again, with the last line of their log."""
        found = []
        for name, info in self.supervisor.states().items():
            bad = info["statename"] in ("FATAL", "BACKOFF", "UNKNOWN") or info["exitstatus"] not in (0, -1)
            if name in self.pipeline.processes and (bad or self.board.restarts.get(name)):
                found.append(f"{name} ({info['statename'].lower()}): {_supervise.last_line(self.log(name))}")
        return found

    def log(self, process: str) -> Path:
        """Log file of a process."""
        return _supervise.log_folder(self.pipeline) / f"{process}.log"

    def _end(self) -> None:
        """Nothing of us stays; a second Ctrl-C does not keep us from that."""
        main = threading.current_thread() is threading.main_thread()
        sigint = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        try:
            self._words = iter(())  # closes its socket
            self._kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            if main:
                signal.signal(signal.SIGINT, sigint)
                signal.signal(signal.SIGTERM, self._sigterm or signal.SIG_DFL)

    def _kill(self) -> None:
        run = str(self.folder / "run")
        if self._supervisord is not None:
            with suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):  # it may be gone, or starting
                for level in self.pipeline.stopping_order:
                    self.supervisor.stop(*level)
            self._supervisord.terminate()
            try:
                self._supervisord.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._supervisord.kill()
                self._supervisord.wait()
        _orphans.end(_orphans.lock_holders(run).values(), 1.0)


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM: leave by way of every `with` block."""
    sys.exit(128 + number)


def _die_with_parent() -> None:
    """In the child: SIGTERM when the parent is killed in a way that it can't answer (prctl, Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def sources(nodes: dict[str, Any]) -> list[str]:
    """Names of the nodes that play devices."""
    return [name for name, entry in nodes.items() if KINDS[entry["kind"]].source]
