"""Device links over TCP: see `_devicelink`. Items wait in an `Outbox` until the kernel takes them.

Dialled      dials the station, which then asks on that connection
Listening    the station dials us; DATA on that connection, or over UDP to where it came from
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterator
from itertools import islice

from nodes._devicelink import RECEIVE, STOP_PATIENCE, Answers, Link, SocketAddress, family, send_datagram
from nodes._node import Action, Unwatch, Watch
from protocol.clock import MILLISECOND, SECOND, Now

FIRST_RETRY = 200 * MILLISECOND
LAST_RETRY = 5 * SECOND
OUTBOX_LIMIT = 1 << 20
"""Bytes that wait for a slow station; a device has no more memory than that."""
GATHER = 64
"""Items given to the kernel in one call."""


class Outbox:
    """Items waiting for a stream socket."""

    def __init__(self, limit: int = OUTBOX_LIMIT) -> None:
        self._items: deque[tuple[bytes, int]] = deque()
        self._offset = 0
        self._limit = limit
        self.size = 0
        """Bytes waiting."""

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def full(self) -> bool:
        """No room for another item."""
        return self.size >= self._limit

    def put(self, item: bytes, count: int) -> None:
        """Add an item that counts for so many."""
        self._items.append((item, count))
        self.size += len(item)

    def flush(self, end: socket.socket) -> int:
        """Send what the kernel takes; returns the count of the items whose last byte it took. Raises OSError."""
        done = 0
        while self._items:
            items = [item for item, _ in islice(self._items, GATHER)]
            if self._offset:
                items[0] = items[0][self._offset :]
            try:
                taken = end.sendmsg(items)
            except BlockingIOError:
                break
            self.size -= taken
            done += self._take(taken)
            if self._offset:
                break
        return done

    def _take(self, size: int) -> int:
        """The kernel took so many bytes; returns the count of the items that this completed."""
        done = 0
        self._offset += size
        while self._items and self._offset >= len(self._items[0][0]):
            item, count = self._items.popleft()
            self._offset -= len(item)
            done += count
        return done

    def finish(self, end: socket.socket, patience: float) -> int:
        """Send the rest of an item that is half sent, within so many seconds; drop the others. As `flush`."""
        if not self._offset:
            self.clear()
            return 0
        item, count = self._items[0]
        end.settimeout(patience)
        end.sendall(item[self._offset :])
        self.clear()
        return count

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._offset = self.size = 0


class _Talk:
    """One TCP connection with a station."""

    def __init__(self, end: socket.socket, answers: Answers, limit: int, now: Now) -> None:
        self.end = end
        self.answers = answers
        self.outbox = Outbox(limit)
        self.waiting = False
        """The kernel's buffer was full: told when it is not."""
        self._splitter = answers.splitter()
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers.begin(now)

    def read(self, now: Now) -> bool:
        """Take commands; False at the end of the connection. Raises OSError."""
        while True:
            try:
                data = self.end.recv(RECEIVE)
            except BlockingIOError:
                return True
            if not data:
                return False
            for frame in self._splitter.feed(data):
                for answer in self.answers.receive(frame, now):
                    self.outbox.put(answer, 0)

    def flush(self) -> tuple[int, list[Action]]:
        """Send; returns (count of the items done, what to watch now)."""
        done = self.outbox.flush(self.end)
        if bool(self.outbox) == self.waiting:
            return done, []
        self.waiting = bool(self.outbox)
        return done, [Watch(self.end.fileno(), write=self.waiting)]

    def stop(self, now: Now, patience: float) -> int:
        """Finish, say that nothing more comes, close. Returns the count of the items done."""
        done = 0
        try:
            done = self.outbox.finish(self.end, patience)
            self.end.shutdown(socket.SHUT_WR)
            # What is unread at close makes the kernel reset the connection, and the station lose our last bytes.
            self.end.setblocking(False)
            self.read(now)
        except OSError:
            self.outbox.clear()
        finally:
            self.end.close()
        return done


class _Streaming(Link):
    """What a link over one TCP connection at a time needs."""

    _talk: _Talk | None = None
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
        self._talk = _Talk(end, self.answers, self._limit, now)
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
