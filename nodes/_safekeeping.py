"""Device sockets while a process that gives way has ended and its successor is not there: a third one keeps them.

Whoever ends a balancer or a receiver for a successor, for some seconds leaves the other alone with their connections;
were that one killed just then, the kernel would close them, with what nobody has read. So the command that has it done
opens a safe in the runtime folder. Who gives way leaves duplicates there as its last act; a receiver that starts asks
for its own before it joins a balancer. Where there is no safe, or no more, the balancer alone has them meanwhile.

    who gives way -> safe   leaves(giver, receiver, balancer, connection, sockets=K) + descriptors   who reads it
    receiver -> safe        fetches(receiver)                      those that it reads
    safe -> receiver        kept(balancer, connection, sockets=K) + descriptors    each of them; then
    safe -> receiver        all()
    receiver -> safe        fetched(receiver)                      it has them: the safe closes its own
    balancer -> safe        met(balancer)                          its receivers have brought it what they hold

One that comes without all its sockets (no descriptor was left here) is as one that did not come.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack

from nodes._handover import MAX_DESCRIPTORS, listen
from nodes._process import raise_open_files
from protocol.wire import MAX_NOTE, WireError, unpack_note

FIELDS: dict[str, dict[str, type]] = {
    "leaves": {"giver": str, "receiver": str, "balancer": str, "connection": int, "sockets": int},
    "fetches": {"receiver": str},
    "kept": {"balancer": str, "connection": int, "sockets": int},
    "all": {},
    "fetched": {"receiver": str},
    "met": {"balancer": str},
}
"""What each note must have; who sends another is hung up on."""
PATIENCE = 2.0
"""Seconds for one note: a safe that stands still must not keep anybody from ending or starting."""

Noted = tuple[dict[str, Any], list[int]]
"""(note, descriptors)"""


class Left(NamedTuple):
    """A connection whose process gives way."""

    receiver: str
    """Who reads it."""
    balancer: str
    connection: int
    sockets: Sequence[socket.socket]
    """Its one or two; closed by who takes this."""


def path(run: str) -> str:
    """Where the safe of a runtime folder is."""
    return f"{run}/kept.sock"


# ── who gives way, and who follows ──────────────────────────────────────────────────────────────────────────────


def leave(run: str, giver: str, every: Iterable[Left]) -> int:
    """The last act of a process that gives way; how many connections a safe has of it now. `every` is asked for
    nothing if there is no safe."""
    end = _dial(run)
    if end is None:
        return 0
    count = 0
    with end, suppress(OSError):
        for each in every:
            named = {"receiver": each.receiver, "balancer": each.balancer, "connection": each.connection}
            try:
                _say(end, "leaves", [one.fileno() for one in each.sockets], giver=giver, **named)
            finally:
                for one in each.sockets:
                    one.close()
            count += 1
    return count


def fetch(run: str, receiver: str) -> dict[tuple[str, int], list[int]]:
    """(balancer, connection) -> descriptors, the caller's own, of what a receiver's predecessor read."""
    found: dict[tuple[str, int], list[int]] = {}
    end = _dial(run)
    if end is None:
        return found
    with end, suppress(OSError, WireError):
        _say(end, "fetches", receiver=receiver)
        while heard := _hear(end):
            note, descriptors = heard
            if note["say"] == "all":
                _say(end, "fetched", receiver=receiver)
                break
            if _is_whole(note, descriptors):
                found[note["balancer"], note["connection"]] = descriptors
    return found


def met(run: str, balancer: str) -> None:
    """A balancer has from its receivers what they hold: two have each connection again."""
    end = _dial(run)
    if end is not None:
        with end, suppress(OSError):
            _say(end, "met", balancer=balancer)


def _dial(run: str) -> socket.socket | None:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.settimeout(PATIENCE)
    try:
        end.connect(path(run))
    except OSError:
        end.close()
        return None  # nobody has opened one
    return end


def _say(end: socket.socket, what: str, descriptors: Sequence[int] = (), **fields: Any) -> None:
    note = {"say": what, **fields, "sockets": len(descriptors)}
    socket.send_fds(end, [msgpack.packb(note)], descriptors)


def _hear(end: socket.socket) -> Noted | None:
    """The next note; None: the other end is gone. Raises OSError (BlockingIOError: none yet) and WireError."""
    data, descriptors, _, _ = socket.recv_fds(end, MAX_NOTE, MAX_DESCRIPTORS)
    try:
        return (unpack_note(data, FIELDS), descriptors) if data else None
    except WireError:
        _close(descriptors)
        raise


def _is_whole(note: dict[str, Any], descriptors: list[int]) -> bool:
    """Whether all came that were sent; of others nothing is kept."""
    whole: bool = len(descriptors) == note["sockets"]
    if not whole:
        _close(descriptors)
    return whole


def _close(descriptors: Iterable[int]) -> None:
    for each in descriptors:
        os.close(each)


# ── the safe ────────────────────────────────────────────────────────────────────────────────────────────────────


class Kept(NamedTuple):
    """A connection in the safe."""

    giver: str
    receiver: str
    descriptors: list[int]


Key = tuple[str, int]
"""(balancer, connection)"""


class Safe:
    """Keeps what processes leave while they are replaced, in a thread; what nobody fetched is closed with it."""

    def __init__(self, run: str) -> None:
        """Open it. Raises OSError."""
        raise_open_files()
        self._path = path(run)
        self._door = listen(self._path)
        self._wake, self._end = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in (self._door, self._wake):
            self._selector.register(each, selectors.EVENT_READ)
        self._guests: dict[socket.socket, list[Key]] = {}
        """Who talks to us -> what it was given."""
        self._kept: dict[Key, Kept] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True, name="safe")
        self._thread.start()

    def __enter__(self) -> Safe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, giver: str) -> int:
        """How many connections it keeps that this process has left."""
        with self._lock:
            return sum(kept.giver == giver for kept in self._kept.values())

    def forget(self, giver: str) -> None:
        """Its successor is at work, and needs no more what it left."""
        self._drop([key for key, kept in self._every() if kept.giver == giver])

    def close(self) -> None:
        """Close it, and what is in it."""
        self._end.close()
        self._thread.join()
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        self._selector.close()
        for each in (self._door, self._wake, *self._guests):
            each.close()
        self._drop([key for key, _ in self._every()])

    # ── its thread ──────────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while True:
            ready = [key.fileobj for key, _ in self._selector.select()]
            if self._wake in ready:
                return
            self._admit()
            asking = [(guest, who) for guest in list(self._guests) for who in self._hear(guest)]
            for guest, receiver in asking:  # when all is read: who gave way had left everything before it ended
                self._give(guest, receiver)

    def _admit(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                guest, _ = self._door.accept()
                guest.setblocking(False)
                self._guests[guest] = []
                self._selector.register(guest, selectors.EVENT_READ)

    def _dismiss(self, guest: socket.socket) -> None:
        del self._guests[guest]
        self._selector.unregister(guest)
        guest.close()

    def _hear(self, guest: socket.socket) -> list[str]:
        """All that one has said; returns the receivers whose connections it asks for."""
        asked = []
        try:
            while heard := _hear(guest):
                note, descriptors = heard
                if note["say"] == "leaves":
                    if _is_whole(note, descriptors):
                        self._keep(note, descriptors)
                    continue
                _close(descriptors)
                if note["say"] == "fetches":
                    asked.append(note["receiver"])
                elif note["say"] == "fetched":
                    self._drop(self._guests[guest])
                elif note["say"] == "met":
                    self._drop([key for key, kept in self._every() if key[0] == kept.giver == note["balancer"]])
        except BlockingIOError:
            return asked
        except (OSError, WireError):
            asked.clear()  # what it is to be given has nowhere to go
        self._dismiss(guest)
        return []

    def _give(self, guest: socket.socket, receiver: str) -> None:
        """Duplicates: ours go when it says that it has them."""
        his = [(key, kept) for key, kept in self._every() if kept.receiver == receiver]
        try:
            guest.settimeout(PATIENCE)
            for (balancer, connection), kept in sorted(his):
                _say(guest, "kept", kept.descriptors, balancer=balancer, connection=connection)
            _say(guest, "all")
            guest.setblocking(False)
        except OSError:
            self._dismiss(guest)  # it is gone, or does not read: its next life may ask again
            return
        self._guests[guest] += [key for key, _ in his]

    def _keep(self, note: dict[str, Any], descriptors: list[int]) -> None:
        key = note["balancer"], note["connection"]
        self._drop([key])
        with self._lock:
            self._kept[key] = Kept(note["giver"], note["receiver"], descriptors)

    def _every(self) -> list[tuple[Key, Kept]]:
        with self._lock:
            return list(self._kept.items())

    def _drop(self, keys: Iterable[Key]) -> None:
        with self._lock:
            gone = [self._kept.pop(key) for key in keys if key in self._kept]
        for kept in gone:
            _close(kept.descriptors)
