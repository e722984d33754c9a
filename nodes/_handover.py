"""How a balancer and its receivers talk: sequenced packets on a unix socket, device sockets handed over by descriptor.

    receiver -> balancer   hello(receiver, holds=K, leaving)       once, first; so many `holds` follow
    receiver -> balancer   holds(connection, how, peer, target, cfg3, stream, numbers) + descriptors   it has this
    balancer -> receiver   adopted(connection)                     one that it did not know: goes on under this number
    balancer -> receiver   welcome(life, coming)                  after the last `holds`; `life`: UTC [us] of its start,
                                                              `coming`: connections of a predecessor, handed again next
    balancer -> receiver   link(connection, how, peer, target, cfg3, stream, again, numbers) + descriptors
                                                               yours to read; `again`: your predecessor read it
    receiver -> balancer   open(connection)                        of a management pipe: its data pipe is wanted
    receiver -> balancer   identify(connection, address, stream)   who is this?
    balancer -> receiver   identity(connection, address, stream, device)  or  refused(…, reason)
    receiver -> balancer   insecure(connection, reason)            TLS did not come about; `ended` follows
    receiver -> balancer   ended(connection, reason, cfg3)         shut down; the place is free
    balancer -> receiver   drop(connection, number, reason)        end it; where it carries others too, only that link
    balancer -> receiver   end(connection, reason)                 end it, whatever it carries
    balancer -> receiver   site(version)                           the site file has changed: `identify` all anew
    receiver -> balancer   passes(connection)                      it leaves: somebody else is to go on with this
    receiver -> balancer   took(connection)                        one that was passed on is in its journal now
    balancer -> receiver   passed(connection)                      so it is: the one that leaves may forget it

No byte of a device passes through the balancer: the kernel hands the socket over as it is, with what is queued in it.
The balancer keeps a duplicate of every descriptor, so that a connection outlives its receiver; a receiver keeps its
own when the balancer ends, and brings them back to the next one. `numbers` are the link numbers identified on it;
connections are numbered by the balancer, uniquely over its restarts. Of a TLS connection `link` and `holds` have `tls`
(`nodes/_tls.py`), `holds` and `identify` have `certificate`, the names it came with; it ends with its receiver, so
nobody keeps duplicates of it. `welcome` has `site`, the version of the site file in force, as the `device` of an
`identity` has the one that says so (`nodes/_confirming.py`). Of another protocol than C37.118 `link` and `holds` have
`protocol`, `pipe` (management, data, or whole: all in one; "": unknown yet) and `beside` (of a data pipe: its
management pipe), `link` has `download`. Of a connection that is passed on `link` has `passed`, the receiver that leaves
and has put what it knows into a file (`nodes/_retiring.py`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import termios
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgpack

from protocol.clock import MILLISECOND, Now
from protocol.wire import MAX_NOTE, WireError, unpack_note

FIELDS: dict[str, dict[str, type]] = {
    "hello": {"receiver": str},
    "holds": {"connection": int, "how": str, "peer": list, "numbers": list},
    "adopted": {"connection": int},
    "welcome": {},
    "link": {"connection": int, "how": str, "peer": list},
    "open": {"connection": int},
    "identify": {"connection": int, "address": str, "stream": int},
    "identity": {"connection": int, "address": str, "stream": int, "device": dict},
    "refused": {"connection": int, "address": str, "stream": int, "reason": str},
    "insecure": {"connection": int, "reason": str},
    "ended": {"connection": int, "reason": str},
    "drop": {"connection": int, "number": int, "reason": str},
    "end": {"connection": int, "reason": str},
    "site": {"version": str},
    "passes": {"connection": int},
    "took": {"connection": int},
    "passed": {"connection": int},
}
"""What each note must have; who sends another is hung up on."""
MAX_DESCRIPTORS = 4
JOIN_AGAIN = 500 * MILLISECOND
_NO_ROOM = (errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)
"""The other end has not read enough yet, or the kernel wants fewer descriptors in flight: later."""
_GONE = (errno.EPIPE, errno.ECONNRESET)


def path(run: str, balancer: str) -> str:
    """Where a balancer listens for its receivers."""
    return f"{run}/{balancer}.handover"


def listen(where: str) -> socket.socket:
    """The balancer's end. It appears under its name when it listens, in the place of a killed predecessor's."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    fresh = f"{where}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh)
    end.bind(fresh)
    end.listen()
    os.rename(fresh, where)
    return end


class Channel:
    """One end of a conversation; never blocks. `alive` turns False when the other end is gone and all that it had said
    is heard: descriptors that it had sent must not end with it.

    What the other end has no room for now waits here, in order; call `flush` now and then.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.end.setblocking(False)
        self.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_NOTE)
        self.alive = True
        self._deaf = False
        """The other end hears us no more."""
        self._waiting: deque[_Note] = deque()

    @classmethod
    def dial(cls, where: str) -> Channel:
        """The receiver's end. Raises OSError if nobody listens."""
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            end.connect(where)
        except OSError:
            end.close()
            raise
        return cls(end)

    @property
    def fd(self) -> int:
        return self.end.fileno()

    @property
    def waiting(self) -> int:
        """Notes that the other end had no room for."""
        return len(self._waiting)

    @property
    def unread(self) -> bool:
        """Something that was said is not read yet."""
        if self._waiting or not self.alive:
            return True
        queued = fcntl.ioctl(self.end, termios.TIOCOUTQ, bytes(4))
        return any(queued)

    def say(self, what: str, sockets: Sequence[socket.socket] = (), keep: bool = False, **fields: Any) -> None:
        """Send one note. Sockets given away with it are closed on this side once they are handed over.

        With `keep` they stay the caller's; a note whose sockets it has closed before there was room is not sent.
        """
        self._waiting.append(_Note(msgpack.packb({"say": what, **fields}), list(sockets), keep))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self.alive and self._waiting and not self._deaf:
            note = self._waiting[0]
            descriptors = [one.fileno() for one in note.sockets]
            try:
                if -1 not in descriptors:
                    socket.send_fds(self.end, [note.data], descriptors)
            except OSError as fault:
                self._deaf = fault.errno in _GONE
                self.alive = self._deaf or fault.errno in _NO_ROOM
                return
            self._waiting.popleft()
            note.done()

    def notes(self) -> Iterator[tuple[dict[str, Any], list[int]]]:
        """What has come: (note, descriptors). The taker owns the descriptors.

        They are fewer than were sent if this process has no room for more (RLIMIT_NOFILE).
        """
        while self.alive:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.end, MAX_NOTE, MAX_DESCRIPTORS)
            except BlockingIOError:
                return
            except ConnectionResetError:  # said once, if it has not read all of ours: what it had said stays queued
                self._deaf = True
                continue
            except OSError:
                data, descriptors = b"", []
            if not data:
                self.alive = False
                return
            try:
                note = unpack_note(data, FIELDS)
            except WireError:
                self.alive = False
                for stray in descriptors:
                    os.close(stray)
                return
            yield note, descriptors

    def unsent(self) -> list[tuple[dict[str, Any], list[socket.socket]]]:
        """Notes that never went out, with their sockets: the caller's again."""
        left = [(msgpack.unpackb(note.data), note.sockets) for note in self._waiting]
        self._waiting.clear()
        return left

    def close(self) -> None:
        """Hang up; what was given away and never went out is closed."""
        self.alive = False
        self.end.close()
        while self._waiting:
            self._waiting.popleft().done()


@dataclass(frozen=True)
class _Note:
    data: bytes
    sockets: list[socket.socket]
    keep: bool

    def done(self) -> None:
        if not self.keep:
            for one in self.sockets:
                one.close()


Held = Iterable[tuple[dict[str, Any], list[socket.socket]]]


def _nothing(balancer: str) -> Held:
    return []


def holds(handed: dict[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    """The fields of a `holds` note, of those that a connection was handed over with and the links identified on it."""
    fields = {**handed, "numbers": list(numbers)}
    del fields["balancer"]
    if fields["tls"] is None:
        del fields["tls"]
    return fields


class Balancers:
    """A receiver's channels to its balancers; those that are not there are dialled again and again."""

    def __init__(self, run: str, receiver: str, names: Sequence[str], leaving: bool = False) -> None:
        """`leaving`: nothing new is wanted."""
        self._run, self._receiver, self._names, self._leaving = run, receiver, names, leaving
        self._channels: dict[str, Channel] = {}
        self._join_at = 0
        self.holding: Callable[[str], Held] = _nothing
        """What we have of a balancer's connections, as (fields, duplicates of the sockets) each: one that was started
        anew is told."""

    @property
    def missing(self) -> list[str]:
        """Balancers that are not there."""
        return [name for name in self._names if name not in self._channels]

    def hear(self, now: Now, at_most: int) -> Iterator[tuple[str, dict[str, Any], list[int]]]:
        """What has come, of each balancer `at_most` notes: (balancer, note, descriptors); `gone` when one ended."""
        if now.monotonic >= self._join_at:
            self._join_at = now.monotonic + JOIN_AGAIN
            self._join()
        for name, channel in list(self._channels.items()):
            for note, descriptors in islice(channel.notes(), at_most):
                yield name, note, descriptors
            if not channel.alive:
                channel.close()
                del self._channels[name]
                yield name, {"say": "gone"}, []

    def _join(self) -> None:
        for name in self.missing:
            try:
                channel = Channel.dial(path(self._run, name))
            except OSError:
                continue  # it stays in `missing`, which is an alarm, until it is there
            held = list(self.holding(name))
            channel.say("hello", receiver=self._receiver, holds=len(held), leaving=self._leaving)
            for fields, sockets in held:
                channel.say("holds", sockets, **fields)
            self._channels[name] = channel

    def say(self, balancer: str, what: str, **fields: Any) -> None:
        """One note to one of them; to one that is gone there is nothing to say."""
        channel = self._channels.get(balancer)
        if channel:
            channel.say(what, **fields)

    def flush(self) -> None:
        for channel in self._channels.values():
            channel.flush()

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
