"""What a publisher can be told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr, WithJsonSchema, model_validator

from nodes._outstations import IDCODE, Format
from nodes._outstream import MAX_DATAGRAM, MAX_FRAME, Choice, Stream
from nodes._settings import Address, Duration, Rate, Size, fault
from nodes._settings import Settings as Base
from nodes._siteforms import NetworkText
from nodes._tls import Tls
from protocol.c37118.names import FIELD
from protocol.clock import MILLISECOND, SECOND


def _ways(value: object) -> object:
    ways = [value] if isinstance(value, str) else value
    known = ("filter", "interpolate")
    if ways == ["reselect"]:
        return ()
    if not isinstance(ways, list | tuple) or not set(ways) <= set(known) or len(set(ways)) < len(ways):
        raise fault(f"{value!r} is no way to convert rates", f"reselect, or of {', '.join(known)} one or both")
    return tuple(ways)


Ways = Annotated[
    tuple[str, ...],
    BeforeValidator(_ways),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["reselect", "filter", "interpolate"]},
                {"type": "array", "items": {"enum": ["filter", "interpolate"]}, "uniqueItems": True},
            ]
        }
    ),
]


def _own_names(rename: dict[str, dict[str, str | int]]) -> dict[str, dict[str, str | int]]:
    for device, own in rename.items():
        for name, told in own.items():
            if name == IDCODE and (isinstance(told, str) or not 1 <= told <= 65534):
                raise fault(f"{device}: {told!r} can't be an IDCODE", "write a number from 1 to 65534")
            if name != IDCODE and (not isinstance(told, str) or not told or len(told.encode()) > FIELD):
                raise fault(
                    f"{device}: {told!r} can't be a name", f"write a text of at most {FIELD} bytes, as CFG-2 has"
                )
    return rename


Rename = Annotated[dict[str, dict[str, StrictStr | StrictInt]], AfterValidator(_own_names)]


def _is_group(place: Address) -> bool:
    try:
        return ipaddress.ip_address(place.host.partition("%")[0]).is_multicast
    except ValueError:
        return False  # a name


SHAPING = {
    "idcode",
    "version",
    "time_base",
    "devices",
    "channels",
    "rate",
    "convert",
    "rename",
    "format",
    "gather",
    "wait",
}
"""Settings of what is told, which are of no use where frames pass as they are."""


class Settings(Base):
    """Publisher: to whom, what and how."""

    listen: Address | None = None
    """Where clients dial us over TCP."""
    listen_tls: Address | None = None
    """Where they dial us under TLS."""
    tls: Tls | None = None
    """Certificates, for `listen_tls`."""
    names: list[str] = Field(default_factory=list)
    """Whom a client's certificate must be issued to; none: whoever the authorities signed one for."""
    admit_from: list[NetworkText] = Field(default_factory=list)
    """Networks that clients may be in; none: any."""
    listen_udp: Address | None = None
    """Where clients ask over UDP; answers and DATA go to the port that they ask from."""
    forget: Annotated[Duration, Field(ge=SECOND)] = 3600 * SECOND
    """A client over UDP that gets DATA and has sent no command for so long is forgotten."""
    udp: list[Address] = Field(default_factory=list)
    """Where DATA are sent over UDP, unasked; a multicast group, too."""
    ttl: Annotated[int, Field(ge=1, le=255)] = 1
    """Routers that datagrams to multicast groups of `udp` may pass, and one; 1: they stay in this subnet."""
    interface: str = ""
    """Network interface, by name or IPv4 address, that they leave by; none: as the routes say."""
    announce: Annotated[Duration, Field(ge=SECOND)] = 60 * SECOND
    """Between two configurations to those who never ask (`udp`, `spontaneous`)."""
    raw: str = ""
    """Name of one device, of which the very frames are told, as they come; its publisher reads receivers."""
    idcode: Annotated[int, Field(ge=1, le=65534)] | None = None
    """IDCODE of the stream."""
    version: Annotated[int, Field(ge=1, le=2)] = 2
    """1 = the edition of 2005, which knows no CFG-3; 2 = 2011."""
    time_base: Annotated[int, Field(ge=1000, le=0xFFFFFF)] = 1_000_000
    """Counts of FRACSEC per second."""
    devices: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which devices, by their name in the site file or their own; `*` and `?` as in file names."""
    channels: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which phasors, analogs, and (by any of their labels) digital words. Frequency and ROCOF are always told."""
    rate: Rate | None = None
    """Frames per second; none: as most devices. Of faster devices frames in between are left out, slower ones are
    marked absent in between; but see `convert`."""
    convert: Ways = ()
    """How devices of another rate are told instead. `filter`: faster ones through a low-pass filter, if their rate is a
    whole multiple of this. `interpolate`: slower ones, and those of rates that do not fit, on straight lines between
    rows. One of them, or both as a list; `reselect`: neither."""
    rename: Rename = Field(default_factory=dict)
    """Devices that are told by other names: by their name in the site file or their own, `station`, `idcode`, and names
    of channels by what the device calls them."""
    format: Format = Format()
    """How numbers are written."""
    gather: Annotated[Duration, Field(ge=SECOND)] = 3 * SECOND
    """After a start, and after a change, what else is new is waited for so long: each change is one for all clients.
    Longer than the concentrator waits. Changes that follow each other are gathered for longer, up to a minute."""
    wait: Duration = 150 * MILLISECOND
    """Devices of other rates or channels come from the concentrator apart, by as much as its own `wait`: an instant
    waits so long for all."""
    oldest: Annotated[Duration, Field(ge=SECOND)] = 10 * SECOND
    """What is older is not told any more; a client that something older waits for is cut off."""
    spontaneous: bool = False
    """Clients over TCP are told the configuration and DATA at once, without a command."""
    clients: Annotated[int, Field(ge=1, le=1000)] = 32
    """So many at once."""
    per_address: Annotated[int, Field(ge=1, le=1000)] = 8
    """Of these, so many from one address (IPv6: from one /64 network)."""
    calls: Annotated[Rate, Field(ge=1)] = 10
    """Calls taken from one address in the long run; more are closed at once."""
    queue: Annotated[Size, Field(ge=1 << 17)] = 16 << 20
    """Bytes that wait for a client; one that has more is cut off."""
    keepalive: Duration = 60 * SECOND
    """A client that has not answered for so long is given up (0 s: never)."""

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Settings:
        if not (self.listen or self.listen_tls or self.listen_udp or self.udp):
            raise fault("nobody can get this stream", "add listen:, listen_tls:, listen_udp: or udp:")
        if self.listen_tls and not self.tls:
            raise fault("listen_tls without certificates", "add tls: {certificate, key, authorities}")
        for setting in ("tls", "names"):
            if getattr(self, setting) and not self.listen_tls:
                raise fault(f"{setting} without listen_tls: nothing is under TLS", "add listen_tls: HOST:PORT")
        unfit = sorted(self.model_fields_set & SHAPING)
        if self.raw and unfit:
            raise fault(
                f"{', '.join(unfit)} with raw: frames pass as they are", f"leave out {', '.join(unfit)}, or raw"
            )
        if not self.raw and self.idcode is None:
            raise fault("the stream has no IDCODE", "add idcode: 700")
        if (self.ttl != 1 or self.interface) and not any(map(_is_group, self.udp)):
            raise fault("ttl and interface are of multicast groups, and there is none", 'add udp: ["239.1.2.3:4713"]')
        return self

    @property
    def links(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where it stands, name) of every link that must be in the site file."""
        if self.raw:
            yield ("raw",), self.raw

    def check(self) -> None:
        """Whether its certificates can be used. Raises TlsFault."""
        if self.tls:
            self.tls.check()

    @property
    def stream(self) -> Stream:
        """What is told, whoever is in it."""
        choice = Choice(devices=self.devices, channels=self.channels, rate=self.rate)
        told = self.idcode or 0, self.version, self.time_base, choice, self.format
        return Stream(*told, self.largest, self.convert, self.rename)

    @property
    def largest(self) -> int:
        """Bytes of a frame."""
        return MAX_DATAGRAM if self.udp or self.listen_udp else MAX_FRAME
