"""Device links over TCP: see `_devicelink`. Items wait in an `Outbox` until the kernel takes them.

Dialled      dials the station, which then asks on that connection
Listening    the station dials us; DATA on that connection, or over UDP to where it came from
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from nodes._devicelink import STOP_PATIENCE, Answers, Link, SocketAddress, family, send_datagram
from nodes._devicetalk import OUTBOX_LIMIT, Talk
from nodes._node import Action, Unwatch, Watch
from protocol.clock import MILLISECOND, SECOND, Now

FIRST_RETRY = 200 * MILLISECOND
LAST_RETRY = 5 * SECOND


class _Streaming(Link):
    """What a link over one TCP connection at a time needs."""

    _talk: Talk | None = None
    _limit = OUTBOX_LIMIT

    @property
    def connected(self) -> bool:
        return self._talk is not None

    @property
    def room(self) -> bool:
        return self._talk is not None and not self._talk.outbox.full

    @property
    def idle(self) -> bool:
        return self._talk is None or not self._talk.outbox

    def fds(self) -> list[int]:
        return [self._talk.end.fileno()] if self._talk else []

    def put(self, item: bytes, count: int) -> None:
        if self._talk is None or self._talk.outbox.full:
            self.dropped += count
        else:
            self._talk.outbox.put(item, count)

    def flush(self, now: Now) -> Iterator[Action]:
        if self._talk is None:
            return
        try:
            done, actions = self._talk.flush()
        except OSError as fault:
            self.fault = str(fault)
            yield from self._lost(now)
            return
        self.sent += done
        yield from actions

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        if self._talk is not None:
            self.sent += self._talk.stop(now, patience)
            self._talk = None

    def limit(self, size: int) -> None:
        """Bytes that may wait."""
        self._limit = size

    def end(self, now: Now) -> Iterator[Action]:
        """Close the connection after its last byte."""
        if self._talk is not None:
            yield Unwatch(self._talk.end.fileno())
            _Streaming.stop(self, now)

    def half_close(self) -> None:
        """Tell the station that nothing more comes; it closes when it has read everything."""
        if self._talk is not None:
            try:
                self._talk.end.shutdown(socket.SHUT_WR)
            except OSError as fault:
                self.fault = str(fault)

    def reconnect(self, now: Now, pause: int) -> Iterator[Action]:
        yield from self.end(now)
        self.answers.reset()

    def _begin(self, end: socket.socket, now: Now) -> Iterator[Action]:
        self._talk = Talk(end, self.answers, self._limit, now)
        self.connects += 1
        self.fault = ""
        yield Watch(end.fileno())

    def _serve(self, now: Now) -> Iterator[Action]:
        """The connection is ready."""
        assert self._talk is not None
        try:
            alive = self._talk.read(now)
        except OSError as fault:
            alive, self.fault = False, str(fault)
        if alive:
            yield from self.flush(now)
        else:
            self.fault = self.fault or "the station hung up"
            yield from self._lost(now)

    def _lost(self, now: Now) -> Iterator[Action]:
        if self._talk is not None:
            yield Unwatch(self._talk.end.fileno())
            self._talk.end.close()
            self._talk = None
            self.answers.reset()


class Dialled(_Streaming):
    """Dials the station; again after a pause when the connection ends or fails."""

    def __init__(self, answers: Answers, to: SocketAddress, source: str = "") -> None:
        super().__init__(answers)
        self._to, self._source = to, source
        self._trying: socket.socket | None = None
        self._pause = FIRST_RETRY
        self.due = 0
        self.redial = True
        """Whether to dial again after the connection ended."""

    def fds(self) -> list[int]:
        return [self._trying.fileno()] if self._trying else super().fds()

    def wake(self, now: Now) -> Iterator[Action]:
        self.due = None
        if self._talk is None and self._trying is None:
            yield from self._dial(now)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        if self._trying is not None:
            yield from self._decided(now)
        elif self._talk is not None:
            yield from self._serve(now)

    def _dial(self, now: Now) -> Iterator[Action]:
        end = socket.socket(family(self._to), socket.SOCK_STREAM)
        end.setblocking(False)
        try:
            if self._source:
                end.bind((self._source, 0))
            outcome = end.connect_ex(self._to)
        except OSError as fault:
            outcome = fault.errno or errno.EIO
        if outcome not in (0, errno.EINPROGRESS):
            end.close()
            self._failed(outcome, now)
            return
        self._trying = end
        yield Watch(end.fileno(), write=True)

    def _decided(self, now: Now) -> Iterator[Action]:
        end, self._trying = self._trying, None
        assert end is not None
        outcome = end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if outcome:
            yield Unwatch(end.fileno())
            end.close()
            self._failed(outcome, now)
            return
        self._pause = FIRST_RETRY
        yield from self._begin(end, now)

    def _failed(self, outcome: int, now: Now) -> None:
        self.fault = os.strerror(outcome)
        self.due = now.monotonic + self._pause
        self._pause = min(2 * self._pause, LAST_RETRY)

    def _lost(self, now: Now) -> Iterator[Action]:
        yield from super()._lost(now)
        self.due = now.monotonic + self._pause if self.redial else None
        self._pause = min(2 * self._pause, LAST_RETRY)

    def reconnect(self, now: Now, pause: int) -> Iterator[Action]:
        yield from super().reconnect(now, pause)
        self.due = now.monotonic + pause

    def end(self, now: Now) -> Iterator[Action]:
        if self._trying is not None:
            yield Unwatch(self._trying.fileno())
            self._trying.close()
            self._trying = None
        yield from super().end(now)

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        if self._trying is not None:
            self._trying.close()
            self._trying = None
        super().stop(now, patience)


class Listening(_Streaming):
    """The station dials us. A second caller replaces the first: the first may be long dead.

    With `data_port`, DATA go over UDP to that port of the caller, and all else stays on the connection.
    """

    def __init__(self, answers: Answers, at: SocketAddress, data_port: int = 0) -> None:
        super().__init__(answers)
        self._at, self._data_port = at, data_port
        self._door: socket.socket | None = None
        self._data: socket.socket | None = None
        self._caller: SocketAddress = ("", 0)

    @property
    def port(self) -> int:
        """Where we listen, once started."""
        assert self._door is not None
        return int(self._door.getsockname()[1])

    def fds(self) -> list[int]:
        return [*([self._door.fileno()] if self._door else []), *super().fds()]

    def start(self, now: Now) -> Iterator[Action]:
        self._door = socket.create_server(self._at, family=family(self._at))
        self._door.setblocking(False)
        if self._data_port:
            self._data = socket.socket(family(self._at), socket.SOCK_DGRAM)
            self._data.setblocking(False)
            if self._at[0] not in ("", "0.0.0.0", "::"):
                self._data.bind((self._at[0], 0))  # the station knows us by the address that it dials
        yield Watch(self._door.fileno())

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        if self._door is not None and fd == self._door.fileno():
            try:
                end, caller = self._door.accept()
            except OSError as fault:
                self.fault = str(fault)
                return
            yield from self._lost(now)
            self._caller = caller[0], self._data_port
            yield from self._begin(end, now)
        elif self._talk is not None:
            yield from self._serve(now)

    def put(self, item: bytes, count: int) -> None:
        if count and self._data is not None:
            send_datagram(self, self._data, item, count, self._caller)
        else:
            super().put(item, count)

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        super().stop(now, patience)
        for end in (self._door, self._data):
            if end is not None:
                end.close()
