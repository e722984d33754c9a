"""Devices that a balancer reaches itself: it dials them, or opens the ports that their datagrams come to."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nodes import _dialing
from nodes._node import StartError
from nodes._settings import Address
from nodes._site import Device
from protocol.clock import Now


@dataclass
class Connection:
    """One handed-over socket (or pair of them)."""

    id: int
    how: str
    """dials_in, tcp, tcp_udp, udp or spontaneous."""
    peer: tuple[str, int]
    candidates: list[Device] | None = None
    """Who it can be, where the way says it already (dialled, own port); None: it dialled us."""
    target: tuple[str, int] | None = None
    """Where commands go, over UDP."""
    dial: _dialing.Dial | None = None
    receiver: str = ""
    numbers: set[int] = field(default_factory=set)
    """Of the links that it carries, as far as they are identified."""

    @property
    def place(self) -> str:
        """Where the device is, as far as that stays the same."""
        return self.peer[0] if self.candidates is None else f"{self.peer[0]}:{self.peer[1]}"


Reached = tuple[Connection, list[socket.socket]]


class Reach:
    """The devices of a site that do not dial in."""

    def __init__(self, devices: list[Device], serial: Iterator[int]) -> None:
        """`serial` numbers connections."""
        self._serial = serial
        self._datagram = [device for device in devices if device.link.how in ("udp", "spontaneous")]
        self._dials = [_dialing.Dial(device) for device in devices if device.link.how in ("tcp", "tcp_udp")]
        self._trying: dict[int, _dialing.Dial] = {}

    def __contains__(self, fd: int) -> bool:
        """Whether this is a dial under way."""
        return fd in self._trying

    def open(self) -> Iterator[Reached]:
        """A socket per device with commands over UDP, and one per port that devices send to unasked.

        Raises StartError if a port is taken.
        """
        shared: dict[tuple[Address, str | None], list[Device]] = {}
        for device in self._datagram:
            link = device.link
            if link.spontaneous:
                shared.setdefault((link.spontaneous, str(link.group) if link.group else None), []).append(device)
            elif link.udp:
                target = _dialing.resolve(link.udp)[1]
                end = _datagrams(_dialing.any_port(link.udp), None)
                yield Connection(next(self._serial), "udp", target, [device], target), [end]
        for (address, group), devices in shared.items():
            end = _datagrams(address, group)
            yield Connection(next(self._serial), "spontaneous", end.getsockname()[:2], devices), [end]

    def again(self, former: Connection, reason: str, now: Now) -> Reached | None:
        """A connection has ended: a device that we dial is dialled later, a datagram port is opened anew now."""
        if former.dial:
            former.dial.failed(reason, now)
        if former.how not in ("udp", "spontaneous") or not former.candidates:
            return None
        link = former.candidates[0].link
        address = link.spontaneous or _dialing.any_port(Address(*former.peer))
        end = _datagrams(address, str(link.group) if link.group else None)
        return Connection(next(self._serial), former.how, former.peer, former.candidates, former.target), [end]

    def begin(self, now: Now) -> Iterator[int]:
        """Dial who is due: descriptors that become writable when it is decided."""
        for dial in self._dials:
            if not dial.connected and dial.trying is None and now.monotonic >= dial.due:
                attempt = dial.begin(now)
                if attempt is not None:
                    self._trying[attempt.fileno()] = dial
                    yield attempt.fileno()

    def overdue(self, now: Now) -> list[int]:
        """Dials that nobody answers."""
        return [fd for fd, dial in self._trying.items() if now.monotonic >= dial.gives_up]

    def decided(self, fd: int, now: Now) -> Reached | None:
        """What became of a dial."""
        dial = self._trying.pop(fd)
        end = dial.decided(now)
        if end is None:
            return None
        sockets, link = [end], dial.device.link
        peer = end.getpeername()[:2]
        if link.how == "tcp_udp" and link.udp:
            try:
                sockets.append(_dialing.open_datagrams(link.udp, sender=peer[0]))
            except OSError as fault:
                end.close()
                dial.failed(f"UDP {link.udp}: {fault.strerror}", now)
                return None
        return Connection(next(self._serial), link.how, peer, [dial.device], dial=dial), sockets

    def alarms(self, heard: Iterable[int]) -> list[str]:
        """Devices that do not answer or send; `heard` are the link numbers that are connected."""
        known = set(heard)
        silent = [f"{dial.device.name} at {dial.target}: {dial.fault}" for dial in self._dials if dial.fault]
        mute = [device for device in self._datagram if device.number not in known]
        return silent + [f"{device.name} ({device.link.how}): no configuration has come from it" for device in mute]

    def close(self) -> None:
        for dial in self._trying.values():
            if dial.trying:
                dial.trying.close()


def _datagrams(address: Address, group: str | None) -> socket.socket:
    try:
        return _dialing.open_datagrams(address, group)
    except OSError as fault:
        raise StartError(f"UDP {address} {group or ''}: {fault.strerror}; see `link` in the site file") from fault
