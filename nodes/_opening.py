"""From what a balancer handed over to the ways that a receiver reads by."""

from __future__ import annotations

from collections.abc import Sequence

from nodes._peek import DatagramEnd, Machine, StreamEnd
from nodes._pipes import DataPipe
from nodes._tlsway import Handshakes, TlsEnd, TlsWay
from nodes._tongues import Tongue
from nodes._ways import DatagramWay, StreamWay, Way
from nodes._waystate import Handed, WayState
from protocol.c37118.session import MasterSettings
from protocol.c37118.splitter import Splitter
from protocol.clock import Now


class Opening:
    """Makes ends of descriptors, and ways of ends."""

    def __init__(self, machine: Machine, session: MasterSettings, tongues: dict[str, Tongue]) -> None:
        """`session`: what sessions have in common; `tongues`: by name of the protocol."""
        self.handshakes = Handshakes()
        self._machine, self._session, self._tongues = machine, session, tongues

    def ends(self, handed: Handed, descriptors: Sequence[int], now: Now | None) -> list[StreamEnd | DatagramEnd]:
        """`now`: when it begins; None: it is only to be hung up."""
        if not has_stream(handed):
            return [self._machine.datagrams(descriptors[0])]
        first, *others = descriptors
        if handed.tls and now:
            return [TlsEnd(self._machine.stream(first), handed.tls, self.handshakes, now)]
        return [self._machine.stream(first), *(self._machine.datagrams(each) for each in others)]

    def ways(self, slot: int, handed: Handed, ends: list[StreamEnd | DatagramEnd]) -> list[Way]:
        """The one or two of a connection."""
        session, spoken = self.session(handed), self._tongues[handed.protocol]
        if isinstance(ends[0], DatagramEnd):
            return [DatagramWay(slot, handed, ends[0], session, handed.target)]
        if isinstance(ends[0], TlsEnd):
            return [TlsWay(slot, handed, ends[0], session)]
        if handed.pipe == "data":
            return [DataPipe(slot, handed, ends[0], session, spoken)]
        stream = StreamWay(slot, handed, ends[0], session, spoken)
        ways: list[Way] = [stream]
        if handed.how == "tcp_udp" and isinstance(ends[-1], DatagramEnd):
            data = DatagramWay(slot, handed, ends[-1], session)
            data.share(stream.link, handed.peer[0])
            ways.append(data)
        return ways

    def session(self, handed: Handed) -> MasterSettings:
        """Of a connection."""
        common = self._session
        return MasterSettings(
            cfg3=common.cfg3 and handed.cfg3,
            stream=handed.stream,
            spontaneous=handed.how == "spontaneous",
            wait=common.wait,
        )


def has_stream(handed: Handed) -> bool:
    """Whether its first way is a TCP connection."""
    return handed.how not in ("udp", "spontaneous")


def splitter_of(state: WayState, spoken: Tongue) -> Splitter:
    """The splitter of a connection of a former life."""
    return spoken.restored(state.tail, state.splitter) if state.splitter else spoken.splitter()
