"""Clients of an output stream over UDP, who ask by commands: answers and DATA go to the port that they ask from.

An address is easily claimed: who asks gets what it asks for, up to the limits, and is forgotten when it has asked for
nothing for a while. Frames are datagrams; what does not go at once is dropped, and counted.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nodes import _dialing
from nodes._asked import COMMANDS, Asked, Told
from nodes._complaints import Complaints
from nodes._devicelink import RECEIVE, RECEIVE_AT_MOST
from nodes._limits import Limits, origin
from nodes._node import Action, StartError, Watch
from nodes._settings import Address
from protocol.c37118 import FrameType, Splitter, frame_type
from protocol.c37118.events import Send
from protocol.clock import SECOND, Now

LOOK_EVERY = SECOND
IDLE = 60 * SECOND
"""A client without DATA that asks for nothing is forgotten after so long."""
SEND_BUFFER = 4 << 20
"""Bytes asked of the kernel: the frames of a turn for all clients."""

Place = tuple[str, int]
"""As the kernel tells it; for IPv6 with two numbers more."""


@dataclass(eq=False)
class Caller:
    """One of them."""

    device: Asked
    heard: int
    """Monotonic ns of its last command."""


class Callers:
    """All of a stream."""

    def __init__(
        self, limits: Limits, may_call: Callable[[str], bool], forget: int, complaints: Complaints, stranger: str
    ) -> None:
        """`forget` [ns]: who gets DATA and has said nothing for so long is forgotten; `stranger`: why whoever may not
        call is refused."""
        self.told: Told | None = None
        self.counts: Counter[str] = Counter(udp_refused=0, udp_forgotten=0, udp_sent=0, udp_dropped=0)
        self._limits, self._may_call, self._forget = limits, may_call, forget
        self._complaints, self._stranger = complaints, stranger
        self._callers: dict[Place, Caller] = {}
        self._splitter = Splitter()
        self._end: socket.socket | None = None
        self._look_at = 0

    def __len__(self) -> int:
        return len(self._callers)

    @property
    def all(self) -> list[Caller]:
        return list(self._callers.values())

    @property
    def fd(self) -> int:
        """-1 while it is not open."""
        return self._end.fileno() if self._end else -1

    @property
    def port(self) -> int:
        """Where it listens, once open."""
        assert self._end
        return int(self._end.getsockname()[1])

    def open(self, at: Address) -> Iterator[Action]:
        """Raises StartError."""
        try:
            family, place = _dialing.resolve(at)
            self._end = socket.socket(family, socket.SOCK_DGRAM)
            self._end.setblocking(False)
            self._end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._end.bind(place)
        except OSError as fault:
            self.close()
            raise StartError(f"{at}: {fault.strerror}; free the port or change `listen_udp`") from fault
        yield Watch(self.fd)

    def configure(self, told: Told) -> None:
        """What is told from now on."""
        self.told = told
        for caller in self.all:
            caller.device.follow(told)

    def read(self, now: Now) -> None:
        """Commands, and answers to them."""
        assert self._end
        for _ in range(RECEIVE_AT_MOST):
            try:
                data, place = self._end.recvfrom(RECEIVE)
            except OSError:  # nothing more is there
                return
            for frame in self._splitter.datagram(data):
                if frame_type(frame) == FrameType.COMMAND:
                    self._obey(frame, place, now)

    def _obey(self, frame: bytes, place: Place, now: Now) -> None:
        caller = self._callers.get(place) or self._welcome(place, now)
        if caller is None:
            return
        caller.heard = now.monotonic
        if caller.device.too_many(now):
            self._complaints.add("not answered", f"{place[0]}: more than {COMMANDS} commands in a second over UDP", now)
            return
        before = caller.device.on
        for said in caller.device.receive(frame, now.utc):
            if isinstance(said, Send):
                self._send(said.data, place)
        if before and not caller.device.on:
            self._leave(place)

    def _welcome(self, place: Place, now: Now) -> Caller | None:
        """Somebody new, if it may ask."""
        if self.told is None:  # it asks again
            return None
        may = self._may_call(place[0])
        why = self._call(place[0], now) if may else f"{place[0]}: {self._stranger}"
        if why:
            self.counts["udp_refused"] += 1
            self._complaints.add("not answered", why, now)
            return None
        caller = self._callers[place] = Caller(Asked(self.told), now.monotonic)
        return caller

    def _call(self, address: str, now: Now) -> str:
        """Why it may not ask, if so. A client that was restarted asks from another port: the one of its address that
        was silent longest makes room."""
        theirs = [place for place in self._callers if origin(place[0]) == origin(address)]
        if len(theirs) < self._limits.per_address:
            return self._limits.call(address, now)
        oldest = min(theirs, key=lambda place: self._callers[place].heard)
        caller = self._callers[oldest]
        self._leave(oldest)
        why = self._limits.call(address, now)
        if why:
            self._limits.count(address)
            self._callers[oldest] = caller
        else:
            self.counts["udp_forgotten"] += 1
        return why

    def _leave(self, place: Place) -> None:
        del self._callers[place]
        self._limits.hang_up(place[0])

    def tell(self, frames: Sequence[bytes]) -> None:
        """DATA, to all who want them."""
        for place, caller in self._callers.items():
            if caller.device.on:
                for frame in frames:
                    self._send(frame, place)

    def _send(self, frame: bytes, place: Place) -> None:
        assert self._end
        try:
            self._end.sendto(frame, place)
            self.counts["udp_sent"] += 1
        except OSError:  # no room, or no way there: it may come back
            self.counts["udp_dropped"] += 1

    def wake_at(self) -> int | None:
        """Monotonic ns of the next look at who has been silent."""
        return self._look_at if self._callers else None

    def wake(self, now: Now) -> None:
        if not self._callers or now.monotonic < self._look_at:
            return
        self._look_at = now.monotonic + LOOK_EVERY
        for place, caller in list(self._callers.items()):
            if now.monotonic >= caller.heard + (self._forget if caller.device.on else IDLE):
                self._leave(place)
                self.counts["udp_forgotten"] += 1

    def close(self) -> None:
        if self._end:
            self._end.close()
