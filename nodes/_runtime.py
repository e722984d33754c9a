"""Runs one node: the only file that opens ZeroMQ sockets, and the only one below `commands` that reads a clock.

Each process binds an inbox (PULL) for letters and a news outlet (PUB), both on ipc in the runtime folder; it
subscribes to the news of its sources. One loop polls all of them together with the descriptors that the node
asked to watch, and calls the node; what the node yields is sent at once and never waits: a full pipe drops the
message, counted, and the numbered streams (`nodes/_stream.py`) fetch what was dropped.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import structlog
import zmq

from nodes._node import Actions, Done, Letter, News, Node, Place, StartError, Unwatch, Watch
from protocol import wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import REGISTRY, Announce, Health, Numbered

INBOX_LIMIT = 10_000
"""Messages waiting in an inbox; more are dropped at the sender, counted, and fetched again."""
NEWS_LIMIT = 10_000
BATCH = 200
"""Messages taken from one socket before the others have their turn."""
HEALTH_EVERY = SECOND
LINGER = 2_000
"""Milliseconds that a stopping process gives its last messages."""
OPEN_FILES = 65_536

EXIT_OK, EXIT_BUG = 0, 1


def read_clock() -> Now:
    return Now(time.monotonic_ns(), time.time_ns())


def inbox(run: str, process: str) -> str:
    return f"ipc://{run}/{process}.inbox"


def news(run: str, process: str) -> str:
    return f"ipc://{run}/{process}.news"


def subscriptions(tags: Sequence[bytes]) -> set[bytes]:
    """What to subscribe to for a node that reads these tags: who reads one word of a numbered stream gets all
    of them, or every word that it leaves out would be a gap to be fetched.
    """
    numbered = {tag for tag, message in REGISTRY.items() if issubclass(message, Numbered)}
    stream = numbered | {Announce.TAG} if numbered & set(tags) else set()  # type: ignore[attr-defined]
    return stream | set(tags)


class Post:
    """The ZeroMQ sockets of one process."""

    def __init__(self, place: Place, tags: Sequence[bytes]) -> None:
        self.place = place
        self.dropped = 0
        self.context = zmq.Context()
        self.inbox = self._socket(zmq.PULL, zmq.RCVHWM, INBOX_LIMIT)
        self.outlet = self._socket(zmq.PUB, zmq.SNDHWM, NEWS_LIMIT)
        self.reading = self._socket(zmq.SUB, zmq.RCVHWM, NEWS_LIMIT)
        self.reading.setsockopt(zmq.LINGER, 0)  # a subscription to a source that is gone would hold up our end
        self._letters: dict[str, zmq.Socket[bytes]] = {}
        for bound, endpoint in ((self.inbox, inbox), (self.outlet, news)):
            bound.bind(endpoint(place.run, place.name))
        for tag in subscriptions(tags):
            self.reading.subscribe(tag)
        for source in (name for names in place.sources.values() for name in names):
            self.reading.connect(news(place.run, source))

    def _socket(self, kind: int, limit_name: int, limit: int) -> zmq.Socket[bytes]:
        opened: zmq.Socket[bytes] = self.context.socket(kind)
        opened.setsockopt(limit_name, limit)
        opened.setsockopt(zmq.LINGER, LINGER)
        return opened

    def tell(self, item: News) -> None:
        self._send(self.outlet, item)

    def put(self, item: Letter) -> None:
        target = self._letters.get(item.to)
        if target is None:
            target = self._letters[item.to] = self._socket(zmq.PUSH, zmq.SNDHWM, INBOX_LIMIT)
            target.connect(inbox(self.place.run, item.to))
        self._send(target, item)

    def _send(self, target: zmq.Socket[bytes], item: News | Letter) -> None:
        try:
            target.send_multipart(item.parts or wire.pack(item.message), zmq.NOBLOCK, copy=True)
        except zmq.Again:
            self.dropped += 1

    def take(self, source: zmq.Socket[bytes]) -> Iterator[list[Any]]:
        """What has come, up to a fair share."""
        for _ in range(BATCH):
            try:
                yield source.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return

    def close(self) -> None:
        for open_socket in (self.reading, self.inbox, self.outlet, *self._letters.values()):
            open_socket.close()
        self.context.term()


class Signals:
    """SIGTERM and SIGINT as a descriptor that a poll sees."""

    def __init__(self) -> None:
        self.asked = False
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, *_: Any) -> None:
        self.asked = True

    @property
    def fd(self) -> int:
        return self._reader.fileno()

    def drain(self) -> None:
        self._reader.recv(64)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


class Runtime:
    """The loop around one node. `place` None: alone, without ZeroMQ (its news and letters go nowhere)."""

    def __init__(self, node: Node, kind: str, place: Place | None, each_second: Callable[[], None] | None = None):
        self.node, self.kind, self.place = node, kind, place
        self.log = structlog.get_logger().bind(node=place.name if place else kind)
        self.each_second = each_second
        self.started = time.monotonic_ns()
        self.health_at = self.started
        self.malformed = 0
        self.poller = zmq.Poller()
        self.signals = Signals()
        self.poller.register(self.signals.fd, zmq.POLLIN)
        self.post = Post(place, node.TAGS) if place else None
        if self.post:
            for source in (self.post.inbox, self.post.reading):
                self.poller.register(source, zmq.POLLIN)

    def run(self) -> int:
        """Start, loop, stop; returns the exit code."""
        try:
            self.act(self.node.start(read_clock()))
            self.log.info("started")
            self._loop()
            self.log.info("stopped")
            return EXIT_OK
        except StartError as fault:
            self.log.error("cannot start", why=str(fault))
            return EXIT_BUG
        except Exception:
            self.log.exception("a bug ended this process; supervisord starts it again")
            return EXIT_BUG
        finally:
            self.signals.close()
            if self.post:
                self.post.close()

    def _loop(self) -> None:
        try:
            while not self.signals.asked:
                self._turn()
        except Done as done:
            self.log.info("work is over", why=str(done))
        self.act(self.node.stop(read_clock()))
        self._tell_health()

    def _turn(self) -> None:
        events = self.poller.poll(self._patience())
        for source, _ in events:
            if self.post and (source is self.post.inbox or source is self.post.reading):
                self._receive(source)
            elif source == self.signals.fd:
                self.signals.drain()
            else:
                self.act(self.node.ready(int(source), read_clock()))
        now = read_clock()
        due = self.node.wake_at()
        if due is not None and due <= now.monotonic:
            self.act(self.node.wake(now))
        if now.monotonic >= self.health_at:
            self.health_at = now.monotonic + HEALTH_EVERY
            self._tell_health()
            if self.each_second:
                self.each_second()

    def _patience(self) -> int:
        """Milliseconds until something is due, rounded up so that a poll does not spin."""
        due = self.node.wake_at()
        due = self.health_at if due is None else min(due, self.health_at)
        return max(0, -((time.monotonic_ns() - due) // MILLISECOND))

    def _receive(self, source: Any) -> None:
        assert self.post is not None
        for parts in self.post.take(source):
            try:
                message = wire.unpack([part.buffer for part in parts])
            except wire.WireError as fault:
                self.malformed += 1
                self.log.warning("not a message", why=str(fault))
                continue
            self.act(self.node.receive(message, read_clock()))

    def act(self, actions: Actions) -> None:
        """Do what the node said."""
        for action in actions:
            if isinstance(action, Watch):
                self.poller.register(action.fd, zmq.POLLIN | zmq.POLLOUT if action.write else zmq.POLLIN)
            elif isinstance(action, Unwatch):
                self.poller.unregister(action.fd)
            elif self.post is None:
                continue
            elif isinstance(action, News):
                self.post.tell(action)
            else:
                self.post.put(action)

    def _tell_health(self) -> None:
        if self.post and self.place:
            self.post.tell(News(self.health(read_clock())))

    def health(self, now: Now) -> Health:
        assert self.place
        assert self.post
        own = {"counters": {}, "queues": {}, "columns": [], "labels": [], "alarms": [], **self.node.health(now)}
        own["counters"] = {
            **own["counters"],
            "messages_dropped": self.post.dropped,
            "messages_malformed": self.malformed,
        }
        devices = np.asarray(own.pop("devices", []), np.uint32)
        counts = np.asarray(own.pop("counts", []), np.float64).reshape(len(devices), len(own["columns"]))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Health(
            node=self.place.name,
            kind=self.kind,
            pid=os.getpid(),
            time=now.utc,
            uptime=(now.monotonic - self.started) / SECOND,
            cpu=usage.ru_utime + usage.ru_stime,
            memory=_resident(),
            devices=devices,
            counts=counts,
            **own,
        )


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def raise_open_files() -> None:
    """A connection is a descriptor: lift the soft limit as far as the hard one lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(node: Node, kind: str, place: Place) -> int:
    """Run a node of a pipeline until SIGTERM; returns the exit code (0 asked or done, 1 fault).

    A second process of the same name in the same runtime folder is refused: it would take half the letters.
    """
    raise_open_files()
    with open(f"{place.run}/{place.name}.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            why = f"another {place.name} of this pipeline is running: stop it first (syms down)"
            structlog.get_logger().error("cannot start", why=why)
            return EXIT_BUG
        return Runtime(node, kind, place).run()


def run_alone(node: Node, kind: str, each_second: Callable[[], None] | None = None) -> int:
    """Run a node without a pipeline (a simulator against a foreign PDC) until SIGINT, SIGTERM or `Done`."""
    raise_open_files()
    return Runtime(node, kind, None, each_second).run()


def listen(run_folder: str, processes: Sequence[str], tags: Sequence[bytes], patience: float = 0.2) -> Iterator[Any]:
    """Messages with these tags that the processes tell; None whenever `patience` [s] passed without one."""
    with zmq.Context() as context, context.socket(zmq.SUB) as reading:
        reading.setsockopt(zmq.LINGER, 0)
        for tag in tags:
            reading.subscribe(tag)
        for process in processes:
            reading.connect(news(run_folder, process))
        while True:
            if reading.poll(int(patience * 1000)):
                yield wire.unpack(reading.recv_multipart())
            else:
                yield None
