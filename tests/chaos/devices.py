"""Plays the devices of a chaos run: plain sockets, a log of every frame that the kernel took whole.

    python -m tests.chaos.devices FOLDER        FOLDER/devices.json says which; FOLDER/sent.log, FOLDER/links.jsonl

One process, one thread. SIGUSR1: no more data, connections stay (so that the station can drain). SIGTERM: leave.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import json
import random
import selectors
import signal
import socket
import sys
import termios
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from tests.chaos import frames
from tests.chaos.truth import CUT, DAMAGED, FLOAT, GOOD, INTEGER, LOG, PERIOD, REPEATED, UNHEARD, Device, noise

REDIAL = 0.3
"""Seconds until a device dials again."""
BACKLOG = 64 << 10
"""Bytes waiting at a device beyond which it measures on and sends nothing: those frames were never sent."""
IP_RECVERR = 11


class Frame(NamedTuple):
    """A DATA frame on its way."""

    whole: bytes
    kind: int
    form: int
    time: int
    k: int


class Logs:
    """What was sent, and what became of connections."""

    def __init__(self, folder: Path) -> None:
        self._sent = open(folder / "sent.log", "ab", buffering=0)  # noqa: SIM115
        self._links: IO[str] = open(folder / "links.jsonl", "a", buffering=1)  # noqa: SIM115
        self._rows: list[tuple[int, int, int, int, int, int]] = []

    def frame(self, device: int, kind: int, frame: Frame) -> None:
        check = int.from_bytes(frame.whole[-2:], "big")
        self._rows.append((device, kind, frame.form, check, frame.time, frame.k))

    def link(self, device: int, what: str, **more: Any) -> None:
        self._links.write(json.dumps({"utc": time.time_ns(), "device": device, "what": what, **more}) + "\n")

    def flush(self) -> None:
        if self._rows:
            self._sent.write(np.array(self._rows, LOG).tobytes())
            self._rows.clear()


class Played:
    """One device: what it sends when, and its connection."""

    def __init__(self, device: Device, logs: Logs, selector: selectors.BaseSelector) -> None:
        self.device, self.logs, self.selector = device, logs, selector
        self.form, self.count = FLOAT, 0
        self.socket: socket.socket | None = None
        self.door: socket.socket | None = None
        self.heard = bytearray()
        self.queue: deque[tuple[bytearray, list[Frame]]] = deque()
        """Bytes that wait for the kernel, and the frames that end with them."""
        self.waiting = 0
        self.running = self.leaving = self.finished = False
        self.again_at = 0.0
        self.born = self.leave_at = 0.0
        self.pair: list[Frame] = []
        self.next = 0
        """Instant that it measures next."""
        self.begun = time.monotonic()
        self.peer: Any = None
        """Of a datagram device: who commands it."""
        self._open_doors()

    def _open_doors(self) -> None:
        address = (self.device.host, self.device.port)
        if self.device.way == "tcp":
            self.door = socket.create_server(address)
            self.door.setblocking(False)
            self.selector.register(self.door, selectors.EVENT_READ, self)
        elif self.device.way == "udp":
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            self.socket.bind(address)
            self.socket.setblocking(False)
            self.selector.register(self.socket, selectors.EVENT_READ, self)

    # connections

    def look(self, now: float) -> None:
        """Dial if there is nobody; hang up when it is time to."""
        redials = self.device.habits.get("redials")
        if self.socket is None and self.device.way == "dials_in" and now >= self.again_at and not self.finished:
            self._dial(now)
        elif redials and self.running and not self.leaving and now >= self.born + redials and not self.queue:
            self._flush_pair()
            if not self.queue:
                self.leaving, self.running, self.leave_at = True, False, now + 5
                self._shutdown()
                self.logs.link(self.device.number, "hangs up")
        if self.leaving and now >= self.leave_at:
            self.drop("hung up, no answer", asked=True)

    def _shutdown(self) -> None:
        with contextlib.suppress(OSError):
            if self.socket is not None:
                self.socket.shutdown(socket.SHUT_WR)

    def _dial(self, now: float) -> None:
        self.again_at = now + REDIAL
        try:
            end = socket.create_connection((self.device.host, self.device.port), timeout=1.0)
        except OSError as problem:
            self.logs.link(self.device.number, "no door", why=str(problem))
            return
        self._adopt(end)

    def _adopt(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.heard, self.running, self.leaving = end, bytearray(), False, False
        self.born = time.monotonic()
        self.queue.clear()
        self.pair.clear()
        self.waiting = 0
        self.selector.register(end, selectors.EVENT_READ, self)
        self.logs.link(self.device.number, "connected", local=end.getsockname()[1])

    def drop(self, why: str, asked: bool = False) -> None:
        """The connection is over; what the kernel did not take whole was never sent."""
        if self.socket is None or self.device.way == "udp":
            return
        for _, ends in self.queue:
            for each in ends:
                self.logs.frame(self.device.number, CUT, each)
        self.logs.link(self.device.number, "left" if asked or self.leaving else "broken", why=why)
        self.selector.unregister(self.socket)
        self.socket.close()
        self.socket, self.running, self.leaving = None, False, False
        self.again_at = time.monotonic() + REDIAL
        self.queue.clear()
        self.pair.clear()
        self.waiting = 0

    # what comes

    def ready(self, which: Any) -> None:
        """Something came, or somebody."""
        if which is self.door and self.door is not None:
            end, _ = self.door.accept()
            self.drop("replaced by a new connection")
            self._adopt(end)
        elif self.device.way == "udp":
            self._hear_datagrams()
        else:
            self._hear()
        self.write()

    def _hear(self) -> None:
        if self.socket is None:
            return
        try:
            chunk = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as problem:
            self.drop(str(problem))
            return
        if not chunk:
            self.drop("the station closed it", asked=self.leaving or self.finished)
            return
        self.heard += chunk
        self._obey()

    def _hear_datagrams(self) -> None:
        while self.socket is not None:
            try:
                chunk, self.peer = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError:
                with contextlib.suppress(OSError):  # what the error queue holds was told with the datagram
                    self.socket.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
                continue
            self.heard = bytearray(chunk)
            self._obey()

    def _obey(self) -> None:
        for word in frames.commands(self.heard):
            if word == frames.STOP:
                self.logs.link(self.device.number, "stopped" if self.running else "stop")
                self.running = False
            elif word == frames.START and not self.finished:
                if not self.running:
                    self.logs.link(self.device.number, "started")
                self.running = True
            elif word == frames.SEND_CFG2 or (word == frames.SEND_CFG3 and self.device.cfg3):
                encode = frames.cfg2 if word == frames.SEND_CFG2 else frames.cfg3
                self._maybe_change(self.next)
                self._say(encode(self.device, self.form, self.count, time.time_ns()), None)

    # what goes

    def measure(self, k: int) -> None:
        """The k-th instant has come."""
        self.next = k + 1
        if not self.running or self.socket is None or self.waiting > BACKLOG:
            return
        status = self._maybe_change(k)
        ahead = self._ahead()
        whole = frames.data(self.device, self.form, k, status, ahead)
        habits, h = self.device.habits, int(noise(self.device.number + 77, np.array([k]))[0])
        kind = GOOD
        if habits.get("damaged") and h % int(habits["damaged"]) == 0:
            whole, kind = whole[:-4] + bytes([whole[-4] ^ 0x55]) + whole[-3:], DAMAGED
        frame = Frame(whole, kind, self.form, k * PERIOD + ahead, k)
        self.pair.append(frame)
        if habits.get("repeated") and kind == GOOD and (h >> 8) % int(habits["repeated"]) == 0:
            self.pair.append(frame._replace(kind=REPEATED))
        if len(self.pair) >= habits.get("pairs", 1):
            self._flush_pair()
        self.write()

    def _ahead(self) -> int:
        """ns that its clock is ahead now."""
        since = time.monotonic() - self.begun
        return next((ahead for at, ahead in reversed(self.device.steps) if since >= at), 0)

    def _maybe_change(self, k: int) -> int:
        """Another configuration at every multiple of `changes`; every other one is announced in STAT for 2 s."""
        changes = int(self.device.habits.get("changes", 0)) * 50
        if not changes:
            return 0
        turn, rest = divmod(k, changes)
        form = INTEGER if turn % 2 else FLOAT
        if form != self.form:
            self._flush_pair()
            self.form, self.count = form, self.count + 1
            self.logs.link(self.device.number, "changed", form=form)
        return frames.CHANGING if turn % 2 and rest >= changes - 100 else 0

    def _flush_pair(self) -> None:
        for frame in self.pair:
            self._say(frame.whole, frame)
        if self.device.habits.get("pairs", 1) > 1 and len(self.queue) > 1:
            self._join_queue()
        self.pair.clear()

    def _join_queue(self) -> None:
        """All that waits goes with one send."""
        joined = bytearray()
        ends: list[Frame] = []
        for chunk, each in self.queue:
            joined += chunk
            ends += each
        self.queue.clear()
        self.queue.append((joined, ends))

    def _say(self, whole: bytes, frame: Frame | None) -> None:
        """Queue it, in the pieces that are this device's habit; None: it is no DATA."""
        if self.device.way == "udp":
            self._send_datagram(whole, frame)
            return
        most, at = int(self.device.habits.get("pieces", 0)), 0
        dice = random.Random(frame.k if frame else 0)
        while at < len(whole):
            piece = bytearray(whole[at : at + (dice.randint(1, most) if most else len(whole))])
            at += len(piece)
            self.queue.append((piece, [frame] if frame and at >= len(whole) else []))
            self.waiting += len(piece)

    def _send_datagram(self, whole: bytes, frame: Frame | None) -> None:
        if self.peer is None or self.socket is None:
            return
        try:
            self.socket.sendto(whole, self.peer)
        except OSError as problem:
            if problem.errno not in (errno.EAGAIN, errno.ECONNREFUSED, errno.EPERM, errno.ENETUNREACH):
                raise
            return  # never left
        unheard = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        if frame is not None:
            self.logs.frame(self.device.number, UNHEARD if unheard else frame.kind, frame)

    def write(self) -> None:
        """As much as the kernel takes."""
        while self.queue and self.socket is not None:
            chunk, ends = self.queue[0]
            try:
                sent = self.socket.send(chunk)
            except BlockingIOError:
                return
            except OSError as problem:
                self.drop(str(problem))
                return
            self.waiting -= sent
            del chunk[:sent]
            if chunk:
                return
            self.queue.popleft()
            for each in ends:
                self.logs.frame(self.device.number, each.kind, each)

    @property
    def quiet(self) -> bool:
        """Nothing that was said is still here, with us or in the kernel: after a long cut it may wait a minute for the
        next try of TCP."""
        if self.socket is None or self.device.way == "udp":
            return True
        unsent = array.array("i", [0])
        fcntl.ioctl(self.socket, termios.TIOCOUTQ, unsent)
        return not self.queue and not unsent[0]

    def finish(self) -> None:
        """No more data, and no dialling."""
        self._flush_pair()
        self.write()
        self.finished, self.running = True, False


QUIET = "quiet"
"""File that is made when all that the devices said has left their machine."""


def play(folder: Path) -> None:
    """Until SIGTERM."""
    devices = [Device(**each) for each in json.loads((folder / "devices.json").read_text())]
    logs, selector = Logs(folder), selectors.DefaultSelector()
    played = [Played(device, logs, selector) for device in devices]
    state = {"over": False, "finish": False}
    signal.signal(signal.SIGTERM, lambda *_: state.update(over=True))
    signal.signal(signal.SIGUSR1, lambda *_: state.update(finish=True))
    k = time.time_ns() // PERIOD
    while not state["over"]:
        if state["finish"]:
            for each in played:
                each.finish()
            if all(each.quiet for each in played):
                (folder / QUIET).touch()
        pause = max(0.0, ((k + 1) * PERIOD - time.time_ns()) / 1e9)
        for key, _ in selector.select(pause):
            key.data.ready(key.fileobj)
        now = time.monotonic()
        while (k + 1) * PERIOD <= time.time_ns():
            k += 1
            for each in played:
                each.measure(k)
        for each in played:
            each.look(now)
            each.write()
        logs.flush()
    logs.flush()


def write_plan(folder: Path, devices: list[Device]) -> None:
    """FOLDER/devices.json"""
    (folder / "devices.json").write_text(json.dumps([asdict(each) for each in devices], indent=1))


if __name__ == "__main__":
    play(Path(sys.argv[1]))
