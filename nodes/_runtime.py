"""Runs one node: the only file below `commands` that reads a clock.

One loop waits for the process's ZeroMQ sockets (`nodes/_post.py`) together with the descriptors that the node asked
to watch, and calls the node; what the node yields is sent at once. What comes in reaches the node only if it is a
message (`protocol/wire.py`) from somebody who may say it (`nodes/_authority.py`).
"""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable

import numpy as np
import structlog

from nodes._authority import Authority, speaker
from nodes._logged import InHand
from nodes._node import Actions, Done, News, Node, Place, StartError, Unwatch, Watch
from nodes._post import Post
from nodes._process import Signals, Taken, only_one, raise_open_files, resident, take_rank
from nodes._sockets import Door, Poll
from protocol import wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Health

HEALTH_EVERY = SECOND
LEAVE_WITHIN = 20 * SECOND
"""So long a node that is to end may finish what it has; supervisord waits longer."""
LONG_STOP = 2 * SECOND
"""A stop that takes longer is logged with its reason: work to finish, or letters that a reader did not take."""
SETTLING = (10 * SECOND, 60 * SECOND)
"""After its start: by then a process has loaded what it uses; by then most of its devices are there."""
REFUSALS = 100
"""Different refusals that are logged; all are counted."""

EXIT_OK, EXIT_BUG, EXIT_EARLY = 0, 1, 3
"""3: it was to hand on what it has, and was ended before that; supervisord starts it again to go on with it."""


def read_clock() -> Now:
    return Now(time.monotonic_ns(), time.time_ns())


class Runtime:
    """The loop around one node. `place` None: alone, without ZeroMQ (its news and letters go nowhere)."""

    def __init__(self, node: Node, kind: str, place: Place | None, each_second: Callable[[], None] | None = None):
        self.node, self.kind, self.place = node, kind, place
        self.log = structlog.get_logger().bind(node=place.name if place else kind)
        self.each_second = each_second
        self.started = time.monotonic_ns()
        self.stopping = 0
        """Monotonic ns when the node was told to stop, 0 before."""
        self.done = False
        self.health_at = self.started
        self.settling = list(SETTLING)
        self.malformed = self.refused = 0
        self.refusals: set[tuple[str, str]] = set()
        self.poll = Poll()
        self.post = Post(place, node.TAGS, self.poll) if place else None
        self.authority = Authority(place) if place else None
        self.signals = Signals()
        self.poll.watch(self.signals.fd)

    def run(self) -> int:
        """Start, loop, stop; returns the exit code."""
        try:
            self.act(self.node.start(read_clock()))
            self.log.info("started")
            self._loop()
            self.log.info("stopped")
            return EXIT_EARLY if self.place and self.place.leaving and not self.done else EXIT_OK
        except StartError as fault:
            self.log.error("cannot start", why=str(fault))
            return EXIT_BUG
        except Exception:
            self.log.exception("a bug ended this process; supervisord starts it again")
            return EXIT_BUG
        finally:
            self.signals.close()
            self._close()

    def _close(self) -> None:
        """Close the sockets; a stop that took long says where the time went."""
        closing = time.monotonic_ns()
        if self.post:
            self.post.close()
        now = time.monotonic_ns()
        if self.stopping and now - self.stopping > LONG_STOP:
            seconds = {"work_s": (closing - self.stopping) / SECOND, "letters_s": (now - closing) / SECOND}
            self.log.warning("stopping took long", **{name: round(value, 1) for name, value in seconds.items()})

    def _loop(self) -> None:
        try:
            while not self.signals.asked:
                self._turn()
            self._leave()
        except Done as done:
            self.done = True
            self.log.info("work is over", why=str(done))
        self.stopping = self.stopping or time.monotonic_ns()
        end = self.node.give_way if self.signals.succeeded else self.node.stop
        self.act(end(read_clock()))
        self._tell_health()

    def _leave(self) -> None:
        """Work that was taken is done, as far as that is soon."""
        self.stopping = time.monotonic_ns()
        self.act(self.node.leave(read_clock()))
        while not self.node.left and time.monotonic_ns() < self.stopping + LEAVE_WITHIN:
            self._turn()

    def _turn(self) -> None:
        for source in self.poll.wait(self._patience()):
            if self.post and (door := self.post.door(source)):
                self._receive(door)
            elif source == self.signals.fd:
                self.signals.drain()
            elif self.post and self.post.is_abroad(source):
                self.post.serve(source, read_clock())
            else:
                self.act(self.node.ready(int(source), read_clock()))
        now = read_clock()
        due = self.node.wake_at()
        if due is not None and due <= now.monotonic:
            self.act(self.node.wake(now))
        if now.monotonic >= self.health_at:
            self.health_at = now.monotonic + HEALTH_EVERY
            self._tell_health()
            self._settle(now)
            if self.post:
                self.post.refresh(now)
            if self.each_second:
                self.each_second()

    def _settle(self, now: Now) -> None:
        """What lives now is not searched for garbage any more: with compiled loops that would take a tenth of a second.

        Not later again: connections are cycles, and of those that are frozen nothing is given back when they end.
        """
        if self.settling and now.monotonic > self.started + self.settling[0]:
            del self.settling[0]
            gc.freeze()

    def _patience(self) -> int:
        """Milliseconds until something is due, rounded up so that a poll does not spin."""
        due = self.node.wake_at()
        due = self.health_at if due is None else min(due, self.health_at)
        return max(0, -((time.monotonic_ns() - due) // MILLISECOND))

    def _receive(self, door: Door) -> None:
        assert self.post
        assert self.authority
        for parts, host in self.post.take(door):
            try:
                message = wire.unpack(parts)
            except wire.WireError as fault:
                self.malformed += 1
                self._log_once("not a message", host, str(fault))
                continue
            if not self.authority.permits(message, host):
                self.refused += 1
                what = type(message).__name__
                self._log_once("refused", host, f"{speaker(message)!r:.60} may not send us this {what}")
                continue
            InHand.message = message
            self.act(self.node.receive(message, read_clock()))
            InHand.message = None

    def _log_once(self, event: str, host: str, why: str) -> None:
        """A flood of the same fault is one line; every one is counted."""
        if (host, why) not in self.refusals and len(self.refusals) < REFUSALS:
            self.refusals.add((host, why))
            self.log.warning(event, why=why, **({"host": host} if host else {}))

    def act(self, actions: Actions) -> None:
        """Do what the node said."""
        for action in actions:
            if isinstance(action, Watch):
                self.poll.watch(action.fd, action.write)
            elif isinstance(action, Unwatch):
                self.poll.unwatch(action.fd)
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
            **self.post.counters(),
            "messages_malformed": self.malformed,
            "messages_refused": self.refused,
        }
        own["alarms"] = [*own["alarms"], *self.post.alarms(now)]
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
            memory=resident(),
            devices=devices,
            counts=counts,
            **own,
        )


def run(node: Node, kind: str, place: Place) -> int:
    """Run a node of a pipeline until SIGTERM; returns the exit code (0 asked or done, 1 fault, 3 asked before it had
    handed on what it has).

    A second process of the same name in the same runtime folder is refused: it would take half the letters.
    """
    raise_open_files()
    if refused := take_rank(node.NICE if place.nice is None else place.nice):
        structlog.get_logger().warning("may not go first", node=place.name, why=refused)
    try:
        with only_one(place.run, place.name):
            return Runtime(node, kind, place).run()
    except (Taken, StartError) as fault:
        structlog.get_logger().error("cannot start", node=place.name, why=str(fault))
        return EXIT_BUG


def run_alone(node: Node, kind: str, each_second: Callable[[], None] | None = None) -> int:
    """Run a node without a pipeline (a simulator against a foreign PDC) until SIGINT, SIGTERM or `Done`."""
    raise_open_files()
    return Runtime(node, kind, None, each_second).run()
