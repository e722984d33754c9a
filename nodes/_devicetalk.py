"""What a device link says over one TCP connection: items wait in an `Outbox` until the kernel takes them."""

from __future__ import annotations

import socket
from collections import deque
from itertools import islice

from nodes._devicelink import RECEIVE, Answers
from nodes._node import Action, Watch
from protocol.clock import Now

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


class Talk:
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
