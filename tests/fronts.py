"""A real balancer process, and receivers played by the test at the other end of the handover."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from commands._station import free_port
from nodes import _handover

PATIENCE = 15.0
ROOT = Path(__file__).parents[1]


def until(condition: Callable[[], bool]) -> None:
    """Wait, bounded, for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        select.select([], [], [], 0.002)  # leave the core to the other process


class Receiver:
    """A receiver's end of the handover."""

    def __init__(self, run: Path, name: str) -> None:
        self.run, self.name = run, name
        self.channel: Any = None
        self.links: dict[int, dict[str, Any]] = {}
        """Connection -> the note that it came with."""
        self.ends: dict[int, list[socket.socket]] = {}
        self.answers: list[dict[str, Any]] = []
        self.again: list[int] = []
        """Connections that a predecessor had."""
        self.coming: list[int] = []
        until((run / "front.handover").exists)
        self.join()

    def join(self) -> None:
        """Dial the balancer, tell what we hold, be welcome, and be handed all that a predecessor had."""
        if self.channel:
            self.channel.close()
        self.channel = _handover.Channel.dial(str(self.run / "front.handover"))
        self.channel.say("hello", receiver=self.name, holds=len(self.links))
        for id_, link in self.links.items():
            fields = {key: link[key] for key in ("how", "peer", "target", "cfg3", "stream", "numbers")}
            self.channel.say("holds", [end.dup() for end in self.ends[id_]], connection=id_, **fields)
        until(lambda: self.hear() >= 0 and any(note["say"] == "welcome" for note in self.answers))
        *_, welcome = [note for note in self.answers if note["say"] == "welcome"]
        self.coming = welcome["coming"]
        until(lambda: self.hear() >= 0 and self.links.keys() >= set(self.coming))
        self.answers = [note for note in self.answers if note["say"] not in ("welcome", "adopted")]

    def hear(self) -> int:
        """Connections held."""
        for note, descriptors in self.channel.notes():
            if note["say"] == "link":
                self.links[note["connection"]] = note
                self.ends[note["connection"]] = [socket.socket(fileno=each) for each in descriptors]
                self.again += [note["connection"]] * note["again"]
            elif note["say"] == "drop":
                self.leave(note["connection"])
            else:
                self.answers.append(note)
        return len(self.links)

    def identify(self, connection: int, stream: int) -> dict[str, Any]:
        """The balancer's answer."""
        self.channel.say("identify", connection=connection, address="127.0.0.1", stream=stream)
        until(lambda: self.hear() >= 0 and bool(self.answers))
        answer = self.answers.pop()
        if answer["say"] == "identity":
            self.links[connection]["numbers"].append(answer["device"]["number"])
        return answer

    def leave(self, connection: int) -> None:
        """End a connection."""
        del self.links[connection]
        for end in self.ends.pop(connection):
            if end.type == socket.SOCK_STREAM:
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.channel.say("ended", connection=connection, reason="test", cfg3=True)

    def close(self) -> None:
        """Die: nothing is said."""
        for end in (end for ends in self.ends.values() for end in ends):
            end.close()
        self.channel.close()


class Front:
    """The process. `port`: where devices dial."""

    def __init__(self, folder: Path, site: dict[str, Any], **settings: Any) -> None:
        self.folder, self.run, self.port = folder, folder / "run", free_port()
        self.run.mkdir(mode=0o700)
        nodes = {
            "front": {"kind": "balancer", "listen": f"127.0.0.1:{self.port}", "registry": "registry.json"} | settings,
            "receivers": {"kind": "receiver", "from": "front", "copies": 3},
            "archive": {"kind": "archiver", "from": "receivers", "path": "data"},
        }
        (folder / "site.yaml").write_text(yaml.safe_dump({"station": "test"} | site))
        (folder / "p.yaml").write_text(yaml.safe_dump({"site": "site.yaml", "nodes": nodes}))

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "commands", "run", str(self.folder / "p.yaml"), "front"],
            env=os.environ | {"SYMS_RUN": str(self.run)},
            cwd=ROOT,
        )

    def kill(self) -> None:
        """SIGKILL; what is left of its sockets is gone too."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        (self.run / "front.handover").unlink()  # so that nobody takes it for the next one's

    def stop(self) -> None:
        """SIGTERM: an orderly end."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        assert not (self.run / "front.handover").exists()

    def dial(self) -> socket.socket:
        """A device that connects."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)


@contextmanager
def running(folder: Path, site: dict[str, Any], **settings: Any) -> Iterator[Front]:
    """A balancer of a pipeline with three receivers."""
    front = Front(folder, site, **settings)
    front.start()
    try:
        yield front
    finally:
        front.stop()


def closed(end: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    try:
        return end.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
