"""Devices that a balancer reaches itself: it dials them, or opens the ports that their datagrams come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nodes import _dialing
from nodes._connections import Connection
from nodes._settings import Address
from nodes._sitechange import same_way
from nodes._sitedevice import Device
from nodes._tls import Tls
from protocol.clock import SECOND, Now

OPEN_AGAIN = SECOND
"""Pause before a UDP port is tried again that could not be opened."""


@dataclass
class Port:
    """One UDP socket: that of a device with commands over UDP, or the one that several send to unasked."""

    devices: list[Device]
    connection: Connection | None = None
    """Who carries it now."""
    due: int = 0
    """Monotonic ns; when to open it, unless it is."""
    fault: str = field(default="", compare=False)

    @property
    def how(self) -> str:
        return self.devices[0].link.how

    @property
    def numbers(self) -> set[int]:
        return {device.number for device in self.devices}

    def same_as(self, other: Port, here: dict[int, Device]) -> bool:
        """Whether the other one, of a changed site with the devices `here`, is this socket."""
        mine, theirs = self.devices[0], other.devices[0]
        if mine.link.spontaneous:
            return (mine.link.spontaneous, mine.link.group) == (theirs.link.spontaneous, theirs.link.group)
        return mine.number == theirs.number and _stays(mine, here)

    @property
    def place(self) -> str:
        """As a person finds it in the site file."""
        link, name = self.devices[0].link, self.devices[0].name
        group = f" {link.group}" if link.group else ""
        return f"{name} (UDP {link.spontaneous or link.udp}{group})"

    def peer(self) -> tuple[str, int]:
        """The device, or our own end if several send to it. Raises OSError if there is no such host, or its name is
        being looked up."""
        link, place = self.devices[0].link, self._place(keep=True)
        return (str(link.group), place[1]) if link.group else place

    def _place(self, keep: bool) -> tuple[str, int]:
        link = self.devices[0].link
        address = link.spontaneous or link.udp
        assert address is not None
        return _dialing.NAMES.resolve(address, keep)[1]

    def open(self) -> Connection:
        """Raises OSError."""
        link, peer = self.devices[0].link, self.peer()
        place = self._place(keep=False)
        address = Address(*place) if link.spontaneous else _dialing.any_port(Address(*peer))
        end = _dialing.open_datagrams(address, str(link.group) if link.group else None)
        target = None if link.spontaneous else peer
        self.connection = Connection(self.how, peer, self.devices, target, ends=[end])
        return self.connection


class Reach:
    """The devices of a site that do not dial in."""

    def __init__(self, devices: list[Device], keepalive: int = 0, tls: Tls | None = None) -> None:
        """`keepalive`: see `_dialing.keep_alive`; `tls`: our certificates, if any device is dialled under TLS."""
        self._keepalive, self._tls = keepalive, tls
        self._dials = [_dialing.Dial(device) for device in devices if device.link.how in ("tcp", "tcp_udp")]
        self._pipes: dict[int, _dialing.Dial] = {}
        """Connection that is a management pipe -> its data pipe, which is wanted as long as that lasts."""
        self._trying: dict[int, _dialing.Dial] = {}
        self._ports = list(_ports(devices))

    def __contains__(self, fd: int) -> bool:
        """Whether this is a dial under way."""
        return fd in self._trying

    def brought(self, how: str, peer: tuple[str, int], numbers: Iterable[int], pipe: str = "") -> Connection | None:
        """A connection of a former life that a receiver has kept; None if the site reaches no such device any more."""
        if pipe == "data":
            piped = ((dial.device, dial.device.link.data) for dial in self._dials)
            for device, data in ((device, data) for device, data in piped if isinstance(data, Address)):
                if _same(_dialing.Dial(device, data).place, peer):
                    return Connection(how, peer, [device], protocol=device.protocol, pipe=pipe)
            return None
        dials = [dial for dial in self._dials if dial.device.link.how == how]
        ports = [port for port in self._ports if port.how == how]
        told = set(numbers)
        dial = next((each for each in dials if each.device.number in told), None) or next(
            (each for each in dials if not each.connected and _same(each.place, peer)), None
        )
        port = next((each for each in ports if each.numbers & told), None) or next(
            (each for each in ports if not each.connection and _same(each.peer, peer)), None
        )
        if dial:
            new = not dial.connected and dial.trying is None
            if new:
                dial.brought(proved=bool(told))
            return Connection(
                how, peer, [dial.device], dial=dial if new else None, protocol=dial.device.protocol, pipe=pipe
            )
        if port:
            connection = Connection(how, peer, port.devices, None if how == "spontaneous" else peer)
            port.connection = port.connection or connection
            return connection
        return None

    def want_data(self, management: Connection) -> None:
        """The data pipe of a substation is wanted now; nothing is done where it dials us."""
        device = management.candidates[0] if management.candidates else None
        if device and isinstance(device.link.data, Address) and management.id not in self._pipes:
            self._pipes[management.id] = _dialing.Dial(device, device.link.data)

    def take(self, devices: list[Device], now: Now) -> Iterator[int]:
        """Reach these from now on. Yields dials under way that are given up: not to be watched when they close.

        A connection whose `candidates` are none any more is to be ended. What comes in the place of another waits for
        its end.
        """
        here = {device.number: device for device in devices}
        for fd in [fd for fd, dial in self._trying.items() if not _stays(dial.device, here)]:
            yield fd
            dial = self._trying.pop(fd)
            if dial.trying:
                dial.trying.close()
        former = {dial.device.number: dial for dial in self._dials}
        stays = {number for number, dial in former.items() if _stays(dial.device, here)}
        for dial in former.values():
            dial.device = here[dial.device.number] if dial.device.number in stays else dial.device
        self._dials = [
            former[each.number] if each.number in stays else _dialing.Dial(each, due=now.monotonic + OPEN_AGAIN)
            for each in devices
            if each.link.how in ("tcp", "tcp_udp")
        ]
        self._take_ports(devices, here, now)

    def _take_ports(self, devices: list[Device], here: dict[int, Device], now: Now) -> None:
        """A port that stays has other devices, in the list that its connection knows them by."""
        former, self._ports = self._ports, []
        for port in _ports(devices):
            same = next((each for each in former if each.same_as(port, here)), None)
            if same is None:
                port.due = now.monotonic + OPEN_AGAIN
            else:
                former.remove(same)
                same.devices[:] = port.devices
            self._ports.append(same or port)
        for port in former:
            port.devices.clear()

    def open(self, now: Now) -> Iterator[Connection]:
        """UDP ports that nobody has: each new socket."""
        for port in self._ports:
            if port.connection is None and now.monotonic >= port.due:
                try:
                    yield port.open()
                    port.fault = ""
                except OSError as fault:
                    port.fault, port.due = fault.strerror or str(fault), now.monotonic + OPEN_AGAIN

    def ended(self, former: Connection, reason: str, now: Now) -> None:
        """A connection is over: a device that we dial is dialled later, a UDP port is opened anew by `open`."""
        pipe = self._pipes.pop(former.id, None)
        if pipe and pipe.trying:
            pipe.gives_up = now.monotonic  # nobody waits for it
        if former.dial:
            former.dial.failed(reason, now)
        for port in self._ports:
            if port.connection is former:
                port.connection = None

    def begin(self, now: Now) -> Iterator[int]:
        """Dial who is due: descriptors that become writable when it is decided."""
        for dial in [*self._dials, *self._pipes.values()]:
            if not dial.connected and dial.trying is None and now.monotonic >= dial.due:
                attempt = dial.begin(now)
                if attempt is not None:
                    self._trying[attempt.fileno()] = dial
                    yield attempt.fileno()

    def overdue(self, now: Now) -> list[int]:
        """Dials that nobody answers."""
        return [fd for fd, dial in self._trying.items() if now.monotonic >= dial.gives_up]

    def decided(self, fd: int, now: Now) -> Connection | None:
        """What became of a dial."""
        dial = self._trying.pop(fd)
        end = dial.decided(now)
        if end is None:
            return None
        link, ends = dial.device.link, [end]
        try:
            peer = end.getpeername()[:2]
            _dialing.keep_alive(end, self._keepalive)
            if link.how == "tcp_udp" and link.udp:
                ends.append(_dialing.open_datagrams(link.udp, sender=peer[0]))
        except OSError as fault:
            end.close()
            udp = f"UDP {link.udp}: " if link.udp else ""
            dial.failed(f"{udp}{fault.strerror}", now)
            return None
        beside = next((id_ for id_, pipe in self._pipes.items() if pipe is dial), 0)
        if dial.to and not beside:
            end.close()  # its management pipe has ended meanwhile
            return None
        if beside:
            dial.proved()
        connection = Connection(link.how, peer, [dial.device], tls=self._terms(dial), dial=dial, ends=ends)
        connection.protocol, connection.beside = dial.device.protocol, beside
        if connection.family != "c37118":
            connection.pipe = "data" if beside else "management" if link.data else "whole"
        return connection

    def _terms(self, dial: _dialing.Dial) -> dict[str, Any] | None:
        wanted = dial.device.link.tls
        if wanted is None:
            return None
        assert self._tls is not None  # never in the clear instead: the balancer does not start without
        return self._tls.terms(dialled=True, name=wanted.name or dial.target.host)

    def alarms(self, heard: Iterable[int]) -> list[str]:
        """Devices that do not answer or send; `heard` are the link numbers that are connected."""
        known = set(heard)
        dials = [*self._dials, *self._pipes.values()]
        silent = [f"{dial.device.name} at {dial.target}: {dial.fault}" for dial in dials if dial.fault]
        shut = [f"{port.place}: {port.fault}" for port in self._ports if port.fault]
        mute = [device for port in self._ports for device in port.devices if device.number not in known]
        return [
            *silent,
            *shut,
            *(f"{device.name} ({device.link.how}): no configuration has come from it" for device in mute),
        ]

    def close(self) -> None:
        for dial in self._trying.values():
            if dial.trying:
                dial.trying.close()


def _stays(device: Device, here: dict[int, Device]) -> bool:
    """Whether it is reached and recognised as before."""
    return device.number in here and same_way(device, here[device.number])


def _same(place: Callable[[], tuple[str, int]], peer: tuple[str, int]) -> bool:
    """Whether a place of the site file is this one; not, if its host can't be looked up now."""
    try:
        return place() == peer
    except OSError:
        return False


def _ports(devices: list[Device]) -> Iterator[Port]:
    """A port per device with commands over UDP, and one per place that devices send to unasked."""
    shared: dict[tuple[Address, str | None], list[Device]] = {}
    for device in devices:
        link = device.link
        if link.spontaneous:
            shared.setdefault((link.spontaneous, str(link.group) if link.group else None), []).append(device)
        elif link.how == "udp":
            yield Port([device])
    yield from map(Port, shared.values())
