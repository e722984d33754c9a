"""A device of the site file: how its bytes reach us, who it is, what it measures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nodes._settings import Address, Number, Settings, fault
from nodes._siteforms import (
    IDENTITY_HEX,
    BusText,
    DialsInOrAddress,
    Energy,
    GroupText,
    IdentityText,
    IPText,
    NetworkText,
    PortOrAddress,
    family_of,
)
from protocol.gbt26865.common import IDENTITY

How = Literal["dials_in", "tcp", "tcp_udp", "udp", "spontaneous"]


class Secured(Settings):
    """TLS to a device that we dial."""

    name: str = ""
    """Host name or IP address that its certificate must be issued to; none: the host in `tcp`."""


class Link(Settings):
    """How the bytes of a device reach us. Nothing given: the device dials us and answers on that connection."""

    tcp: Address | None = None
    """We dial the device here, the usual C37.118 way; with `udp` only commands go this way."""
    tls: Secured | None = None
    """The connection that we dial is under TLS: `{}`, or `{name: …}` if its certificate has another name."""
    udp: PortOrAddress | None = None
    """Alone: commands and data over UDP, the device is HOST:PORT. With `tcp`: the local port that data come to."""
    spontaneous: PortOrAddress | None = None
    """The device sends unasked, over UDP, to this local port."""
    group: GroupText | None = None
    """Multicast group that a spontaneous device sends to; joined on the interface of the host in `spontaneous`."""
    source: IPText | None = None
    """Only datagrams of this sender count (spontaneous)."""
    data: DialsInOrAddress | None = None
    """Data pipe of a substation that is dialled at `tcp` (GB/T 26865.2, Q/GDW 131): where we dial it, or `dials_in`,
    where it dials us. None: DATA come on the connection at `tcp`, too."""

    @property
    def how(self) -> How:
        """Which of the ways it is."""
        if self.spontaneous:
            return "spontaneous"
        if self.tcp:
            return "tcp_udp" if self.udp else "tcp"
        return "udp" if self.udp else "dials_in"

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {} if value == "dials_in" else value

    @model_validator(mode="after")
    def _fits(self) -> Link:
        if self.spontaneous and (self.tcp or self.udp):
            raise fault("link is spontaneous and tcp or udp at once", "keep one")
        if self.tls and self.how != "tcp":
            raise fault("tls is for connections that we dial, all of them", "write {tcp: HOST:PORT, tls: {}}")
        if (self.group or self.source) and not self.spontaneous:
            raise fault("link names a group or source but is not spontaneous", "add spontaneous: PORT")
        if self.data and self.how != "tcp":
            raise fault("link has a data pipe but no management pipe", "add tcp: HOST:PORT, where we dial that")
        if self.data and self.tls:
            raise fault("link has tls and a data pipe", "leave tls out: there is none for substations with two pipes")
        dialled_data = self.data if isinstance(self.data, Address) else None
        for way in (self.tcp, self.udp if not self.tcp else None, dialled_data):
            if way and (way.port == 0 or way.host in ("0.0.0.0", "::")):
                raise fault(f"{way} can't be dialled", "name the device's own HOST:PORT")
        return self


class Analog(Settings):
    """What an analog channel means, where the device does not say it (scale of CFG-2 is often a placeholder)."""

    scale: Number = 1.0
    """Factor on what the configuration frame yields."""
    offset: Number = 0.0
    """Added after the factor."""
    unit: str = ""
    """As `MW`."""


class Download(Settings):
    """The CFG-2 that a substation is told to stream by (GB/T 26865.2, Q/GDW 131), chosen from its CFG-1."""

    channels: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which phasors, analogs, and (by any of their labels) digital words; `*` and `?` as in file names."""
    period: Annotated[int, Field(ge=1, le=65535)] | None = None
    """PERIOD of all its stations: cycles of nominal frequency times 100 (100 = 20 ms at 50 Hz); none: as it likes."""


class Device(Settings):
    """One link of the site."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Unique in the site; the archive and all counters name it so."""
    number: Annotated[int, Field(ge=1, le=65535)]
    """Unique in the site and never given to another device: the archive tells devices by it."""
    stream: Annotated[int, Field(ge=1, le=65534)] | None = None
    """IDCODE of its frames; none: any."""
    identity: IdentityText | None = None
    """IDCODE of frames that have one of 8 bytes (GB/T 26865.2, Q/GDW 131, SMDs): text, or 16 hex digits; none: any."""
    address: NetworkText | None = None
    """IP address or network it connects from (dials in); none: any."""
    certificate: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name in the certificate that it shows when it dials in under TLS; then it can't come in any other way."""
    protocol: Literal["c37118", "gbt26865", "qgdw131", "smd"] = "c37118"
    """What it speaks: IEEE C37.118, GB/T 26865.2-2011, Q/GDW 131-2006, or GB/T 26865.2 with the frames of SMDs."""
    kind: Literal["R", "C", "L"] | None = None
    """Which SMD it is: what its spectra are."""
    download: Download | None = None
    """Tell it what to stream; none: as it likes."""
    link: Link = Link()
    """How its bytes reach us: dials_in, or {tcp: …}, {tcp: …, udp: …}, {udp: …}, {spontaneous: …}."""
    region: str = ""
    """Region of the grid; neighbours are devices of one region."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees north."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees east."""
    elevation: Number | None = None
    """Metres."""
    analogs: dict[str, Analog] = Field(default_factory=dict)
    """By channel name: what an analog means."""
    bus: BusText | None = None
    """Bus of the network that it measures, all its stations; none: not known."""
    inertia: Energy | None = None
    """Kinetic energy of all that rotates about there (`4 GWs`): its weight in the frequency of the centre of inertia;
    where no device has one, all weigh the same."""

    @model_validator(mode="after")
    def _recognisable(self) -> Device:
        told = (self.stream, self.identity, self.address, self.certificate)
        if self.link.how == "dials_in" and all(each is None for each in told):
            remedy = "add stream: (or identity:), address: or certificate:"
            raise fault("nothing to recognise it by when it dials in", remedy)
        if self.link.how != "dials_in" and self.address is not None:
            raise fault("address is for devices that dial in", "leave it out, the link says where the device is")
        if self.link.how != "dials_in" and self.certificate is not None:
            raise fault("certificate is for devices that dial in", "write link: {tcp: HOST:PORT, tls: {name: …}}")
        return self

    @model_validator(mode="after")
    def _speaks(self) -> Device:
        if self.protocol == "c37118":
            told = [name for name in ("identity", "kind", "download") if getattr(self, name) is not None]
            if told or self.link.data:
                raise fault(f"C37.118 has no {(told or ['data pipe'])[0]}", "set protocol:, or leave it out")
            return self
        if self.stream is not None:
            raise fault(f"{self.protocol} has no IDCODE of 16 bits", "write identity: with its 8 characters")
        if self.link.how not in ("dials_in", "tcp"):
            raise fault(f"{self.protocol} goes over TCP", "write link: {tcp: HOST:PORT, data: HOST:PORT}, or dials_in")
        if self.link.tls or self.certificate:
            raise fault(f"there is no TLS for {self.protocol}", "leave tls and certificate out")
        if (self.protocol == "smd") != (self.kind is not None):
            raise fault("kind says which SMD it is", "write protocol: smd and kind: R, C or L, or neither")
        if self.download and self.link.how == "dials_in":
            raise fault("download is for devices that we dial", "leave it out, or write link: {tcp: HOST:PORT}")
        return self

    @property
    def family(self) -> str:
        """Of protocols whose devices may call at one port."""
        return family_of(self.protocol)

    @property
    def code(self) -> int | None:
        """IDCODE as a number, however long; None: any."""
        if self.identity is None:
            return self.stream
        whole = IDENTITY_HEX.fullmatch(self.identity)
        raw = bytes.fromhex(self.identity) if whole else self.identity.encode("gbk").ljust(IDENTITY, b"\0")
        return int.from_bytes(raw, "big")
